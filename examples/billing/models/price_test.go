package models_test

import (
	"testing"

	"github.com/google/uuid"

	"example.com/billing/models"
	"example.com/billing/supabase"
	"usergraph/apitest"
	"usergraph/database/rows"
)

const pricesSeed = `
insert into auth.users (id) values ('00000000-0000-4000-8000-00000000000a'), ('00000000-0000-4000-8000-00000000000b'), ('00000000-0000-4000-8000-00000000000c') on conflict do nothing;
truncate public.prices restart identity cascade;
insert into public.prices (id, active, description, unit_amount) values ('A', true, 'A', 1) on conflict do nothing;
insert into public.prices (id, active, description, unit_amount) values ('B', false, 'B', 2) on conflict do nothing;
insert into public.prices (id, active, description, unit_amount) values ('C', true, 'C', 3) on conflict do nothing;
`

// Each page begins where the one before ended, and together they have each row once.
func TestPricesPages(t *testing.T) {
	db := apitest.Postgres(t, supabase.Migrations)
	db.Exec(t, pricesSeed)
	user, one := uuid.MustParse("00000000-0000-4000-8000-00000000000a"), 1
	seen, pages := map[rows.ID]bool{}, 0
	for page := (rows.Page{First: &one}); ; pages++ {
		list, err := models.Prices(t.Context(), db.As(user), page, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range list.Nodes {
			seen[rows.KeyOf(row)] = true
		}
		if !list.PageInfo.HasNextPage {
			break
		}
		page.After = list.PageInfo.EndCursor
	}
	if len(seen) != 3 || pages != 3-1 {
		t.Errorf("%d rows on %d pages, want 3 on 3", len(seen), pages+1)
	}
}
