package models_test

import (
	"testing"

	"github.com/google/uuid"

	"example.com/billing/models"
	"example.com/billing/supabase"
	"usergraph/apitest"
	"usergraph/database/rows"
)

const productsSeed = `
insert into auth.users (id) values ('00000000-0000-4000-8000-00000000000a'), ('00000000-0000-4000-8000-00000000000b'), ('00000000-0000-4000-8000-00000000000c') on conflict do nothing;
truncate public.products restart identity cascade;
insert into public.products (id, active, name, description) values ('A', true, 'A', 'A') on conflict do nothing;
insert into public.products (id, active, name, description) values ('B', false, 'B', 'B') on conflict do nothing;
insert into public.products (id, active, name, description) values ('C', true, 'C', 'C') on conflict do nothing;
`

// Each page begins where the one before ended, and together they have each row once.
func TestProductsPages(t *testing.T) {
	db := apitest.Postgres(t, supabase.Migrations)
	db.Exec(t, productsSeed)
	user, one := uuid.MustParse("00000000-0000-4000-8000-00000000000a"), 1
	seen, pages := map[rows.ID]bool{}, 0
	for page := (rows.Page{First: &one}); ; pages++ {
		list, err := models.Products(t.Context(), db.As(user), page)
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
