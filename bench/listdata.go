//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Where the rows of the lists are. Inserts have databases of their own, since a page must not change while it is measured.
const (
	listsName       = "bench_lists"
	insertsName     = "bench_inserts"
	insertsPeerName = "bench_inserts_peers" // without the triggers that announce changes to our subscriptions
	deepName        = "bench_deep"
)

// What each user has. The title has what JSON escapes in a fifth of the todos, a todo in twenty has no project.
const (
	userTodos    = 40
	userProjects = 3
	// deepTodos are more todos of the first user: enough for a page after row 1,000,000.
	deepTodos = 1_000_100
)

var listRows = []string{
	// Triggers and foreign keys rest meanwhile.
	"set session_replication_role = replica",
	`create temp table numbered as select id, right(full_name, 7)::int as n from public.users`,
	fmt.Sprintf(`insert into public.projects (id, user_id, name, color, created_at)
		select n * %[1]d + j, id, 'Project ' || j || ' of ' || n, (array['red', 'green', 'blue'])[j], '2026-01-01Z'::timestamptz + j * interval '1 day'
		from numbered, generate_series(1, %[1]d) j order by n, j`, userProjects),
	fmt.Sprintf(`insert into public.todos (id, user_id, project_id, title, done, created_at)
		select n * %[1]d + i, id, case when i %% 20 <> 7 then n * %[2]d + 1 + i %% %[2]d end,
			case when i %% 5 = 0 then format('Call "Léon" & 東京, %%s of %%s', i, n) else format('Water the plants, %%s of %%s', i, n) end,
			i %% 4 = 0, '2026-01-01Z'::timestamptz + (n %% 97 + i * 100) * interval '1 minute'
		from numbered, generate_series(1, %[1]d) i order by i, n`, userTodos, userProjects),
	`insert into public.products (id, active, name, metadata)
		select format('prod_%s', lpad(d::text, 3, '0')), true, 'Plan ' || d, '{"index": 1}' from generate_series(1, 20) d`,
	`insert into public.prices (id, product_id, active, unit_amount, currency, type, interval, interval_count)
		select format('price_%s_%s', lpad(d::text, 3, '0'), p), format('prod_%s', lpad(d::text, 3, '0')), true, d * 100 + p, 'usd', 'recurring', 'month', p
		from generate_series(1, 20) d, generate_series(1, 5) p`,
	`insert into public.subscriptions (id, user_id, status, price_id, quantity, cancel_at_period_end)
		select format('sub_%s', lpad(n::text, 7, '0')), id, 'active', format('price_%s_%s', lpad((n % 20 + 1)::text, 3, '0'), n % 5 + 1), 1, false
		from numbered`,
	"select setval(pg_get_serial_sequence('public.projects', 'id'), (select max(id) from public.projects))",
	"select setval(pg_get_serial_sequence('public.todos', 'id'), (select max(id) from public.todos))",
	"grant select on all tables in schema public to plain",
	"grant insert on public.todos to plain",
	// PostGraphile's smart tags: it has a type Subscription of its own, and the starter's table references auth.users.
	"comment on table public.subscriptions is E'@name user_subscriptions\\n@foreignKey (user_id) references public.users (id)'",
	"vacuum (freeze, analyze)", "checkpoint",
}

// createLists makes the database of examples/billing with rows for each user. The program migrates it itself.
func (b *bench) createLists(ctx context.Context) error {
	if err := execute(ctx, b.cluster.admin("template1"), "create database "+listsName+" template postgres"); err != nil {
		return err
	}
	binary, err := buildBilling(ctx, b.dir)
	if err != nil {
		return err
	}
	migrate := exec.CommandContext(ctx, binary[0], "migrate")
	migrate.Dir = b.dir
	migrate.Env = append(os.Environ(), "DATABASE_MIGRATE_URL="+b.cluster.admin(listsName), "SUPABASE_URL="+b.issuer.url())
	if said, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w\n%.2000s", err, said)
	}
	if err := fill(ctx, b.cluster.admin(listsName), b.users); err != nil {
		return fmt.Errorf("load %d users: %w", b.users, err)
	}
	return execute(ctx, b.cluster.admin(listsName), listRows...)
}

func (b *bench) createInserts(ctx context.Context) error {
	err := execute(ctx, b.cluster.admin("template1"),
		"create database "+insertsName+" template "+listsName,
		"create database "+insertsPeerName+" template "+listsName)
	if err != nil {
		return err
	}
	return execute(ctx, b.cluster.admin(insertsPeerName), "drop schema usergraph cascade")
}

func (b *bench) createDeep(ctx context.Context) error {
	progress("%d todos of one user", deepTodos)
	if err := execute(ctx, b.cluster.admin("template1"), "create database "+deepName+" template "+listsName); err != nil {
		return err
	}
	return execute(ctx, b.cluster.admin(deepName),
		"set session_replication_role = replica",
		fmt.Sprintf(`insert into public.todos (user_id, title, done, created_at)
			select '%s', 'An old one, ' || i, true, '2025-12-31Z'::timestamptz - i * interval '1 second' from generate_series(1, %d) i`, userID(0), deepTodos),
		"vacuum (freeze, analyze) public.todos", "checkpoint")
}
