package database_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"usergraph/database"
)

// leavers are functions through which a statement leaves something in the session, which its text does not show.
const leavers = `
	create function leave(text) returns void language plpgsql as $$ begin execute $1; end $$;
	create schema evil; grant usage on schema evil to authenticated;
	create table evil.users as select gen_random_uuid() as id, 'forged' as full_name, null::text as avatar_url;
	grant select on evil.users to authenticated;
	create function email() returns text language sql as $$
		select coalesce(nullif(current_setting('request.jwt.claim.email', true), ''), current_setting('request.jwt.claims')::jsonb ->> 'email', 'nobody') $$;
	create function locked() returns text language sql as $$
		select count(*)::text from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() $$`

// The times at which a statement's leftovers are gone.
const (
	atOnce  = iota
	soon    // when the connection is refreshed
	nowhere // never, in a session behind a pooler, which belongs to the pooler
)

// leftovers are what Ada leaves, by a text or by a function, and Bob's question. The answer is want, unless Bob finds
// Ada's leftovers.
var leftovers = []struct {
	name      string
	text      string
	ask, want string

	direct, call int // when they are gone after the text, and after the function
	pooled       int // when they are gone behind a pooler
}{
	{name: "create table as", text: "create temp table users as select * from public.users", ask: "select count(*) from users where full_name = 'Ada'", want: "0"},
	{name: "select into", text: "select * into temp users from public.users", ask: "select count(*) from users where full_name = 'Ada'", want: "0"},
	{name: "a table of a name of its own", text: "create temp table mine as select * from public.users", ask: "select coalesce(to_regclass('pg_temp.mine')::text, 'none')", want: "none"},
	{name: "a temporary view", text: "create temp view mine as select 'Ada'", ask: "select coalesce(to_regclass('pg_temp.mine')::text, 'none')", want: "none"},
	{name: "a temporary type", text: "create type pg_temp.mine as enum ('Ada')", ask: "select coalesce(to_regtype('pg_temp.mine')::text, 'none')", want: "none"},
	{name: "a temporary function", text: "create function pg_temp.mine() returns text language sql as $f$ select 'Ada' $f$", ask: "select coalesce(to_regproc('pg_temp.mine')::text, 'none')", want: "none"},
	{name: "search_path", text: "select set_config('search_path', 'evil, public', false)", ask: "select string_agg(full_name, ' ') from users", want: "Bob"},
	{name: "search_path with pg_temp first", text: "select set_config('search_path', 'pg_temp, public', false)", ask: "select current_setting('search_path')", want: `"$user", public, pg_temp`},
	{name: "role", text: "select set_config('role', 'none', false)", ask: "select current_user || count(*) from users", want: "authenticated1"},
	{name: "claims", text: `select set_config('request.jwt.claims', '{"sub":"` + ada.String() + `"}', false)`, ask: "select full_name from users", want: "Bob"},
	{name: "subject", text: `select set_config('request.jwt.claim.sub', '` + ada.String() + `', false)`, ask: "select full_name from users", want: "Bob"},
	{name: "email", text: `select set_config('request.jwt.claim.email', 'ada@example.com', false)`, ask: "select email()", want: "nobody", call: soon},
	{name: "statement_timeout", text: "select set_config('statement_timeout', '70', false)", ask: "select current_setting('statement_timeout')", want: "0"},
	{name: "standard_conforming_strings", text: "select set_config('standard_conforming_strings', 'off', false)", ask: `select '\'`, want: `\`},
	{name: "row_security", text: "select set_config('row_security', 'off', false)", ask: "select full_name from users", want: "Bob", call: soon},
	{name: "DateStyle", text: "select set_config('datestyle', 'German', false)", ask: "select date '2026-01-02'::text", want: "2026-01-02"},
	{name: "TimeZone", text: "select set_config('timezone', 'Asia/Kolkata', false)", ask: "select current_setting('timezone')", want: "UTC"},
	{name: "default_transaction_read_only", text: "select set_config('default_transaction_read_only', 'on', false)", ask: "select current_setting('transaction_read_only')", want: "off", pooled: nowhere},
	{name: "lock_timeout", text: "select set_config('lock_timeout', '7', false)", ask: "select current_setting('lock_timeout')", want: "0", call: soon, pooled: nowhere},
	{name: "a setting of the team's", text: "select set_config('app.tenant', 'Ada', false)", ask: "select coalesce(nullif(current_setting('app.tenant', true), ''), 'none')", want: "none", call: soon, pooled: nowhere},
	{name: "SET", text: "set app.tenant = 'Ada'", ask: "select coalesce(nullif(current_setting('app.tenant', true), ''), 'none')", want: "none", call: soon, pooled: nowhere},
	{name: "an advisory lock", text: "select pg_advisory_lock(7)", ask: "select locked()", want: "0", call: soon},
	{name: "a tried advisory lock", text: "select pg_try_advisory_lock_shared(7)", ask: "select locked()", want: "0", call: soon},
	{name: "a prepared statement", text: "prepare mine as select 'Ada'", ask: "select count(*) from pg_prepared_statements where name = 'mine'", want: "0", call: soon, pooled: nowhere},
	{name: "a cursor with hold", text: "declare mine cursor with hold for select * from users", ask: "select count(*) from pg_cursors where name = 'mine'", want: "0", call: soon, pooled: nowhere},
	{name: "listen", text: "listen mine", ask: "select count(*) from pg_listening_channels()", want: "0", call: soon, pooled: nowhere},
}

// ways are the ways in which Ada runs it.
var ways = map[string]func(ctx context.Context, as bun.IDB, text string) error{
	"text": func(ctx context.Context, as bun.IDB, text string) error {
		_, err := as.ExecContext(ctx, text)
		return err
	},
	"transaction": func(ctx context.Context, as bun.IDB, text string) error {
		return as.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, text)
			return err
		})
	},
	"function": func(ctx context.Context, as bun.IDB, text string) error {
		_, err := as.ExecContext(ctx, "select leave(?)", text)
		return err
	},
	"function in a transaction": func(ctx context.Context, as bun.IDB, text string) error {
		return as.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "select leave(?)", text)
			return err
		})
	},
}

// askAsBob asks in each way in which a statement can begin.
func askAsBob(t *testing.T, db *database.DB, ask, want string) {
	t.Helper()
	for range 3 {
		var found string
		for _, readOnly := range []bool{false, true} {
			caller := callerOf(bob)
			caller.ReadOnly = readOnly && want != "off"
			if err := db.As(caller).NewRaw(ask).Scan(t.Context(), &found); err != nil || found != want {
				t.Errorf("%q, want %q: %v", found, want, err)
			}
		}
		err := db.As(callerOf(bob)).RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			return tx.NewRaw(ask).Scan(ctx, &found)
		})
		if err != nil || found != want {
			t.Errorf("in a transaction %q, want %q: %v", found, want, err)
		}
	}
}

// Bob never finds what Ada's statement leaves in the session.
func TestNothingIsLeft(t *testing.T) {
	pg := newPostgres(t)
	pg.Exec(t, leavers)
	for _, test := range leftovers {
		for way, leave := range ways {
			if strings.HasPrefix(way, "function") && strings.HasPrefix(test.text, "select * into") {
				continue // PL/pgSQL does not execute it
			}
			t.Run(test.name+"/"+way, func(t *testing.T) {
				cfg := database.Config{URL: pg.URL, MaxConns: 1}
				if strings.HasPrefix(way, "function") && test.call == soon {
					cfg = cfg.RefreshEvery(time.Nanosecond)
				}
				db := open(t, cfg)
				askAsBob(t, db, test.ask, test.want)
				if err := leave(t.Context(), db.As(callerOf(ada)), test.text); err != nil {
					t.Fatal(err)
				}
				askAsBob(t, db, test.ask, test.want)
			})
		}
	}
}

// A statement with effects local to its transaction, like most, does not close the connection.
func TestConnectionIsKept(t *testing.T) {
	pg := newPostgres(t)
	pg.Exec(t, leavers)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1})
	pid := func() (pid int) {
		if err := db.As(callerOf(bob)).NewRaw("select pg_backend_pid()").Scan(t.Context(), &pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	first := pid()
	for _, text := range []string{
		"select set_config('app.tenant', 'it''s', true)", "SELECT SET_CONFIG( 'app.tenant','X' , TRUE )", "select set_config('timezone', 'Asia/Kolkata', true)",
		"select pg_advisory_xact_lock(7)", "select pg_try_advisory_xact_lock(7)",
		"select set_config('app.a', 'x', 'true'), set_config('app.b', ',', 't')",
	} {
		for way, run := range ways {
			if err := run(t.Context(), db.As(callerOf(ada)), text); err != nil {
				t.Fatal(text, err)
			}
			if now := pid(); now != first {
				t.Errorf("%s, by %s, has cost its connection", text, way)
				first = now
			}
		}
	}
}

// A statement may take as long as its operation, and at most as long as its role may.
func TestRolesHaveTimeouts(t *testing.T) {
	pg := newPostgres(t)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1}.RefreshEvery(time.Nanosecond))
	other := open(t, database.Config{URL: pg.URL, MaxConns: 1})
	in := "in database " + pg.Name() + " "
	defer pg.Exec(t, "alter role authenticated reset all; alter role authenticator reset all")
	timeout := func(t *testing.T, db *database.DB, limit, deadline time.Duration) (timeout string) {
		t.Helper()
		ctx := t.Context()
		if deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, deadline)
			defer cancel()
		}
		caller := callerOf(ada)
		caller.StatementTimeout = limit
		if err := db.As(caller).NewRaw("show statement_timeout").Scan(ctx, &timeout); err != nil {
			t.Fatal(err)
		}
		return timeout
	}
	for _, test := range []struct {
		alter           string
		limit, deadline time.Duration
		want            string
	}{
		{"", 0, 0, "0"},
		{"", 2 * time.Second, 0, "2s"},
		{"", time.Microsecond, 0, "1ms"},
		{"alter role authenticated set statement_timeout = '7s'", 0, 0, "7s"},
		{"alter role authenticated set statement_timeout = '1500us'", 0, 0, "2ms"},
		{"alter role authenticated set statement_timeout = 7000", 0, time.Hour, "7s"},
		{"alter role authenticated set statement_timeout = ' 1.5 min '", 0, time.Hour, "90s"},
		{"alter role authenticated set statement_timeout = '0x10'", 0, time.Hour, "16ms"},
		{"alter role authenticated set statement_timeout = '1d'", time.Second, time.Hour, "1s"},
		{"alter role authenticated set statement_timeout = '0'", 0, 0, "0"},
		{"alter role authenticated set statement_timeout = '1min'", 70 * time.Second, 0, "1min"},
		{"alter role authenticated " + in + "set statement_timeout = '3s'", 0, 0, "3s"},
		{"alter role authenticated " + in + "set statement_timeout = '0'", 0, 0, "0"},
		{"alter role authenticated reset all; alter role authenticated " + in + "reset all", 0, 0, "0"},
	} {
		if test.alter != "" {
			pg.Exec(t, test.alter)
		}
		// The first statement after a change may be the second in the queue.
		if got := timeout(t, db, test.limit, test.deadline); got != test.want {
			t.Errorf("%s: %s, want %s", test.alter, got, test.want)
		}
	}
	if got := timeout(t, db, 0, time.Hour); !strings.HasPrefix(got, "36000") && !strings.HasPrefix(got, "3599") && got != "1h" {
		t.Errorf("an operation of an hour has a timeout of %s", got)
	}
	// A statement is really cancelled, and the login role's timeout applies if the role has none.
	pg.Exec(t, "alter role authenticated set statement_timeout = '20ms'")
	_, err := db.As(callerOf(ada)).ExecContext(t.Context(), "select pg_sleep(60)")
	if !errors.Is(err, database.ErrTimeout) {
		t.Error(err)
	}
	pg.Exec(t, "alter role authenticated reset all; alter role authenticator "+in+"set statement_timeout = '9s'")
	if got := timeout(t, open(t, database.Config{URL: pg.URL, MaxConns: 1}), 0, 0); got != "9s" {
		t.Errorf("the login's timeout is 9s, and %s was set", got)
	}
	// A connection that was opened earlier still has the old value.
	if got := timeout(t, other, 0, 0); got != "0" && got != "9s" {
		t.Error(got)
	}
	pg.Exec(t, "alter role authenticator "+in+"reset all")
}

func TestBatchesHaveTimeouts(t *testing.T) {
	l := newLine(t, 1)
	timeout := func(seconds time.Duration) func() error {
		return func() error {
			ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Hour)
			defer cancel()
			var found string
			if err := l.db.As(readerOf(ada)).NewRaw("select (extract(epoch from current_setting('statement_timeout')::interval) / 3600)::numeric(5,1)").Scan(ctx, &found); err != nil {
				return err
			}
			if found != map[time.Duration]string{1: "1.0", 2: "2.0", 3: "3.0"}[seconds] {
				return errors.New(found)
			}
			return nil
		}
	}
	l.free()
	for range 3 {
		if err := timeout(1)(); err != nil {
			t.Fatal(err)
		}
	}
	l.take()
	all := []<-chan error{l.ask(timeout(1)), l.ask(timeout(2)), l.ask(timeout(3))}
	l.free()
	for _, one := range all {
		if err := <-one; err != nil {
			t.Error(err)
		}
	}
}
