//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/graph"
	"usergraph/internal/postgres"
	"usergraph/supabase"
)

// cluster is a PostgreSQL of our own.
type cluster struct {
	*postgres.Server
	pid           int
	plainPassword string
}

// startCluster runs a PostgreSQL that is deleted when it stops, or when this process ends. Its settings are the defaults,
// but for room for all connections and all rows, and no work of its own accord.
func startCluster(ctx context.Context) (*cluster, error) {
	folder := filepath.Join(os.TempDir(), "usergraph-bench-"+rand.Text())
	server, err := postgres.Start(ctx, postgres.Config{
		DataDir:   folder,
		Temporary: true,
		Settings: map[string]string{
			"max_connections": "600",
			"shared_buffers":  "512MB",
			"max_wal_size":    "4GB",
			"autovacuum":      "off",
		},
	})
	if err != nil {
		return nil, err
	}
	c := &cluster{Server: server, plainPassword: rand.Text()}
	// The first line of the file is the process id of the postmaster.
	text, err := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
	if err == nil {
		line, _, _ := strings.Cut(string(text), "\n")
		c.pid, err = strconv.Atoi(line)
	}
	// plain logs in for contenders without row-level security: whose row they read is up to their own SQL.
	if err == nil {
		err = execute(ctx, c.admin("postgres"), "create role plain login bypassrls password '"+c.plainPassword+"'")
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *cluster) admin(database string) string { return c.URL("postgres", database) }

// plain is the address of a database for a role that row-level security does not apply to.
func (c *cluster) plain(database string) string {
	u, err := url.Parse(c.URL("plain", database))
	if err != nil {
		panic(err) // it was made from a url.URL
	}
	u.User = url.UserPassword("plain", c.plainPassword)
	return u.String()
}

// create makes a database with the migrations and that many users.
func (c *cluster) create(ctx context.Context, name string, users int) error {
	// The database postgres holds the shims and nothing else.
	if err := execute(ctx, c.admin("template1"), "create database "+name+" template postgres"); err != nil {
		return err
	}
	needs, err := endpoint.Needs(graph.New(new(endpoint.Engine)))
	if err != nil {
		return err
	}
	if err := (database.Migration{URL: c.admin(name), Files: supabase.Migrations, Watched: needs.Announced}).Apply(ctx); err != nil {
		return err
	}
	if err := fill(ctx, c.admin(name), users); err != nil {
		return fmt.Errorf("load %d users: %w", users, err)
	}
	return execute(ctx, c.admin(name), "grant select on public.users to plain", "vacuum (freeze, analyze)", "checkpoint")
}

// open makes a copy of a database without row-level security.
func (c *cluster) open(ctx context.Context, name, copied string) error {
	if err := execute(ctx, c.admin("template1"), "create database "+copied+" template "+name); err != nil {
		return err
	}
	return execute(ctx, c.admin(copied), "alter table public.users disable row level security")
}

// fill fills both tables of users, and that of their sessions. Triggers and foreign keys rest meanwhile: they would take most of the time.
func fill(ctx context.Context, url string, users int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "set session_replication_role = replica"); err != nil {
		return err
	}
	signedUp := rows(users, func(n int) []any {
		return []any{userID(n), "authenticated", "authenticated", fmt.Sprintf("user%d@example.com", n)}
	})
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"auth", "users"}, []string{"id", "aud", "role", "email"}, signedUp); err != nil {
		return err
	}
	// Each has a session of the same id, for SESSION_CHECK=always.
	sessions := rows(users, func(n int) []any { return []any{userID(n), userID(n)} })
	if _, err := conn.CopyFrom(ctx, pgx.Identifier{"auth", "sessions"}, []string{"id", "user_id"}, sessions); err != nil {
		return err
	}
	profiles := rows(users, func(n int) []any {
		return []any{userID(n), userName(n), fmt.Sprintf("https://example.com/avatars/%07d.png", n)}
	})
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"public", "users"}, []string{"id", "full_name", "avatar_url"}, profiles)
	return err
}

// rows makes a source of count rows.
func rows(count int, row func(n int) []any) pgx.CopyFromSource {
	n := 0
	return pgx.CopyFromFunc(func() ([]any, error) {
		if n == count {
			return nil, nil
		}
		n++
		return row(n - 1), nil
	})
}

// execute runs statements one after the other on a connection of their own.
func execute(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// queryText asks for one text.
func queryText(ctx context.Context, url, sql string) (text string, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, sql).Scan(&text)
	return text, err
}
