package database_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"usergraph/database"
)

// Without a WHERE, each caller still sees only the own row.
func TestCallerSeesOwnRows(t *testing.T) {
	pg := newPostgres(t)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1})
	for range 4 {
		for _, id := range []uuid.UUID{ada, bob} {
			var users []user
			if err := db.As(callerOf(id)).NewSelect().Model(&users).Scan(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(users) != 1 || users[0].ID != id {
				t.Fatalf("as %s: %v", id, users)
			}
		}
		anonymous := database.Caller{Role: "anon", Claims: []byte(`{"role":"anon"}`)}
		err := db.As(anonymous).NewSelect().Model(new([]user)).Scan(t.Context())
		if !errors.Is(err, database.ErrForbidden) {
			t.Fatalf("as anon: %v", err)
		}
	}
}

// A statement prepared for one role does not serve the other: privileges on a schema are checked when it is parsed.
func TestRolesDoNotShareStatements(t *testing.T) {
	pg := newPostgres(t)
	pg.Exec(t, `create schema members; create table members.secrets (word text);
		grant usage on schema members to authenticated; grant select on members.secrets to authenticated, anon`)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1})
	for range 4 {
		if _, err := db.As(callerOf(ada)).NewSelect().Table("members.secrets").ColumnExpr("word").Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		anonymous := database.Caller{Role: "anon", Claims: []byte(`{}`)}
		_, err := db.As(anonymous).NewSelect().Table("members.secrets").ColumnExpr("word").Exec(t.Context())
		if !errors.Is(err, database.ErrForbidden) {
			t.Fatalf("anon reads the schema members: %v", err)
		}
	}
}

