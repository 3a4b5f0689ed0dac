package models_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"example.com/assistant/models"
	"example.com/assistant/supabase"
	"usergraph/apitest"
)

var (
	spender = uuid.MustParse("a0000000-0000-4000-8000-000000000001")
	other   = uuid.MustParse("b0000000-0000-4000-8000-000000000002")
)

// usage returns a database in which the spender may use so many tokens a day.
func usage(t *testing.T, limit int) *apitest.Database {
	t.Helper()
	db := apitest.Postgres(t, supabase.Migrations)
	db.Exec(t, supabase.Seed)
	db.Exec(t, "update public.usage set token_limit = $2 where user_id = $1", spender, limit)
	return db
}

func expectUsed(t *testing.T, db bun.IDB, want int32) {
	t.Helper()
	usage, err := models.UsageOf(t.Context(), db, spender)
	if err != nil || usage.Used != want {
		t.Errorf("used %+v, %v; want %d", usage, err, want)
	}
}

// expect fails the test unless a condition of SQL holds, which the superuser asks.
func expect(t *testing.T, db *apitest.Database, condition string) {
	t.Helper()
	db.Exec(t, "do $do$ begin if not coalesce(("+condition+"), false) then raise exception 'does not hold: %', $c$"+condition+"$c$; end if; end $do$")
}

func TestReserveAndSettle(t *testing.T) {
	db := usage(t, 1000)
	as := db.As(spender)
	reserve := func(tokens int) uuid.UUID {
		t.Helper()
		key, err := models.Reserve(t.Context(), as, tokens)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	settle := func(key uuid.UUID, tokens int) {
		t.Helper()
		if err := models.Settle(t.Context(), as, key, tokens); err != nil {
			t.Error(err)
		}
	}
	first := reserve(600)
	expectUsed(t, as, 600)
	if _, err := models.Reserve(t.Context(), as, 401); !errors.Is(err, models.ErrQuota) {
		t.Error("more than the limit:", err)
	}
	settle(first, 100)
	expectUsed(t, as, 100)
	// The provider has counted more than was reserved, and more than there is.
	settle(reserve(300), 400)
	expectUsed(t, as, 500)
	settle(reserve(100), 5000)
	expectUsed(t, as, 1000)
	expect(t, db, "select array_agg((reserved, counted, charged)::text order by reserved_at) = '{\"(600,100,100)\",\"(300,400,400)\",\"(100,5000,500)\"}' from assistant.calls")

	// A call of yesterday leaves today's count alone.
	db.Exec(t, "update public.usage set day = day - 1, used = 0")
	yesterday := reserve(300)
	db.Exec(t, "update assistant.calls set day = day - 1 where key = $1", yesterday)
	settle(yesterday, 100)
	expectUsed(t, as, 300)

	// What nobody has settled in time stays as it was reserved.
	late := reserve(100)
	db.Exec(t, "update assistant.calls set reserved_at = reserved_at - interval '11 minutes' where key = $1", late)
	if models.Settle(t.Context(), as, late, 0) == nil {
		t.Error("settled too late")
	}
	expectUsed(t, as, 400)
}

// A hundred calls at once never use more than the limit.
func TestReserveAtOnce(t *testing.T) {
	db := usage(t, 1000)
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			key, err := models.Reserve(t.Context(), db.As(spender), 30)
			if errors.Is(err, models.ErrQuota) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			if err := models.Settle(t.Context(), db.As(spender), key, 50); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	expect(t, db, "select used between 970 and 1000 and used = (select sum(charged) from assistant.calls) from public.usage where user_id = '"+spender.String()+"'")
	expect(t, db, "select count(*) >= 20 and bool_and(settled_at is not null) from assistant.calls")
}

// The same tables are served by PostgREST: a user's own SQL, in the roles that it uses, changes nothing of the count.
func TestNobodyCheats(t *testing.T) {
	db := usage(t, 1000)
	held, err := models.Reserve(t.Context(), db.As(spender), 700) // the server's, whose key the user does not know
	if err != nil {
		t.Fatal(err)
	}
	const denied, refused = "permission denied", "there is no open call"
	for _, attempt := range []struct{ name, sql, want string }{
		{"a lower count", "update public.usage set used = 0", denied},
		{"a higher limit", "update public.usage set token_limit = 1000000", denied},
		{"another day", "update public.usage set day = day + 1", denied},
		{"no row", "delete from public.usage", denied},
		{"another row", "insert into public.usage (user_id, token_limit) values (auth.uid(), 1000000) on conflict (user_id) do update set token_limit = excluded.token_limit", denied},
		{"truncate", "truncate public.usage", denied},
		{"read the keys", "select key from assistant.calls", denied},
		{"write the audit", "update assistant.calls set reserved = 1", denied},
		{"forge a call", "insert into assistant.calls (user_id, day, reserved) values (auth.uid(), current_date, 1)", denied},
		{"forget the audit", "delete from assistant.calls", denied},
		{"settle a guess", "select assistant.settle(gen_random_uuid(), 0)", refused},
		{"settle nothing", "select assistant.settle(null, 0)", refused},
		{"settle less than nothing", "select assistant.settle(gen_random_uuid(), -1000)", "0 tokens or more"},
		{"reserve less than nothing", "select assistant.reserve(-1000)", "1 to 1000000"},
		{"reserve nothing", "select assistant.reserve(0)", "1 to 1000000"},
		{"reserve null", "select assistant.reserve(null)", "1 to 1000000"},
		{"settle below zero what one has reserved", "select assistant.settle(assistant.reserve(100), -700)", "0 tokens or more"},
		{"give back twice", "with r as materialized (select assistant.reserve(100) as key) select assistant.settle(key, 0), assistant.settle(key, 0) from r", refused},
		{"another function of that name", "create function assistant.reserve(text) returns text language sql as 'select $1'", denied},
		{"see the keys of the server's statements", "select 1 / count(*) from pg_stat_activity where query like '%" + held.String() + "%'", "division by zero"},
	} {
		_, err := db.As(spender).NewRaw(attempt.sql).Exec(t.Context())
		if err == nil || !strings.Contains(err.Error(), attempt.want) {
			t.Errorf("%s: %v, want %q", attempt.name, err, attempt.want)
		}
	}
	for _, sql := range []string{"select * from public.usage", "select assistant.reserve(1)", "select assistant.settle(gen_random_uuid(), 0)"} {
		if _, err := db.Anonymous().NewRaw(sql).Exec(t.Context()); err == nil || !strings.Contains(err.Error(), denied) {
			t.Errorf("anonymous, %s: %v", sql, err)
		}
	}
	// Even with its key, nobody settles the call of another user.
	if err := models.Settle(t.Context(), db.As(other), held, 0); err == nil || !strings.Contains(err.Error(), refused) {
		t.Error("the call of another user:", err)
	}
	// What users may do by themselves costs them only.
	if _, err := models.Reserve(t.Context(), db.As(spender), 100); err != nil {
		t.Error(err)
	}
	expectUsed(t, db.As(spender), 800)
	if rows, err := db.As(other).NewSelect().Table("usage").Count(context.Background()); err != nil || rows != 1 {
		t.Error("another user sees", rows, err)
	}
}
