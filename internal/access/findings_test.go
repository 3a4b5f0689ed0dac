package access_test

import (
	"strings"
	"testing"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// starter is the schema of Supabase's Next.js starter, with the grants of a Supabase project.
const starter = `
create table public.users (id uuid references auth.users not null primary key, full_name text, avatar_url text, billing_address jsonb, payment_method jsonb);
alter table public.users enable row level security;
create policy "Can view own user data." on public.users for select using (auth.uid() = id);
create policy "Can update own user data." on public.users for update using (auth.uid() = id);
create table public.customers (id uuid references auth.users not null primary key, stripe_customer_id text);
alter table public.customers enable row level security;
create table public.products (id text primary key, active boolean, name text, description text, image text, metadata jsonb);
alter table public.products enable row level security;
create policy "Allow public read-only access." on public.products for select using (true);
create type public.pricing_type as enum ('one_time', 'recurring');
create type public.pricing_plan_interval as enum ('day', 'week', 'month', 'year');
create table public.prices (id text primary key, product_id text references public.products, active boolean, description text, unit_amount bigint, currency text check (char_length(currency) = 3),
	type public.pricing_type, interval public.pricing_plan_interval, interval_count integer, trial_period_days integer, metadata jsonb);
alter table public.prices enable row level security;
create policy "Allow public read-only access." on public.prices for select using (true);
create type public.subscription_status as enum ('trialing', 'active', 'canceled', 'incomplete', 'incomplete_expired', 'past_due', 'unpaid', 'paused');
create table public.subscriptions (id text primary key, user_id uuid references auth.users not null, status public.subscription_status, metadata jsonb, price_id text references public.prices, quantity integer,
	cancel_at_period_end boolean, created timestamptz default timezone('utc'::text, now()) not null, current_period_start timestamptz default timezone('utc'::text, now()) not null);
alter table public.subscriptions enable row level security;
create policy "Can only view own subs data." on public.subscriptions for select using (auth.uid() = user_id);
`

// The starter's tables: FACTS of what its policies let callers do.
func TestStarter(t *testing.T) {
	found, conn := open(t, starter)
	for name, want := range map[string][4]string{
		"users":         {`signed-in users, their own rows (policy "Can view own user data.", owner id)`, "nobody (no policy)", `signed-in users, their own rows (policy "Can update own user data.", owner id)`, "nobody (no policy)"},
		"subscriptions": {`signed-in users, their own rows (policy "Can only view own subs data.", owner user_id)`, "nobody (no policy)", "nobody (no policy)", "nobody (no policy)"},
		"products":      {`everybody, all rows (policy "Allow public read-only access.")`, "nobody (no policy)", "nobody (no policy)", "nobody (no policy)"},
		"prices":        {`everybody, all rows (policy "Allow public read-only access.")`, "nobody (no policy)", "nobody (no policy)", "nobody (no policy)"},
		"customers":     {"nobody (no policy)", "nobody (no policy)", "nobody (no policy)", "nobody (no policy)"},
	} {
		got := access.Of(found.Table("public", name))
		for i, command := range access.Commands {
			if text := got.Access(command).String(); text != want[i] {
				t.Errorf("%s %s: %s, want %s", command, name, text, want[i])
			}
		}
	}

	// The SQL of the findings is applied, and finds nothing more.
	sql, indexes := "", 0
	for _, name := range []string{"users", "subscriptions", "products", "prices", "customers"} {
		table := found.Table("public", name)
		for _, finding := range access.Findings(table, access.Of(table)) {
			t.Log(name, finding)
			sql += finding.SQL + "\n"
			indexes += strings.Count(finding.SQL, "create index")
		}
	}
	if indexes != 3 {
		t.Errorf("%d foreign keys without an index, want 3", indexes)
	}
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	after, err := catalog.Read(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"users", "subscriptions", "products", "prices", "customers"} {
		before, table := access.Of(found.Table("public", name)), after.Table("public", name)
		now := access.Of(table)
		for _, finding := range access.Findings(table, now) {
			t.Errorf("%s: %v", name, finding)
		}
		for _, command := range access.Commands {
			if a, b := before.Access(command), now.Access(command); a.Who != b.Who || a.Column != b.Column || a.Condition != b.Condition {
				t.Errorf("%s %s was %v and is %v", command, name, a, b)
			}
		}
	}
}

// What is found of a table, and the SQL that mends it.
func TestFindings(t *testing.T) {
	const table = `create table public.notes (id int primary key, user_id uuid, "Parent" int references public.notes, created_at timestamptz); alter table public.notes enable row level security; revoke all on public.notes from anon, authenticated;`
	for _, test := range []struct{ sql, want string }{
		{`create policy p on public.notes for select to authenticated using ((select auth.uid()) = user_id); grant select on public.notes to authenticated; create index on public.notes (user_id, created_at); create index on public.notes ("Parent");`, ``},
		{`create policy p on public.notes for select using (true); grant select on public.notes to authenticated;`, `create index on public.notes ("Parent", created_at, id);`},
		{`create index on public.notes ("Parent"); grant select, delete on public.notes to anon; grant insert on public.notes to authenticated`, `revoke select, delete on public.notes from anon; revoke insert on public.notes from authenticated;`},
		{`create index on public.notes ("Parent"); grant select on public.notes to public`, `revoke select on public.notes from anon, authenticated, public;`},
		{`create index on public.notes ("Parent"); create index on public.notes (user_id, created_at); create policy "a ""b""" on public.notes using (auth.uid() = user_id and (select auth.jwt() ->> 'aal') = 'aal2' and auth.role() = 'authenticated') with check (auth.uid() = user_id); grant all on public.notes to authenticated`,
			`alter policy "a ""b""" on public.notes using (((select auth.uid()) = user_id) AND (( SELECT (auth.jwt() ->> 'aal'::text)) = 'aal2'::text) AND ((select auth.role()) = 'authenticated'::text)) with check ((select auth.uid()) = user_id);`},
		{`create index on public.notes ("Parent"); create index on public.notes (user_id, created_at); create policy r on public.notes for select to authenticated using (true); create policy p on public.notes for update to authenticated using ((select auth.uid()) = user_id); grant select, update on public.notes to authenticated`,
			`alter policy "p" on public.notes with check (( SELECT auth.uid() AS uid) = user_id);`},
	} {
		found, conn := open(t, table+test.sql)
		notes := found.Table("public", "notes")
		var sql []string
		for _, finding := range access.Findings(notes, access.Of(notes)) {
			sql = append(sql, finding.SQL)
		}
		if got := strings.Join(sql, " "); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.sql, got, test.want)
		}
		if _, err := conn.Exec(t.Context(), strings.Join(sql, "\n")); err != nil {
			t.Error(err)
		}
	}
}

