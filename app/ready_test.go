package app

import (
	"net/http"
	"strings"
	"testing"

	"usergraph/auth/authtest"
)

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
