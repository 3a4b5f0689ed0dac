package tablegen_test

import (
	"context"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/catalog"
	"usergraph/internal/pgtest"
	"usergraph/internal/tablegen"
)

// newDatabase runs SQL in a PostgreSQL without tables, and returns a connection.
func newDatabase(t *testing.T, sql string) *pgx.Conn {
	t.Helper()
	pg := pgtest.Bare(t)
	pg.Exec(t, sql)
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func readFrom(t *testing.T, conn *pgx.Conn) *catalog.Catalog {
	t.Helper()
	found, err := catalog.Read(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// trying returns why a database refuses SQL, which it takes back.
func trying(t *testing.T, conn *pgx.Conn) func(sql string) error {
	return func(sql string) error {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		_, err = tx.Exec(t.Context(), sql)
		return err
	}
}

// granted is what a Supabase project grants.
const granted = "grant all on all tables in schema public to anon, authenticated;"

// oddUsers is a table of users with all that a table can have.
const oddUsers = `
create schema app;
grant usage on schema app to authenticated;
create type app.mood as enum ('happy', 'in_progress');
create domain app.short as text check (char_length(value) < 20);
create table app."Members" (
    "userId" uuid primary key references auth.users (id) on delete cascade,
    "order" bigint generated always as identity,
    handle app.short not null unique,
    mood app.mood not null default 'happy',
    moods app.mood[],
    tags text[] not null default '{}',
    age numeric(5, 2) check (age > 0 and age < 200),
    shown text generated always as ('it''s ' || left('Ada', 1)) stored,
    born date,
    created_at timestamptz not null default now(),
    check (born < '2100-01-01')
);
create index on app."Members" (born, "order");
comment on table app."Members" is 'It''s who they are';
comment on column app."Members".mood is 'How they feel';
alter table app."Members" enable row level security;
create policy "it's theirs" on app."Members" for select to authenticated using ((select auth.uid()) = "userId");
create policy change on app."Members" for update using ((select auth.uid()) = "userId") with check ((select auth.uid()) = "userId");
create policy "not ""bad""" on app."Members" as restrictive for all to authenticated, anon using (mood <> 'in_progress');
grant select on app."Members" to authenticated;
grant update (handle, mood, moods) on app."Members" to authenticated;
grant insert ("userId", handle) on app."Members" to authenticated;`

func shape(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/adopt/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + granted
}

// The migration of a table makes the same table in an empty database, and changes nothing where the table is.
func TestExisting(t *testing.T) {
	for name, sql := range map[string]string{"starter": shape(t, "starter.sql"), "profiles": shape(t, "profiles.sql"), "other": shape(t, "other.sql"), "odd": oddUsers} {
		t.Run(name, func(t *testing.T) {
			conn := newDatabase(t, sql)
			before := readFrom(t, conn)
			table, err := tablegen.MeTable(before, "")
			if err != nil {
				t.Fatal(err)
			}
			empty := newDatabase(t, "")
			migration, byHand := tablegen.Existing(table, trying(t, empty))
			if len(byHand) > 0 {
				t.Error(byHand)
			}
			for _, c := range []*pgx.Conn{conn, empty, empty} {
				if _, err := c.Exec(t.Context(), migration); err != nil {
					t.Fatalf("%v\n%s", err, migration)
				}
			}
			if after := readFrom(t, conn); !reflect.DeepEqual(after, before) {
				t.Error("the table that was there has changed")
			}
			want, made := comparable(*table), comparable(*readFrom(t, empty).Table(table.Schema, table.Name))
			if !reflect.DeepEqual(made, want) {
				t.Errorf("made\n%+v\nwant\n%+v\n%s", made, want, migration)
			}
		})
	}
}

// comparable leaves out the names that PostgreSQL gives, and domains, whose base type a migration takes.
func comparable(table catalog.Table) catalog.Table {
	table.Columns, table.Indexes, table.ForeignKeys = slices.Clone(table.Columns), slices.Clone(table.Indexes), slices.Clone(table.ForeignKeys)
	for i := range table.ForeignKeys {
		table.ForeignKeys[i].Name = ""
	}
	for i := range table.Indexes {
		table.Indexes[i].Name = ""
	}
	slices.SortFunc(table.Indexes, func(a, b catalog.Index) int { return slices.Compare(a.Columns, b.Columns) })
	for i, c := range table.Columns {
		if c.Domain {
			table.Columns[i].Domain, table.Columns[i].Type = false, c.Base
		}
	}
	return table
}

// What this PostgreSQL refuses is left to people, and everything else is made.
func TestExistingByHand(t *testing.T) {
	table := readFrom(t, newDatabase(t, `create domain extensions.vector as text; create function public.is_admin() returns boolean language sql as 'select false';
		create table public.users (id uuid primary key references auth.users (id), name text);
		alter table public.users enable row level security;
		create policy admins on public.users for update using (public.is_admin());
		create policy own on public.users for select using (auth.uid() = id);`+granted)).Table("public", "users")
	empty := newDatabase(t, "")
	migration, byHand := tablegen.Existing(table, trying(t, empty))
	if len(byHand) != 1 || !strings.Contains(byHand[0], "is_admin") {
		t.Error(byHand)
	}
	if _, err := empty.Exec(t.Context(), migration); err != nil {
		t.Fatalf("%v\n%s", err, migration)
	}
	if made := readFrom(t, empty).Table("public", "users"); len(made.Policies) != 1 || !strings.Contains(migration, "-- create policy admins") {
		t.Error(migration)
	}
}

// A database has one table whose key refers to auth.users, or the error says what to do.
func TestMeTable(t *testing.T) {
	const profiles, users = "create table public.profiles (id uuid primary key references auth.users (id));", "create table public.users (id uuid primary key references auth.users (id));"
	const todos = "create table public.todos (id bigint primary key, user_id uuid references auth.users (id), list int);"
	for name, test := range map[string]struct{ sql, me, want, refused string }{
		"one":                {sql: profiles + todos, want: "profiles"},
		"several":            {sql: profiles + users, refused: "say with --me which of them `me` shows: profiles, users"},
		"several, named":     {sql: profiles + users, me: "users", want: "users"},
		"named with schema":  {sql: profiles + users, me: "public.users", want: "users"},
		"another is named":   {sql: profiles + todos, me: "todos", refused: "the key of todos does not refer to auth.users: that of profiles does"},
		"none":               {refused: "no table has a key that refers to auth.users, so that there is none for `me`. Without --database"},
		"another column":     {sql: todos, refused: "Other columns than the key do in: todos (user_id)."},
		"a key of two":       {sql: "create table public.m (id uuid references auth.users (id), n int, primary key (id, n));", refused: "m (id)"},
		"a partition":        {sql: "create table public.u (id uuid primary key references auth.users (id)) partition by hash (id); create table public.u_0 partition of public.u for values with (modulus 1, remainder 0);", want: "u"},
		"tables of Supabase": {sql: "create table auth.more (id uuid primary key references auth.users (id));", refused: "no table has a key"},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := tablegen.MeTable(readFrom(t, newDatabase(t, test.sql)), test.me)
			switch {
			case test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)):
				t.Error(err)
			case test.refused == "" && (err != nil || table.Name != test.want):
				t.Error(table, err)
			}
		})
	}
}

