//go:build services

package drills_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"usergraph/internal/pgtest"
	"usergraph/internal/postgres"
)

const (
	codeUnavailable = "UNAVAILABLE"
	codeTimeout     = "TIMEOUT"
)

// PostgreSQL crashes under load, stays away, and comes back: callers are told so, and nothing needs a restart.
func TestPostgreSQLCrashes(t *testing.T) {
	config := postgres.Config{DataDir: t.TempDir() + "/data", Settings: map[string]string{"fsync": "off"}}
	first, err := postgres.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	config.Port = first.Port()
	migrate(t, first.URL("postgres", "postgres"))
	around := populate(t, first.URL("postgres", "postgres"), 20)
	s := start(t, around.settings(first.URL("authenticator", "postgres"))...)
	before := s.warm(t, around.callers)
	asked := begin(t, s.url, around.callers, 8)
	asked.more(t, 200)

	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "callers hear of it", func() error {
		got, err := ask(t.Context(), s.url, around.callers[0].token, whoAmI)
		if err == nil && got.code != codeUnavailable {
			err = fmt.Errorf("%d %s", got.status, got.body)
		}
		return err
	})
	if err := getOK(s.url + "/readyz"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("ready without a database: %v", err)
	}
	if err := getOK(s.url + "/livez"); err != nil {
		t.Errorf("a restart would not help: %v", err)
	}

	again, err := postgres.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Stop()
	s.recovers(t, around.callers[0])
	eventually(t, "readiness", func() error { return getOK(s.url + "/readyz") })
	asked.more(t, 200)
	asked.onlyCodes(t, codeUnavailable)
	s.letsGo(t, before)
	s.stop(t)
}

// The network to PostgreSQL is slow, swallows everything, and is cut. Nobody waits longer than REQUEST_TIMEOUT, and all
// is well afterwards.
func TestNetworkFails(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	between, url := through(t, fresh.URL)
	s := start(t, append(around.settings(url), "REQUEST_TIMEOUT=1s", "DATABASE_MAX_CONNS=8")...)
	before := s.warm(t, around.callers)
	for _, fault := range []struct {
		name    string
		begin   func()
		answers []string // the codes of which each must be heard
	}{
		{"slow", func() { between.slow(50 * time.Millisecond) }, nil},
		{"black hole", between.swallow, []string{codeTimeout}},
		{"cut", between.cut, []string{codeUnavailable}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			asked := begin(t, s.url, around.callers, 8)
			asked.more(t, 100)
			fault.begin()
			for _, code := range fault.answers {
				eventually(t, code, func() error {
					got, err := ask(t.Context(), s.url, around.callers[0].token, whoAmI)
					if err == nil && got.code != code {
						err = fmt.Errorf("%d %s", got.status, got.body)
					}
					return err
				})
			}
			if fault.answers == nil {
				asked.more(t, 20)
			}
			between.mend()
			s.recovers(t, around.callers[0])
			asked.more(t, 100)
			asked.onlyCodes(t, codeUnavailable, codeTimeout)
			s.letsGo(t, before)
		})
	}
}