func TestCallerIsRefused(t *testing.T) {
	db, pg := openNew(t)
	for _, test := range []struct {
		name   string
		change func(*database.Caller)
	}{
		{"no role", func(c *database.Caller) { c.Role = "" }},
		{"none", func(c *database.Caller) { c.Role = "none" }},
		{"service_role", func(c *database.Caller) { c.Role = "service_role" }},
		{"postgres", func(c *database.Caller) { c.Role = "postgres" }},
		{"authenticator", func(c *database.Caller) { c.Role = "authenticator" }},
		{"role in capitals", func(c *database.Caller) { c.Role = "AUTHENTICATED" }},
		{"role with a quote", func(c *database.Caller) { c.Role = `authenticated"` }},
		{"no claims", func(c *database.Caller) { c.Claims = nil }},
		{"empty claims", func(c *database.Caller) { c.Claims = []byte{} }},
		{"claims of spaces", func(c *database.Caller) { c.Claims = []byte("  ") }},
		{"claims that are no object", func(c *database.Caller) { c.Claims = []byte(`"sub"`) }},
		{"half an object", func(c *database.Caller) { c.Claims = []byte(`{"sub":`) }},
		{"timeout below zero", func(c *database.Caller) { c.StatementTimeout = -1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			caller := callerOf(ada)
			test.change(&caller)
			var one int
			as := db.As(caller)
			run := map[string]error{
				"Scan":  as.NewRaw("select 1").Scan(t.Context(), &one),
				"Row":   as.QueryRowContext(t.Context(), "select 1").Scan(&one),
				"RunTx": as.RunInTx(t.Context(), nil, func(context.Context, bun.Tx) error { return nil }),
			}
			_, run["Exec"] = as.ExecContext(t.Context(), "select 1")
			for name, err := range run {
				if err == nil || !strings.Contains(err.Error(), "no statement runs") && test.name != "timeout below zero" {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	if n := query1[int](t, pg.AdminURL, "select count(*) from pg_stat_activity where application_name = 'usergraph' and query like '%select 1%' and datname = current_database()"); n > 0 {
		t.Error("a refused statement reached PostgreSQL")
	}
}

// A caller without a Subject has the sub of the claims, and never that of the previous caller.
func TestSubject(t *testing.T) {
	db := open(t, database.Config{URL: newPostgres(t).URL, MaxConns: 1})
	for range 4 {
		silent := callerOf(bob)
		silent.Subject = ""
		for _, test := range []struct {
			caller database.Caller
			want   string
		}{{callerOf(ada), ada.String()}, {silent, bob.String()}, {database.Caller{Role: "anon", Claims: []byte(`{}`)}, "nobody"}} {
			var found string
			if err := db.As(test.caller).NewRaw("select coalesce(auth.uid()::text, 'nobody')").Scan(t.Context(), &found); err != nil || found != test.want {
				t.Errorf("%s is %q, %v", test.want, found, err)
			}
		}
	}
}

// Claims and arguments remain data, whatever they contain.
func TestInjection(t *testing.T) {
	db, pg := openNew(t)
	texts := []string{
		`'; drop table public.users; --`, `', true), set_config('role', 'postgres`, `\'; select 1; --`, `\`, `'`, `''`, `"`, `$1`, `$$`,
		`?`, `?0`, "/*", "--", "\x01", "\x01'", "\x01'x'", "'\x01'||pg_sleep(9)||'", "é\u2028💥", "a\nb", "E'\\'", "%s", "{\x01'}",
	}
	thrice(t, func(t *testing.T) {
		for _, text := range texts {
			caller := callerOf(ada)
			var claim, argument string
			encoded := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x01", `\u0001`, "\n", `\n`).Replace(text)
			caller.Claims = []byte(`{"sub":"` + ada.String() + `","note":"` + encoded + `"}`)
			err := db.As(caller).NewSelect().ColumnExpr("auth.jwt() ->> 'note'").ColumnExpr("?", text).Scan(t.Context(), &claim, &argument)
			if err != nil || claim != text || argument != text {
				t.Errorf("%q: %q %q %v", text, claim, argument, err)
			}
			var listed string
			err = db.As(caller).NewRaw("select (?::text[])[2]", pgdialect.Array([]string{"a", text})).Scan(t.Context(), &listed)
			if strings.Contains(text, "\x01") {
				if !errors.Is(err, database.ErrInvalid) {
					t.Errorf("%q in an array: %v", text, err)
				}
			} else if err != nil || listed != text {
				t.Errorf("%q in an array: %q %v", text, listed, err)
			}
			var any bool
			if err := db.As(caller).NewRaw("select ? = any(?)", text, pgdialect.Array([]string{"a", text})).Scan(t.Context(), &any); err != nil || !any {
				t.Errorf("%q in any: %t %v", text, any, err)
			}
			pairs := map[string]string{text: text}
			err = db.As(caller).NewRaw("select ?", pgdialect.HStore(&pairs)).Scan(t.Context(), &listed)
			if strings.Contains(text, "\x01") != errors.Is(err, database.ErrInvalid) {
				t.Errorf("%q in an hstore: %v", text, err)
			}
			if err := rename(t.Context(), db.As(callerOf(ada)), ada, text); err != nil {
				t.Errorf("%q: %v", text, err)
			}
			if name := query1[string](t, pg.AdminURL, "select full_name from users where id = $1", ada); name != text {
				t.Errorf("%q was stored as %q", text, name)
			}
		}
	})
	if name := query1[string](t, pg.AdminURL, "select full_name from users where id = $1", bob); name != "Bob" {
		t.Errorf("Bob is now called %q", name)
	}
}

// A resolver cannot write during a query.
func TestReadOnly(t *testing.T) {
	db, pg := openNew(t)
	caller := callerOf(ada)
	caller.ReadOnly = true
	as := db.As(caller)
	for _, text := range []string{
		"update users set full_name = 'x'",
		"with changed as (update users set full_name = 'x' returning 1) select * from changed",
		"select set_config('transaction_read_only', 'off', true), query_to_xml('update users set full_name = ''x''', true, true, '')",
		"do $$ begin set local transaction_read_only = off; update users set full_name = 'x'; end $$",
		"do $$ begin set transaction read write; update users set full_name = 'x'; end $$",
		"do $$ begin commit; update users set full_name = 'x'; end $$",
		"do $$ begin reset transaction_read_only; update users set full_name = 'x'; end $$",
		"/* select */ ( reset transaction_read_only",
		"reset transaction_read_only",
		"explain analyze update users set full_name = 'x'",
		"select query_to_xml('reset transaction_read_only', true, true, '')",
		"create temp table t (n int)",
		"select nextval('auth.refresh_tokens_id_seq')",
		"set transaction read write",
		"update users set full_name = 'x'; commit",
		"commit; update users set full_name = 'x'",
	} {
		for range 3 {
			if _, err := as.ExecContext(t.Context(), text); err == nil && strings.Contains(text, "full_name") {
				t.Errorf("%s: no error", text)
			}
			err := as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.ExecContext(ctx, text); err != nil {
					return err
				}
				return rename(ctx, tx, ada, "x")
			})
			if err == nil {
				t.Errorf("%s: no error in a transaction", text)
			}
			if name := query1[string](t, pg.AdminURL, "select full_name from users where id = $1", ada); name != "Ada" {
				t.Fatalf("%s: Ada is now called %q", text, name)
			}
		}
	}
	if err := rename(t.Context(), as, ada, "x"); !errors.Is(err, database.ErrForbidden) {
		t.Error(err)
	}
}

// What a hostile statement does to its role or its session ends with it, before the next caller's statement.
func TestRoleCannotBeLeft(t *testing.T) {
	pg := newPostgres(t)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1})
	for _, text := range []string{
		"select set_config('role', 'none', true)",
		"reset role; select * from users",
		"reset role",
		"set role service_role",
		"set session authorization default",
		"set search_path = pg_temp",
		"set statement_timeout = 1",
		"do $$ begin set role service_role; end $$",
		"create temp table users (id uuid)",
		"prepare usergraph_1 as select 1",
		"listen everything",
		"begin",
		"commit",
		"begin read only",
		"prepare transaction 'x'",
		"discard all",
		"select set_config('role', 'none', false)",
		"select set_config('request.jwt.claims', '{\"sub\":\"" + ada.String() + "\"}', false)",
	} {
		_, _ = db.As(callerOf(ada)).ExecContext(t.Context(), text)
		found, err := db.Leftovers(t.Context(), 1)
		if err != nil || len(found) > 0 && !strings.Contains(text, "false)") {
			t.Errorf("%s leaves %q %v", text, found, err)
		}
		for range 3 {
			var users []user
			if err := db.As(callerOf(bob)).NewSelect().Model(&users).Scan(t.Context()); err != nil || len(users) != 1 || users[0].ID != bob {
				t.Errorf("after %s: %v %v", text, users, err)
			}
		}
	}
	// Policies and privileges were checked before set_config runs, so it does not widen its own statement.
	var seen int
	if err := db.As(callerOf(ada)).NewRaw("select (select count(*) from users) from set_config('role', 'service_role', true)").Scan(t.Context(), &seen); err != nil || seen != 1 {
		t.Errorf("%d users seen, %v", seen, err)
	}
}

// If the login role can become only anon and authenticated, no SQL becomes more.
func TestNarrowLogin(t *testing.T) {
	pg := newPostgres(t)
	pg.Exec(t, `do $$ begin create role narrow login noinherit password 'narrow'; exception when duplicate_object then null; end $$;
		grant anon, authenticated to narrow`)
	db := open(t, database.Config{URL: loginAs(t, pg.URL, "narrow", "narrow"), MaxConns: 1})
	as := db.As(callerOf(ada))
	if err := rename(t.Context(), as, ada, "Countess"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"select set_config('role', 'service_role', true)",
		"select set_config('role', 'none', true), query_to_xml('select * from users', true, true, '')",
		"do $$ begin set role service_role; end $$",
	} {
		if _, err := as.ExecContext(t.Context(), text); !errors.Is(err, database.ErrForbidden) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// If SQL ends a transaction inside RunInTx, the next statement would run as the login role.
func TestTransactionCannotBeLeft(t *testing.T) {
	db, pg := openNew(t)
	for _, text := range []string{"commit", "end", "rollback", "abort", "Commit and Chain", "rollback /**/ and chain"} {
		err := db.As(callerOf(ada)).RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			if _, err := tx.ExecContext(ctx, text); err == nil {
				t.Errorf("%s: no error", text)
			}
			if err := tx.NewRaw("select current_user").Scan(ctx, new(string)); err == nil {
				t.Errorf("after %s: a statement ran", text)
			}
			return nil
		})
		if err == nil {
			t.Errorf("%s: the transaction was committed", text)
		}
		if err := rename(t.Context(), db.As(callerOf(ada)), ada, "Ada"); err != nil {
			t.Errorf("after %s: %v", text, err)
		}
	}
	if n := query1[int](t, pg.AdminURL, "select count(*) from pg_stat_activity where application_name = 'usergraph' and state like 'idle in%' and datname = current_database()"); n > 0 {
		t.Errorf("%d transactions are still open", n)
	}
}

func TestStatementTimeout(t *testing.T) {
	db, pg := openNew(t)
	caller := callerOf(ada)
	caller.StatementTimeout = 20 * time.Millisecond
	thrice(t, func(t *testing.T) {
		if _, err := db.As(caller).ExecContext(t.Context(), "select pg_sleep(60)"); !errors.Is(err, database.ErrTimeout) {
			t.Fatal(err)
		}
		err := db.As(caller).RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "select pg_sleep(60)")
			return err
		})
		if !errors.Is(err, database.ErrTimeout) {
			t.Fatal(err)
		}
		// The role's own timeout is restored, and the session works.
		var timeout string
		if err := db.As(callerOf(ada)).NewRaw("show statement_timeout").Scan(t.Context(), &timeout); err != nil || timeout != "0" {
			t.Fatal(timeout, err)
		}
	})
	if pids := query1[int](t, pg.AdminURL, "select count(*) from pg_stat_activity where application_name = 'usergraph' and datname = current_database()"); pids != 1 {
		t.Errorf("%d connections after timeouts", pids)
	}
}

