package app

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"usergraph/auth/authtest"
	"usergraph/database"
	"usergraph/internal/pgtest"
)

// A server is not ready before its database has been right once, and says what is missing: before the first request fails.
func TestReadyWaitsForTheSchema(t *testing.T) {
	for name, test := range map[string]struct {
		before string // SQL
		env    []string
		want   string
		mend   string // SQL
	}{
		"nothing is migrated":        {"drop table public.users cascade; drop schema usergraph cascade", nil, "public.users does not exist, and models.User reads it: run usergraph migrate", ""},
		"no grant":                   {"revoke all on public.users from authenticated", nil, "authenticated may not select id, full_name, avatar_url of public.users: grant select on public.users to authenticated", "grant select on public.users to authenticated"},
		"another table of that name": {"alter table public.users rename full_name to name", nil, "public.users has no column full_name", "alter table public.users rename name to full_name"},
		"sessions cannot be checked": {"drop function usergraph.session_is_live()", []string{"SESSION_CHECK", "always"}, "the function usergraph.session_is_live() is missing, and SESSION_CHECK calls it", "delete from usergraph.migrations where version = 1"},
		"a trigger is disabled":      {"alter table public.users disable trigger usergraph_announce_delete", nil, "public.users does not announce its changes", "select"},
		"no triggers":                {"drop trigger usergraph_announce_update on public.users", nil, "public.users does not announce its changes", "select"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, pg := authtest.New(t), pgtest.New(t)
			pg.Exec(t, test.before)
			env := append(test.env, "DATABASE_URL", pg.URL, "SUPABASE_URL", strings.TrimSuffix(issuer.URL(), issuerPath))
			url := serveAPI(t, testAPI, env...)
			var status int
			var body string
			waitFor(t, test.want, func() bool {
				status, body = fetch(t, http.MethodGet, url+"/readyz")
				return strings.Contains(body, test.want)
			})
			if status != http.StatusServiceUnavailable {
				t.Errorf("%d %s", status, body)
			}
			if test.mend == "" {
				return
			}
			pg.Exec(t, test.mend)
			if err := pgtest.Migration(pg.AdminURL).Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "ready", func() bool {
				status, body = fetch(t, http.MethodGet, url+"/readyz")
				return status == http.StatusOK && strings.Contains(body, `"schema":"ok"`)
			})
		})
	}
}

// Once a server was ready, a difference is logged once and counted, and the server stays ready.
func TestSchemaDrifts(t *testing.T) {
	pg := pgtest.New(t)
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	needs, err := (&application{API: testAPI}).needs()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w := &schemaWatch{db: db, needs: needs, log: slog.New(slog.NewTextHandler(&log, nil))}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.ready(ended); err == nil || !strings.Contains(err.Error(), "not checked yet") {
		t.Error(err)
	}
	for _, step := range []struct {
		sql   string
		count int
		log   string
	}{
		{"select", 0, ""},
		{"revoke all on public.users from authenticated", 1, "level=ERROR msg=\"the database lacks what the API needs\" missing=\"authenticated may not select"},
		{"select", 1, ""},
		{"grant select on public.users to authenticated", 0, "has what the API needs again"},
	} {
		pg.Exec(t, step.sql)
		log.Reset()
		w.look(t.Context(), 0)
		if err := w.ready(t.Context()); err != nil || w.count() != step.count || !strings.Contains(log.String(), step.log) || step.log == "" && log.Len() > 0 {
			t.Errorf("%s: %v %d %s", step.sql, err, w.count(), &log)
		}
	}
	// A database that cannot be asked changes nothing of that: the check of the database says so.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w.look(t.Context(), 0)
	if err := w.ready(t.Context()); err != nil || w.count() != 0 {
		t.Error(err, w.count())
	}
}

// The log says whether subscriptions work, and what to do if not. The server is ready without them.
func TestReadyTellsOfSubscriptions(t *testing.T) {
	const nobody = "postgres://authenticator:x@127.0.0.1:1/postgres"
	for name, test := range map[string]struct {
		env  []string
		with string // SQL
		want string
	}{
		"changes arrive":        {want: `"subscriptions":"ok"`},
		"nobody announces":      {with: "drop function usergraph.announce_changes", want: `"subscriptions":"refused: changes are not announced: the database has no function for it, run usergraph migrate"`},
		"nobody can be reached": {env: []string{"DATABASE_LISTEN_URL", nobody}, want: `"subscriptions":"delayed: the connection that hears of changes is being opened"`},
	} {
		t.Run(name, func(t *testing.T) {
			url, pg := startServer(t, authtest.New(t), test.env...)
			if status, body := fetch(t, http.MethodGet, url+"/readyz"); status != http.StatusOK {
				t.Fatal(status, body)
			}
			if test.with != "" {
				pg.Exec(t, test.with)
				// The listening connection checks the database when it is opened.
				pg.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like '% listen'")
			}
			var status int
			var body string
			waitFor(t, test.want, func() bool {
				status, body = fetch(t, http.MethodGet, url+"/readyz")
				return strings.Contains(body, test.want)
			})
			if status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}