// A column that is newer than the grants on columns: what callers may do with the others.
func TestColumnGrants(t *testing.T) {
	found, _ := open(t, `create table public.notes (id int primary key, user_id uuid, title text, body text, "Made" timestamptz default now());
		alter table public.notes enable row level security;
		create policy own on public.notes for all to authenticated using ((select auth.uid()) = user_id);
		revoke all on public.notes from anon, authenticated;
		grant select (id, user_id, title), insert (title), update (title) on public.notes to authenticated;
		create table public.open (id int primary key, body text);
		alter table public.open enable row level security;
		create policy p on public.open for select using (true);`)
	for _, test := range []struct {
		table, column string
		readOnly      bool
		want          string
	}{
		{"notes", "body", false, "grant select (body), insert (body), update (body) on public.notes to authenticated;"},
		{"notes", "body", true, "grant select (body) on public.notes to authenticated;"},
		{"notes", "Made", false, `grant select ("Made") on public.notes to authenticated;`},
		{"notes", "title", false, ""},
		{"open", "body", false, ""},
		{"notes", "none", false, ""},
	} {
		got := ""
		for _, finding := range access.ColumnGrants(found.Table("public", test.table), test.column, test.readOnly) {
			got += finding.SQL
		}
		if got != test.want {
			t.Errorf("%s.%s: %q, want %q", test.table, test.column, got, test.want)
		}
	}
}
