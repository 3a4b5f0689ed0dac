//go:build services

// These tests need PgBouncer (apt-get install pgbouncer) in addition.

package database_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

func TestPgBouncerClaimsDoNotBleed(t *testing.T) {
	for name, disturb := range map[string]disturbances{"cancels": {cancels: true}, "kills": {kills: true}} {
		t.Run(name, func(t *testing.T) {
			pg := newPostgres(t)
			bleed(t, pg, pgtest.PgBouncer(t, pg.URL), 1500, disturb)
		})
	}
}

// Behind a pooler nothing is prepared, without a setting for it, and a statement is still one round trip.
func TestPgBouncerRoundTrips(t *testing.T) {
	pg := newPostgres(t)
	p := newProxy(t, pgtest.PgBouncer(t, pg.URL))
	db := open(t, database.Config{URL: p.URL, MaxConns: 1})
	if pooled, err := db.Pooled(t.Context()); err != nil || !pooled {
		t.Fatal("the pooler was not noticed", err)
	}
	as := db.As(callerOf(ada))
	thrice(t, func(t *testing.T) {
		p.reset()
		found := new(user)
		if err := as.NewSelect().Model(found).Where("full_name = ?", "Ada").Scan(t.Context()); err != nil || found.ID != ada {
			t.Fatal(found, err)
		}
		if turns, _ := p.count('S'); turns != 1 {
			t.Errorf("%d round trips", turns)
		}
		p.reset()
		err := as.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			return rename(ctx, tx, ada, "Ada")
		})
		if err != nil {
			t.Fatal(err)
		}
		if turns, _ := p.count('S'); turns != 3 {
			t.Errorf("%d round trips for a transaction", turns)
		}
	})
}

func TestPgBouncerCancel(t *testing.T) {
	pg := newPostgres(t)
	db := open(t, database.Config{URL: pgtest.PgBouncer(t, pg.URL), MaxConns: 2})
	w := newWatch(t, pg)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := db.As(callerOf(ada)).ExecContext(ctx, "select pg_sleep(600)")
			failed <- err
		}()
		w.until(1, sleeping)
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.until(0, sleeping)
	}
}

// A pooler in transaction mode loses notifications silently. That is detected, even if other clients use the pooler.
func TestPgBouncerLosesNotifications(t *testing.T) {
	pg := newPostgres(t)
	l := listen(t, pgtest.PgBouncer(t, pg.URL))
	if err := l.report(); !errors.Is(err, database.ErrNotAnnounced) || !strings.Contains(err.Error(), "pooler") {
		t.Error(err)
	}
}

// Behind a pooler the session may be another client's. The important settings are set with each statement, whatever it
// left.
func TestPgBouncerNothingIsLeft(t *testing.T) {
	pg := newPostgres(t)
	pg.Exec(t, leavers)
	for _, test := range leftovers {
		for way, leave := range ways {
			if strings.HasPrefix(way, "function") && strings.HasPrefix(test.text, "select * into") || test.pooled == nowhere {
				continue
			}
			t.Run(test.name+"/"+way, func(t *testing.T) {
				db := open(t, database.Config{URL: pgtest.PgBouncer(t, pg.URL), MaxConns: 2})
				pid := func() (pid int) {
					if err := db.As(callerOf(bob)).NewRaw("select pg_backend_pid()").Scan(t.Context(), &pid); err != nil {
						t.Fatal(err)
					}
					return pid
				}
				session := pid()
				if err := leave(t.Context(), db.As(callerOf(ada)), test.text); err != nil {
					t.Fatal(err)
				}
				if now := pid(); now != session {
					t.Errorf("PgBouncer has given %d, and then %d: this shows nothing", session, now)
				}
				askAsBob(t, db, test.ask, test.want)
			})
		}
	}
}

// PgBouncer reports with 08P01 that no PostgreSQL session is available. That is temporary.
func TestPgBouncerHasNoSession(t *testing.T) {
	pg := newPostgres(t)
	db := open(t, database.Config{URL: pgtest.PgBouncer(t, pg.URL, "query_wait_timeout = 1"), MaxConns: 4})
	var open []bun.Tx
	for range 3 {
		tx, err := db.As(callerOf(ada)).BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, tx)
	}
	_, err := db.As(callerOf(bob)).ExecContext(t.Context(), "select 1")
	var refused *database.Error
	if !errors.Is(err, database.ErrUnavailable) || !errors.As(err, &refused) || refused.SQLState != "08P01" {
		t.Errorf("%#v", err)
	}
	for _, tx := range open {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}