// Others have taken all connections of PostgreSQL.
func TestConnectionSlotsExhausted(t *testing.T) {
	server, err := postgres.Start(t.Context(), postgres.Config{
		DataDir: t.TempDir() + "/data", Temporary: true,
		Settings: map[string]string{"fsync": "off", "max_connections": "10", "superuser_reserved_connections": "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	migrate(t, server.URL("postgres", "postgres"))
	around := populate(t, server.URL("postgres", "postgres"), 3)
	login := server.URL("authenticator", "postgres")

	var others []*pgx.Conn
	eventually(t, "all slots are taken", func() error {
		for range 20 {
			conn, err := pgx.Connect(t.Context(), login)
			if err != nil {
				return nil
			}
			others = append(others, conn)
		}
		return errors.New("there are still some")
	})
	s := start(t, around.settings(login)...)
	if got, err := ask(t.Context(), s.url, around.callers[0].token, whoAmI); err != nil || got.code != codeUnavailable {
		t.Errorf("without a connection: %v %v", got, err)
	}
	before := s.holds(t)
	asked := begin(t, s.url, around.callers, 8)
	asked.hear(t, codeUnavailable, 100)
	for _, conn := range others {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	s.recovers(t, around.callers[0])
	asked.more(t, 100)
	asked.onlyCodes(t, codeUnavailable)
	s.letsGo(t, before)
}

// A statement that waits for a lock ends with REQUEST_TIMEOUT, in PostgreSQL too.
func TestStatementWaits(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 8)
	s := start(t, append(around.settings(fresh.URL), "REQUEST_TIMEOUT=1s")...)
	before := s.warm(t, around.callers)
	conn, err := pgx.Connect(t.Context(), fresh.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table public.users"); err != nil {
		t.Fatal(err)
	}
	asked := begin(t, s.url, around.callers, 8)
	asked.hear(t, codeTimeout, 8)
	asked.onlyCodes(t, codeTimeout)
	eventually(t, "nobody waits in PostgreSQL", func() error {
		waiting, err := waitingForLocks(t.Context(), tx)
		if err == nil && waiting > 0 {
			err = fmt.Errorf("%d statements", waiting)
		}
		return err
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.recovers(t, around.callers[0])
	s.letsGo(t, before)
}

// waitingForLocks is how many statements wait. A transaction looks only once if it is not told to look again.
func waitingForLocks(ctx context.Context, tx pgx.Tx) (count int, err error) {
	if _, err := tx.Exec(ctx, "select pg_stat_clear_snapshot()"); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").Scan(&count)
	return count, err
}

// PostgreSQL says that its disk is full: changes fail cleanly, reads go on.
func TestDiskFull(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 8)
	s := start(t, around.settings(fresh.URL)...)
	before := s.warm(t, around.callers)
	fresh.Exec(t, `create function full_disk() returns trigger language plpgsql as
		$$ begin raise 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$;
		create trigger full_disk before update on public.users for each row execute function full_disk()`)
	ada := around.callers[0]
	got, err := ask(t.Context(), s.url, ada.token, ada.renames())
	if err != nil || got.code != codeUnavailable || strings.Contains(got.body, "device") {
		t.Errorf("a change: %v %v", got, err)
	}
	asked := begin(t, s.url, around.callers, 8)
	asked.hear(t, codeUnavailable, 20)
	asked.more(t, 200)
	fresh.Exec(t, "drop trigger full_disk on public.users")
	eventually(t, "a change", func() error {
		got, err := ask(t.Context(), s.url, ada.token, ada.renames())
		if err == nil && got.name != ada.name {
			err = errors.New(got.body)
		}
		return err
	})
	asked.onlyCodes(t, codeUnavailable)
	s.letsGo(t, before)
}

// The keys cannot be fetched when the server starts: it listens, says why it is not ready, and heals by itself. Later on
// an outage of the keys is not noticed.
func TestKeysCannotBeFetched(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 8)
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	around.issuer.Answer(down)
	s := start(t, around.settings(fresh.URL)...)
	if err := getOK(s.url + "/readyz"); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "keys") {
		t.Errorf("ready without keys: %v", err)
	}
	if got, err := ask(t.Context(), s.url, around.callers[0].token, whoAmI); err != nil || got.status != http.StatusServiceUnavailable || got.code != codeUnavailable {
		t.Errorf("without keys: %v %v", got, err)
	}
	before := s.holds(t)
	asked := begin(t, s.url, around.callers, 8)
	asked.hear(t, codeUnavailable, 100)
	around.issuer.Answer(nil)
	s.recovers(t, around.callers[0])
	eventually(t, "readiness", func() error { return getOK(s.url + "/readyz") })
	asked.onlyCodes(t, codeUnavailable)

	around.issuer.Answer(down)
	asked = begin(t, s.url, around.callers, 8)
	asked.more(t, 200)
	asked.onlyCodes(t)
	s.letsGo(t, before)
}