// The schema that is written is valid, and has the fields that callers may read and change.
func TestMe(t *testing.T) {
	for name, test := range map[string]struct {
		sql, typeName         string
		reads, changes        string
		files, byHand, absent []string
	}{
		"starter": {sql: shape(t, "starter.sql"), typeName: "User", reads: "id fullName avatarUrl billingAddress paymentMethod", changes: "fullName avatarUrl billingAddress paymentMethod",
			files: []string{"models/user.go", "documents/2_change_me.json", "graph/testdata/update_me.txtar"}},
		"profiles": {sql: shape(t, "profiles.sql"), typeName: "Profile", reads: "id updatedAt username fullName avatarUrl website", changes: "updatedAt username fullName avatarUrl website",
			files: []string{"models/profile.go"}},
		"other": {sql: shape(t, "other.sql"), typeName: "User", reads: "id email name createdAt", absent: []string{"documents/2_change_me.graphql", "graph/testdata/update_me.txtar"}},
		"odd":   {sql: oddUsers, typeName: "Member", reads: "id order handle mood moods tags age shown born createdAt", changes: "handle mood moods", byHand: []string{"who sees themself", "who changes themself"}},
		"a policy that is not understood": {sql: "create table public.users (id uuid primary key references auth.users (id), name text); alter table public.users enable row level security; create policy p on public.users for select using (length(name) > 3);" + granted,
			typeName: "User", reads: "id name", byHand: []string{"who sees themself"}},
		"rows that PostgreSQL refuses": {sql: "create table public.users (id uuid primary key references auth.users (id), code text not null check (code ~ '^[0-9]{4}$')); alter table public.users enable row level security; create policy p on public.users for select using (auth.uid() = id);" + granted,
			typeName: "User", reads: "id code", byHand: []string{"supabase/seed.sql: the rows of users"}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := newDatabase(t, test.sql)
			found := readFrom(t, conn)
			table, err := tablegen.MeTable(found, "")
			if err != nil {
				t.Fatal(err)
			}
			me, err := tablegen.NewMe(tablegen.Project{Module: "example.com/app", Engine: "usergraph", Schema: &ast.Schema{}}, table)
			if err != nil {
				t.Fatal(err)
			}
			written, err := me.Files(found, pgtest.Seed, trying(t, conn))
			if err != nil {
				t.Fatal(err)
			}
			engine := sources(t)[1]
			scalars := &ast.Source{Name: "scalars", Input: "scalar JSON scalar DateTime scalar BigInt scalar Decimal scalar Date"}
			schema, err := gqlparser.LoadSchema(engine, scalars, &ast.Source{Name: "schema.graphqls", Input: string(written.Files["schema.graphqls"])})
			if err != nil {
				t.Fatalf("%v\n%s", err, written.Files["schema.graphqls"])
			}
			if got := schema.Query.Fields.ForName("me").Type.Name(); got != test.typeName || schema.Subscription.Fields.ForName("me").Type.Name() != got {
				t.Error(got)
			}
			if got := fieldsOf(schema.Types[test.typeName]); got != test.reads {
				t.Error(got)
			}
			if got := fieldsOf(schema.Types["UpdateMeInput"]); got != test.changes {
				t.Error(got)
			}
			for _, name := range test.files {
				if written.Files[name] == nil {
					t.Errorf("there is no %s", name)
				}
			}
			for _, name := range test.absent {
				if written.Files[name] != nil {
					t.Errorf("there is %s", name)
				}
			}
			if len(written.ByHand) != len(test.byHand) {
				t.Errorf("by hand: %q", written.ByHand)
			}
			for i, want := range test.byHand {
				if i < len(written.ByHand) && !strings.Contains(written.ByHand[i], want) {
					t.Errorf("by hand: %q, want %q", written.ByHand[i], want)
				}
			}
		})
	}
}

func fieldsOf(definition *ast.Definition) string {
	if definition == nil {
		return ""
	}
	var names []string
	for _, field := range definition.Fields {
		names = append(names, field.Name)
	}
	return strings.Join(names, " ")
}
