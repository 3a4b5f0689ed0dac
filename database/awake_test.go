//go:build linux

package database_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"usergraph/database"
)

// An answer is waited for awake only where statements come one at a time, and have for a while.
func TestLone(t *testing.T) {
	l := newLine(t, 2)
	reads := func(count int) {
		t.Helper()
		for range count {
			if err := l.read(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
		}
	}
	lone := func(want bool) {
		t.Helper()
		if is, err := l.db.Lone(t.Context()); err != nil || is != want {
			t.Errorf("lone: %t, %v", is, err)
		}
	}
	l.free() // one connection is still in use
	reads(20)
	lone(false)
	l.free()
	reads(7)
	lone(false) // the eighth
	lone(true)
	l.take()
	lone(false)
	l.free()
	lone(false)
}

// Beside the look at a connection that was idle, there is one at the socket on which an answer is waited for awake.
func TestAwake(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))) // with one, nobody waits awake
	pg := newPostgres(t)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1}.Near())
	as := db.As(readerOf(ada))
	ctx := t.Context()
	sleep := func(ctx context.Context, seconds string) error {
		_, err := as.ExecContext(ctx, "select pg_sleep(?::float8)", seconds)
		return err
	}
	// ended runs a statement that would sleep on, ends it, and wants to hear why.
	ended := func(end func(cancel func()), why error) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		heard := make(chan error, 1)
		go func() { heard <- sleep(ctx, "600") }()
		newWatch(t, pg).until(1, sleeping)
		end(cancel)
		if err := <-heard; !errors.Is(err, why) {
			return fmt.Errorf("heard %v, not %w", err, why)
		}
		return nil
	}
	for range 10 {
		if err := sleep(ctx, "0"); err != nil {
			t.Fatal(err)
		}
	}
	looks, err := db.CountLooks(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		looks int64
		run   func() error
	}{
		{"a statement", 2, func() error { return sleep(ctx, "0.01") }},
		{"a long one", 2, func() error {
			_, err := as.ExecContext(ctx, "select ?::text", strings.Repeat("x", 1<<20))
			return err
		}},
		{"a transaction", 1, func() error {
			tx, err := as.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Rollback()
		}},
		{"a statement that is cancelled", 2, func() error {
			return ended(func(cancel func()) { cancel() }, context.Canceled)
		}},
		{"a statement whose connection is lost", 2, func() error {
			return ended(func(func()) {
				pg.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'usergraph' and datname = current_database()")
			}, database.ErrUnavailable)
		}},
	} {
		before := looks.Load()
		if err := test.run(); err != nil {
			t.Fatal(test.name, ": ", err)
		}
		if n := looks.Load() - before; n != test.looks {
			t.Errorf("%s: %d looks, want %d", test.name, n, test.looks)
		}
	}
}
