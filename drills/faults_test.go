//go:build services

package drills_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
	back := time.Now()
	eventually(t, "the first good answer", func() error { return works(t.Context(), s.url, around.callers[0]) })
	t.Logf("the first good answer came %s after PostgreSQL was back", time.Since(back).Round(time.Millisecond))
	eventually(t, "readiness", func() error { return getOK(s.url + "/readyz") })
	asked.more(t, 200)
	asked.onlyCodes(t, codeUnavailable)
	s.stop(t)
}

// The network to PostgreSQL is slow, swallows everything, and is cut. Nobody waits longer than REQUEST_TIMEOUT, and all
// is well afterwards.
func TestNetworkFails(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	between, url := through(t, fresh.URL)
	s := start(t, append(around.settings(url), "REQUEST_TIMEOUT=1s", "DATABASE_MAX_CONNS=8")...)
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
			eventually(t, "a good answer", func() error { return works(t.Context(), s.url, around.callers[0]) })
			asked.more(t, 100)
			asked.onlyCodes(t, codeUnavailable, codeTimeout)
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
	for _, conn := range others {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "a good answer", func() error { return works(t.Context(), s.url, around.callers[0]) })
}

// A statement that waits for a lock ends with REQUEST_TIMEOUT, in PostgreSQL too.
func TestStatementWaits(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 1)
	s := start(t, append(around.settings(fresh.URL), "REQUEST_TIMEOUT=1s")...)
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
	if got, err := ask(t.Context(), s.url, around.callers[0].token, whoAmI); err != nil || got.code != codeTimeout {
		t.Errorf("behind a lock: %v %v", got, err)
	}
	eventually(t, "nobody waits in PostgreSQL", func() error {
		var waiting int
		err := tx.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting)
		if err == nil && waiting > 0 {
			err = fmt.Errorf("%d statements", waiting)
		}
		return err
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a good answer", func() error { return works(t.Context(), s.url, around.callers[0]) })
}

// PostgreSQL says that its disk is full: changes fail cleanly, reads go on.
func TestDiskFull(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 1)
	fresh.Exec(t, `create function full_disk() returns trigger language plpgsql as
		$$ begin raise 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$;
		create trigger full_disk before update on public.users for each row execute function full_disk()`)
	s := start(t, around.settings(fresh.URL)...)
	got, err := ask(t.Context(), s.url, around.callers[0].token, `mutation { updateMe(input: {fullName: "x"}) { fullName } }`)
	if err != nil || got.code != codeUnavailable || strings.Contains(got.body, "device") {
		t.Errorf("a change: %v %v", got, err)
	}
	if err := works(t.Context(), s.url, around.callers[0]); err != nil {
		t.Error(err)
	}
}

// The keys cannot be fetched when the server starts: it listens, says why it is not ready, and heals by itself. Later on
// an outage of the keys is not noticed.
func TestKeysCannotBeFetched(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 1)
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	around.issuer.Answer(down)
	s := start(t, around.settings(fresh.URL)...)
	if err := getOK(s.url + "/readyz"); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "keys") {
		t.Errorf("ready without keys: %v", err)
	}
	if got, err := ask(t.Context(), s.url, around.callers[0].token, whoAmI); err != nil || got.status != http.StatusServiceUnavailable || got.code != codeUnavailable {
		t.Errorf("without keys: %v %v", got, err)
	}
	around.issuer.Answer(nil)
	eventually(t, "a good answer", func() error { return works(t.Context(), s.url, around.callers[0]) })
	eventually(t, "readiness", func() error { return getOK(s.url + "/readyz") })
	around.issuer.Answer(down)
	if err := works(t.Context(), s.url, around.callers[0]); err != nil {
		t.Errorf("the keys are known, and still: %v", err)
	}
}

// Clients that send a byte now and then are dropped, and disturb nobody meanwhile.
func TestSlowloris(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	s := start(t, around.settings(fresh.URL)...)
	const slow = 500
	dropped := make(chan error, slow)
	for range slow {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: a\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		go func() {
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			_, err := io.Copy(io.Discard, conn) // until the server hangs up
			dropped <- err
		}()
	}
	asked := begin(t, s.url, around.callers, 8)
	asked.more(t, 200)
	for range slow {
		if err := <-dropped; errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Fatal("a slow client is still connected")
		}
	}
	asked.onlyCodes(t)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Ten thousand connections that say nothing cost a descriptor each, and no answers.
func TestIdleConnections(t *testing.T) {
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	s := start(t, around.settings(fresh.URL)...)
	const idle = 10_000
	for range idle {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	asked := begin(t, s.url, around.callers, 8)
	asked.more(t, 200)
	asked.onlyCodes(t)
}