func TestRunInTx(t *testing.T) {
	db, pg := openNew(t)
	name := func() string {
		return query1[string](t, pg.AdminURL, "select full_name from users where id = $1", ada)
	}
	as := db.As(callerOf(ada))
	thrice(t, func(t *testing.T) {
		boom := errors.New("boom")
		err := as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			return errors.Join(rename(ctx, tx, ada, "never"), boom)
		})
		if !errors.Is(err, boom) || name() != "Ada" {
			t.Fatal("rolled back", err, name())
		}
		func() {
			defer func() { _ = recover() }()
			_ = as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
				if err := rename(ctx, tx, ada, "never"); err != nil {
					t.Error(err)
				}
				panic("in the callback")
			})
		}()
		if name() != "Ada" {
			t.Fatal("after a panic", name())
		}
		err = as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			if err := rename(ctx, tx, ada, "Countess"); err != nil {
				return err
			}
			// A savepoint that is rolled back.
			_ = tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				return errors.Join(rename(ctx, tx, ada, "never"), boom)
			})
			if _, err := tx.NewUpdate().Table("users").Set("full_name = 'x'").Where("id = ?", bob).Exec(ctx); err != nil {
				return err
			}
			var sub string
			if err := tx.NewRaw("select auth.uid()").Scan(ctx, &sub); err != nil || sub != ada.String() {
				t.Error(sub, err)
			}
			return nil
		})
		if err != nil || name() != "Countess" {
			t.Fatal("committed", err, name())
		}
		if err := rename(t.Context(), as, ada, "Ada"); err != nil {
			t.Fatal(err)
		}
		if other := query1[string](t, pg.AdminURL, "select full_name from users where id = $1", bob); other != "Bob" {
			t.Error("Bob is now called", other)
		}
		err = as.RunInTx(t.Context(), &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable}, func(ctx context.Context, tx bun.Tx) error {
			var level string
			if err := tx.NewRaw("show transaction_isolation").Scan(ctx, &level); err != nil || level != "serializable" {
				t.Error(level, err)
			}
			return rename(ctx, tx, ada, "never")
		})
		if !errors.Is(err, database.ErrForbidden) {
			t.Fatal("read only", err)
		}
		// An error that the callback ignores does not commit.
		err = as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, _ = tx.ExecContext(ctx, "select 1/0")
			return nil
		})
		if err == nil {
			t.Fatal("a failed transaction was committed")
		}
	})
}

