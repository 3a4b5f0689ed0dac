package models_test

import (
	"testing"

	"github.com/google/uuid"

	"example.com/assistant/models"
	"example.com/assistant/supabase"
	"usergraph/apitest"
	"usergraph/database/rows"
)

const threadsSeed = `
insert into auth.users (id) values ('00000000-0000-4000-8000-00000000000a'), ('00000000-0000-4000-8000-00000000000b'), ('00000000-0000-4000-8000-00000000000c') on conflict do nothing;
truncate public.threads restart identity cascade;
insert into public.threads (id, user_id, title) values (1001, '00000000-0000-4000-8000-00000000000a', 'A') on conflict do nothing;
insert into public.threads (id, user_id, title) values (1002, '00000000-0000-4000-8000-00000000000a', 'B') on conflict do nothing;
insert into public.threads (id, user_id, title) values (1003, '00000000-0000-4000-8000-00000000000b', 'C') on conflict do nothing;
`

// Row-level security alone keeps threads to their owner: nothing here names one.
func TestThreadsRowLevelSecurity(t *testing.T) {
	db := apitest.Postgres(t, supabase.Migrations)
	db.Exec(t, threadsSeed)
	for user, want := range map[string]int{"00000000-0000-4000-8000-00000000000a": 2, "00000000-0000-4000-8000-00000000000b": 1} {
		seen, err := db.As(uuid.MustParse(user)).NewSelect().Model((*models.Thread)(nil)).Count(t.Context())
		if err != nil || int(seen) != want {
			t.Errorf("%s sees %d rows, want %d: %v", user, seen, want, err)
		}
	}
}

// Each page begins where the one before ended, and together they have each row once.
func TestThreadsPages(t *testing.T) {
	db := apitest.Postgres(t, supabase.Migrations)
	db.Exec(t, threadsSeed)
	user, one := uuid.MustParse("00000000-0000-4000-8000-00000000000a"), 1
	seen, pages := map[rows.ID]bool{}, 0
	for page := (rows.Page{First: &one}); ; pages++ {
		list, err := models.ThreadsOf(t.Context(), db.As(user), user, page, nil)
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
	if len(seen) != 2 || pages != 2-1 {
		t.Errorf("%d rows on %d pages, want 2 on 2", len(seen), pages+1)
	}
}
