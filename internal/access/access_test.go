package access_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
	"usergraph/internal/pgtest"
)

// open returns the catalog of a database with these statements applied, and a superuser's connection to it.
func open(t *testing.T, sql string) (*catalog.Catalog, *pgx.Conn) {
	t.Helper()
	pg := pgtest.With(t, fstest.MapFS{"migrations/1_tables.sql": {Data: []byte(sql)}})
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	found, err := catalog.Read(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return found, conn
}

// todos is a table that policies are tried on.
const todos = `create table public.%[1]s (id int primary key, user_id uuid, other uuid, owner text, "Owner" uuid, org_id int, public bool, created_at timestamptz);
alter table public.%[1]s enable row level security;
`

const memberships = `create table public.memberships (org_id int, user_id uuid, role text);
create function public.is_member(int) returns bool language sql stable as 'select $1 = 1';
`

// Each policy is made and read as PostgreSQL prints it. all is `for all to public`, unless more of the policy is given.
func TestPolicies(t *testing.T) {
	tests := []struct{ policy, want string }{
		{`using (true)`, "everybody"},
		{`using (1 = 1)`, "custom: 1 = 1"},
		{`using (false)`, "nobody"},
		{`to authenticated using (true)`, "signed-in"},
		{`to anon using (true)`, "custom: signed in: false; anonymous: true"},
		{`to service_role using (true)`, "nobody"},
		{`to anon, authenticated using (true)`, "everybody"},
		// The owner, as people write it.
		{`using (auth.uid() = user_id)`, "owner user_id"},
		{`using (user_id = auth.uid())`, "owner user_id"},
		{`using ((select auth.uid()) = user_id)`, "owner user_id"},
		{`using (user_id = (select auth.uid() as me))`, "owner user_id"},
		{`using (user_id in (select auth.uid()))`, "custom"},
		{`using (auth.uid()::text = owner)`, "owner owner"},
		{`using ((select auth.uid()::text) = owner)`, "owner owner"},
		{`using ((select auth.uid())::text = owner)`, "owner owner"},
		{`using (auth.uid() = owner::uuid)`, "owner owner"},
		{`using ((auth.jwt() ->> 'sub') = owner)`, "owner owner"},
		{`using (((select auth.jwt()) ->> 'sub')::uuid = user_id)`, "owner user_id"},
		{`using ((select auth.jwt() ->> 'sub') = owner)`, "owner owner"},
		{`using (auth.uid() = "Owner")`, "owner Owner"},
		{`using (auth.uid() = %s.user_id)`, "owner user_id"},
		{`to authenticated using (auth.uid() = user_id)`, "owner user_id"},
		{`using (auth.uid() is not null and auth.uid() = user_id)`, "owner user_id"},
		{`using (auth.role() = 'authenticated' and auth.uid() = user_id)`, "owner user_id"},
		{`using (auth.uid() = user_id and auth.uid() = user_id)`, "owner user_id"},
		{`using (auth.uid() = user_id or false)`, "owner user_id"},
		// Owner and something else is less than the owner.
		{`using (auth.uid() = user_id and public)`, "owner user_id: public"},
		{`using (created_at > now() and (public and auth.uid() = user_id))`, "owner user_id: created_at > now() AND public"},
		{`using (auth.uid() = user_id and auth.uid() = other)`, "owner user_id: other = auth.uid()"},
		{`using (auth.uid() = user_id and (public or owner is null))`, "owner user_id: public OR owner IS NULL"},
		{`using (auth.uid() = user_id and (auth.jwt() ->> 'aal') = 'aal2')`, "owner user_id: (auth.jwt() ->> 'aal'::text) = 'aal2'::text"},
		// Owner or something else is more than the owner.
		{`using (auth.uid() = user_id or public)`, "custom"},
		{`using (auth.uid() = user_id or auth.uid() = other)`, "custom: user_id = auth.uid() OR other = auth.uid()"},
		{`using (public)`, "custom: public"},
		{`to authenticated using (public)`, "custom: public"},
		{`using (not (auth.uid() = user_id))`, "custom"},
		{`using (auth.uid() <> user_id)`, "custom"},
		{`using (coalesce(auth.uid() = user_id, true))`, "custom"},
		{`using (case when public then true else auth.uid() = user_id end)`, "custom"},
		{`using (auth.uid() is null or auth.uid() = user_id)`, "custom"},
		{`using (auth.uid() is not distinct from user_id)`, "custom"},
		{`using (auth.uid() = any (array[user_id, other]))`, "custom"},
		{`using (auth.uid() in (user_id, other))`, "custom"},
		{`using (coalesce(user_id, auth.uid()) = auth.uid())`, "custom"},
		{`using (user_id = '00000000-0000-0000-0000-000000000000')`, "custom"},
		{`using (auth.uid()::text = left(owner, 36))`, "custom"},
		{`using (auth.uid()::text = owner || '')`, "custom"},
		{`using (owner = 'auth.uid()')`, "custom"},
		{`using (exists (select from auth.users where id = auth.uid()))`, "custom"},
		{`using ((select auth.uid() = user_id))`, "custom"},
		{`using ((select auth.uid() where false) = user_id)`, "custom"},
		{`using (user_id = nullif(auth.uid(), other))`, "custom"},
		// Signed-in users, and nobody else.
		{`using (auth.uid() is not null)`, "signed-in"},
		{`using (not (auth.uid() is null))`, "signed-in"},
		{`using ((select auth.uid()) is not null)`, "signed-in"},
		{`using (auth.role() = 'authenticated')`, "signed-in"},
		{`using ((select auth.role()) = 'authenticated'::text)`, "signed-in"},
		{`using ((auth.jwt() ->> 'role') = 'authenticated')`, "signed-in"},
		{`using (auth.role() = 'service_role')`, "custom"},
		{`using (auth.role() = 'anon' or auth.role() = 'authenticated')`, "everybody"},
		// Memberships.
		{`using (org_id in (select org_id from public.memberships where user_id = auth.uid()))`, "member org_id memberships.org_id user_id"},
		{`using (org_id in (select m.org_id from public.memberships m where m.user_id = (select auth.uid())))`, "member org_id memberships.org_id user_id"},
		{`using (org_id = any (select m.org_id from public.memberships m where m.user_id = auth.uid()))`, "member org_id memberships.org_id user_id"},
		{`to authenticated using (auth.uid() in (select m.user_id from public.memberships m where m.org_id = %s.org_id))`, "member org_id memberships.org_id user_id"},
		{`using (exists (select 1 from public.memberships m where m.org_id = %s.org_id and m.user_id = auth.uid()))`, "member org_id memberships.org_id user_id"},
		{`using (exists (select from public.memberships m where auth.uid() = m.user_id and %s.org_id = m.org_id))`, "member org_id memberships.org_id user_id"},
		{`using (org_id in (select m.org_id from public.memberships m where m.user_id = auth.uid()) and public)`, "member org_id memberships.org_id user_id: public"},
		{`using (org_id in (select m.org_id from public.memberships m where m.user_id = auth.uid() and m.role = 'admin'))`, "custom"},
		{`using (org_id in (select m.org_id from public.memberships m where m.user_id = auth.uid() or m.role = 'admin'))`, "custom"},
		{`using (org_id not in (select m.org_id from public.memberships m where m.user_id = auth.uid()))`, "custom"},
		{`using (org_id in (select m.org_id from public.memberships m where m.user_id = auth.uid() limit 1))`, "custom"},
		{`using (org_id in (select m.org_id from public.memberships m where m.user_id = auth.uid() union select 3))`, "custom"},
		{`using (org_id in (select m.org_id + 1 from public.memberships m where m.user_id = auth.uid()))`, "custom"},
		{`using (org_id in (select m.org_id from public.memberships m, public.memberships n where m.user_id = auth.uid()))`, "custom"},
		{`using (org_id in (select m.org_id from public.memberships m where auth.uid() is not null))`, "custom"},
		{`using (exists (select 1 from public.memberships m where m.user_id = auth.uid()))`, "custom"},
		{`using (exists (select 1 from public.memberships m where m.org_id = m.org_id and m.user_id = auth.uid()))`, "custom"},
		{`using (exists (select 1 from public.memberships m where m.org_id > %s.org_id and m.user_id = auth.uid()))`, "custom"},
		{`using (not exists (select 1 from public.memberships m where m.org_id = %s.org_id and m.user_id = auth.uid()))`, "custom"},
		{`using (public.is_member(org_id))`, "custom"},
	}
	sql := memberships
	for i, test := range tests {
		name := fmt.Sprintf("t%d", i)
		policy := test.policy
		if strings.Contains(policy, "%s") {
			policy = fmt.Sprintf(policy, name)
		}
		sql += fmt.Sprintf(todos, name) + fmt.Sprintf("create policy p on public.%s for select %s;\n", name, policy)
	}
	found, _ := open(t, sql)
	for i, test := range tests {
		table := found.Table("public", fmt.Sprintf("t%d", i))
		got := access.Of(table).Select
		text := string(got.Who)
		switch got.Who {
		case access.Owner:
			text += " " + got.Column
		case access.Member:
			text += fmt.Sprintf(" %s %s.%s %s", got.Column, got.Of.Table, got.Of.Key, got.Of.User)
		}
		if got.Condition != "" {
			text += ": " + got.Condition
		}
		if text != test.want && !(test.want == "custom" && got.Who == access.Custom) {
			t.Errorf("%s: %s, want %s (PostgreSQL prints %s)", test.policy, text, test.want, table.Policies[0].Using)
		}
	}
}

// conditions are what random policies are made of.
var conditions = []string{
	"true", "false", "auth.uid() = user_id", "(select auth.uid()) = user_id", "user_id = other", "auth.uid() = other", "auth.uid()::text = owner", "public", "public is null", "auth.uid() is null", "auth.uid() is not null",
	"auth.role() = 'authenticated'", "auth.role() = 'anon'", "org_id in (select m.org_id from public.memberships m where m.user_id = auth.uid())",
	"exists (select 1 from public.memberships m where m.org_id = %[1]s.org_id and m.user_id = auth.uid())", "org_id = 1", "case when public then true else auth.uid() = user_id end", "coalesce(auth.uid() = user_id, true)",
	"auth.uid() in (user_id, other)", "auth.uid() is distinct from user_id", "exists (select 1 from public.memberships m where m.user_id = auth.uid())", "(select auth.jwt() ->> 'sub') = owner",
}

func randomCondition(depth int) string {
	if depth == 0 || rand.IntN(3) == 0 {
		return conditions[rand.IntN(len(conditions))]
	}
	a, b := randomCondition(depth-1), randomCondition(depth-1)
	switch rand.IntN(5) {
	case 0:
		return "not (" + a + ")"
	case 1, 2:
		return "(" + a + " or " + b + ")"
	}
	return "(" + a + " and " + b + ")"
}

const (
	ada = "a0000000-0000-4000-8000-000000000001"
	bob = "b0000000-0000-4000-8000-000000000002"
)

// Whatever the policies, what Of says of a table is what callers see: never more, and without a condition never less.
func TestNeverMoreThanClaimed(t *testing.T) {
	const tables = 250
	sql := memberships + fmt.Sprintf("insert into public.memberships values (1, '%s'), (2, '%s'); grant select on public.memberships to anon, authenticated;\n", ada, bob)
	for i := range tables {
		name := fmt.Sprintf("t%d", i)
		sql += fmt.Sprintf(todos, name)
		for p := range 1 + rand.IntN(3) {
			kind, roles := "permissive", []string{"public", "authenticated", "anon", "service_role"}[rand.IntN(4)]
			if rand.IntN(4) == 0 {
				kind = "restrictive"
			}
			condition := strings.ReplaceAll(randomCondition(3), "%[1]s", name)
			sql += fmt.Sprintf("create policy p%d on public.%s as %s for %s to %s using (%s);\n", p, name, kind, []string{"all", "select"}[rand.IntN(2)], roles, condition)
		}
		sql += fmt.Sprintf(`insert into public.%s select row_number() over (), u, o, coalesce(u::text, 'x'), null, g, p, null from
			unnest(array['%[2]s', '%[3]s', null]::uuid[]) u, unnest(array['%[2]s', '%[3]s', null]::uuid[]) o, unnest(array[1, 2, null]) g, unnest(array[true, false, null]) p;`, name, ada, bob)
	}
	found, conn := open(t, sql)
	seen := map[access.Who]int{}
	for i := range tables {
		table := found.Table("public", fmt.Sprintf("t%d", i))
		got := access.Of(table).Select
		seen[got.Who]++
		for _, caller := range []string{ada, bob, ""} {
			may, all := "false", "true"
			switch got.Who {
			case access.Owner:
				may = fmt.Sprintf("nullif('%s', '') = %s::text", caller, catalog.Quote(got.Column))
			case access.Member:
				may = fmt.Sprintf("org_id = %d", map[string]int{ada: 1, bob: 2}[caller])
			case access.SignedIn:
				may = fmt.Sprint(caller != "")
			case access.Everybody:
				may = "true"
			case access.Custom:
				may = fmt.Sprint(caller != "" || got.Anonymous)
			}
			if got.Condition != "" {
				all = "false" // how many of those there are is not known
			}
			role, claims := "authenticated", fmt.Sprintf(`{"role":"authenticated","sub":%q}`, caller)
			if caller == "" {
				role, claims = "anon", `{"role":"anon"}`
			}
			visible := as(t, conn, role, claims, "select coalesce(array_agg(id order by id), '{}') from "+table.SQL())
			var more, fewer int
			err := conn.QueryRow(t.Context(), fmt.Sprintf("select count(*) filter (where id = any ($1) and (%[1]s) is not true), count(*) filter (where id <> all ($1) and (%[1]s) and %[2]s) from %[3]s", may, all, table.SQL()), visible).Scan(&more, &fewer)
			if err != nil {
				t.Fatal(err)
			}
			if more > 0 || fewer > 0 {
				t.Errorf("%s sees %d rows more and %d fewer than %q: %+v", role, more, fewer, got, table.Policies)
			}
		}
	}
	t.Log(seen)
}

// as returns what a caller reads.
func as(t *testing.T, conn *pgx.Conn, role, claims, query string) (ids []int) {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", role, claims); err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRow(t.Context(), query).Scan(&ids); err != nil {
		t.Fatal(err)
	}
	return ids
}