// An error that PostgreSQL finds only at commit is returned, even if bun reads one row and stops.
func TestErrorOfCommit(t *testing.T) {
	db, pg := openNew(t)
	pg.Exec(t, `create table pairs (id int primary key, other int references pairs deferrable initially deferred); grant all on pairs to authenticated`)
	thrice(t, func(t *testing.T) {
		var id int
		err := db.As(callerOf(ada)).NewRaw("insert into pairs values (1, 2) returning id").Scan(t.Context(), &id)
		if !errors.Is(err, database.ErrInvalid) {
			t.Errorf("%v", err)
		}
	})
}

func TestErrorKinds(t *testing.T) {
	db, pg := openNew(t)
	pg.Exec(t, `create table things (id int primary key check (id < 10), word varchar(3) not null); grant all on things to authenticated;
		create function cancel() returns bool security definer language sql as 'select pg_cancel_backend(pg_backend_pid())';
		create function terminate() returns bool security definer language sql as 'select pg_terminate_backend(pg_backend_pid())'`)
	as := db.As(callerOf(ada))
	if _, err := as.ExecContext(t.Context(), "insert into things values (1, 'a')"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text string
		kind error
	}{
		{"insert into things values (1, 'a')", database.ErrConflict},
		{"insert into things values (11, 'a')", database.ErrInvalid},
		{"insert into things values (2, null)", database.ErrInvalid},
		{"insert into things values (2, 'abcd')", database.ErrInvalid},
		{"select 'x'::uuid", database.ErrInvalid},
		{"insert into users (id) values (gen_random_uuid())", database.ErrForbidden},
		{"select * from auth.users", database.ErrForbidden},
		{"select cancel(), pg_sleep(1)", database.ErrTimeout},
		{"select terminate(), pg_sleep(1)", database.ErrUnavailable},
	} {
		for range 3 {
			if _, err := as.ExecContext(t.Context(), test.text); !errors.Is(err, test.kind) {
				t.Errorf("%s: %v", test.text, err)
			}
		}
	}
	for range 3 {
		_, err := as.ExecContext(t.Context(), "select nothing")
		for _, kind := range []error{database.ErrConflict, database.ErrInvalid, database.ErrForbidden, database.ErrTimeout, database.ErrUnavailable} {
			if errors.Is(err, kind) {
				t.Errorf("a mistake in the text is %v", kind)
			}
		}
	}
}

