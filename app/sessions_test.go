package app

import (
	"errors"
	"fmt"
	"testing"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

const (
	adaID     = "a0000000-0000-4000-8000-000000000001"
	bobID     = "b0000000-0000-4000-8000-000000000002"
	sessionID = "5e550000-0000-4000-8000-000000000001"
)

func TestSessionIsLive(t *testing.T) {
	claims := func(sub, session string) string {
		return fmt.Sprintf(`{"sub":%q,"role":"authenticated","session_id":%q}`, sub, session)
	}
	good := claims(adaID, sessionID)
	for _, test := range []struct {
		name   string
		change string // what happens after Ada has signed in
		claims string
		live   bool
	}{
		{"signed in", ``, good, true},
		{"signed out", `delete from auth.sessions`, good, false},
		{"another session went on", `delete from auth.sessions; insert into auth.sessions (id, user_id) values (gen_random_uuid(), '` + adaID + `')`, good, false},
		{"the session has expired", `update auth.sessions set not_after = now()`, good, false},
		{"the session will expire", `update auth.sessions set not_after = now() + interval '1 hour'`, good, true},
		{"banned", `update auth.users set banned_until = now() + interval '1 hour'`, good, false},
		{"the ban is over", `update auth.users set banned_until = now()`, good, true},
		{"deleted, but the row is kept", `update auth.users set deleted_at = now()`, good, false},
		{"deleted", `delete from auth.users where id = '` + adaID + `'`, good, false},
		{"another user's session", ``, claims(bobID, sessionID), false},
		{"made-up session", ``, claims(adaID, bobID), false},
		{"no session", ``, `{"sub":"` + adaID + `","role":"authenticated"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			pg := pgtest.New(t)
			pg.Exec(t, `insert into auth.users (id, email) values ('`+adaID+`', 'ada@example.com'), ('`+bobID+`', 'bob@example.com');
				insert into auth.sessions (id, user_id) values ('`+sessionID+`', '`+adaID+`'); `+test.change)
			live, err := sessionIsLive(t.Context(), open(t, pg).As(database.Caller{Role: "authenticated", Claims: []byte(test.claims), ReadOnly: true}))
			if err != nil || live != test.live {
				t.Errorf("live: %t, %v", live, err)
			}
		})
	}
}

// Anonymous callers cannot call the function, and it grants no access to the tables it reads.
func TestSessionsStayClosed(t *testing.T) {
	db := open(t, pgtest.New(t))
	claims := []byte(`{"sub":"` + adaID + `","role":"authenticated","session_id":"` + sessionID + `"}`)
	if _, err := sessionIsLive(t.Context(), db.As(database.Caller{Role: "anon", Claims: claims})); !errors.Is(err, database.ErrForbidden) {
		t.Errorf("anonymous: %v", err)
	}
	for _, table := range []string{"auth.sessions", "auth.users"} {
		var rows int
		err := db.As(database.Caller{Role: "authenticated", Claims: claims}).NewRaw("select count(*) from "+table).Scan(t.Context(), &rows)
		if !errors.Is(err, database.ErrForbidden) {
			t.Errorf("%s is open: %v", table, err)
		}
	}
}

// BenchmarkSessionIsLive compares the check with the cheapest round trip as a caller.
func BenchmarkSessionIsLive(b *testing.B) {
	pg := pgtest.New(b)
	pg.Exec(b, `insert into auth.users (id, email) values ('`+adaID+`', 'ada@example.com');
		insert into auth.sessions (id, user_id) values ('`+sessionID+`', '`+adaID+`');
		insert into auth.users (id, email) select gen_random_uuid(), g || '@example.com' from generate_series(1, 100000) g;
		insert into auth.sessions (id, user_id) select gen_random_uuid(), id from auth.users;
		analyze auth.users; analyze auth.sessions`)
	db := open(b, pg).As(database.Caller{Role: "authenticated", Claims: []byte(`{"sub":"` + adaID + `","role":"authenticated","session_id":"` + sessionID + `"}`), ReadOnly: true})
	b.Run("select true", func(b *testing.B) {
		for b.Loop() {
			var yes bool
			if err := db.NewRaw("SELECT true").Scan(b.Context(), &yes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("session is live", func(b *testing.B) {
		for b.Loop() {
			if live, err := sessionIsLive(b.Context(), db); err != nil || !live {
				b.Fatal(live, err)
			}
		}
	})
}

func open(t testing.TB, pg *pgtest.Database) *database.DB {
	t.Helper()
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