// Each class of PostgreSQL's codes has its kind. A code without a kind is not the caller's fault.
func TestErrorClasses(t *testing.T) {
	db, pg := openNew(t)
	pg.Exec(t, `create function fail(code text) returns text language plpgsql as $$ begin raise exception 'no %', code using errcode = code; end $$`)
	all := []error{
		database.ErrUnavailable, database.ErrConflict, database.ErrInvalid, database.ErrForbidden, database.ErrRejected, database.ErrTimeout,
	}
	for codes, kind := range map[string]error{
		"01000 02000 03000 09000 0A000 0B000 0F000 0L000 0P000 0Z000 20000 21000":                               nil,
		"24000 25000 25001 25P01 25P02 26000 27000 28000 28P01 2B000 2D000 2F000 34000 38000 39000 3B000 3D000": nil,
		"3F000 42000 42601 42P01 42703 42883 42P17 54001 54011 54023 55000 55006 55P02 72000 F0000 HV000 HV00R": nil,
		"P0000 P0002 P0003 P0004 PT500 PT200 PGRST XX000 XX001 XX002 08P01 53400 58P01 58P02 U0001 99999":       nil,
		"08000 08003 08006 08001 08004 08007 53000 53100 53200 53300 57000 57P01 57P02 57P03 57P04 57P05 58000": database.ErrUnavailable,
		"58030 HV00N": database.ErrUnavailable,
		"22000 22001 22003 22007 22008 22012 22023 22P02 22P05 2201B 2202E 22004 23000 23001 23502 23503 23514 44000 54000": database.ErrInvalid,
		"23505 23P01 40000 40001 40002 40003 40P01": database.ErrConflict,
		"25006 42501":             database.ErrForbidden,
		"57014 55P03 25P03 25P04": database.ErrTimeout,
		"P0001 PT400 PT402 PT403 PT404 PT409 PT422 PT429 PT4ZZ": database.ErrRejected,
	} {
		for code := range strings.FieldsSeq(codes) {
			_, err := db.As(callerOf(ada)).ExecContext(t.Context(), "select fail(?)", code)
			var refused *database.Error
			if !errors.As(err, &refused) || refused.SQLState != code || refused.Message != "no "+code {
				t.Errorf("%s: %#v", code, err)
				continue
			}
			if public := strings.HasPrefix(code, "PT4"); public != (refused.Public == "no "+code) || !public && refused.Public != "" {
				t.Errorf("%s tells the client %q", code, refused.Public)
			}
			for _, other := range all {
				if errors.Is(err, other) != (other == kind) {
					t.Errorf("%s is %v: %t", code, other, other != kind)
				}
			}
		}
	}
}

// If the login role may not become the caller's role, that is not the caller's fault.
func TestLoginWithoutRoles(t *testing.T) {
	pg := newPostgres(t)
	pg.Exec(t, `do $$ begin create role stranger login password 'strange'; exception when duplicate_object then null; end $$`)
	db := open(t, database.Config{URL: loginAs(t, pg.URL, "stranger", "strange"), MaxConns: 1})
	err := db.As(callerOf(ada)).NewRaw("select 1").Scan(t.Context(), new(int))
	if err == nil || errors.Is(err, database.ErrForbidden) || !strings.Contains(err.Error(), "role") || strings.Contains(err.Error(), "strange:") {
		t.Error(err)
	}
}
