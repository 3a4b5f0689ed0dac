//go:build services

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"usergraph/auth/authtest"
	"usergraph/internal/pgtest"
	"usergraph/internal/redistest"
)

const rename = `mutation { updateMe(input: { fullName: "%s" }) { fullName } }`

// replicated is a database with Ada in it, its replica, and the issuer of her token.
type replicated struct {
	primary *pgtest.Database
	standby *pgtest.Standby
	issuer  *authtest.Issuer
	token   string
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{primary: pgtest.New(t), issuer: authtest.New(t)}
	r.primary.Exec(t, `insert into auth.users (id, raw_user_meta_data) values ($1, '{"full_name": "Ada"}')`, ada)
	r.token = r.issuer.Token(ada)
	return r
}

// start runs a server that reads from the replica.
func (r *replicated) start(t *testing.T, env ...string) *program {
	t.Helper()
	p := runProgram(t, r.issuer, r.primary, append(env, "DATABASE_READ_URL", r.standby.URL)...)
	p.logged(t, "queries read from the replica")
	return p
}

// wantAda expects Ada's name from a server.
func (r *replicated) wantAda(t *testing.T, p *program, want string) {
	t.Helper()
	if status, body := ask(t, p.url, r.token, whoAmI); status != 200 || body != fmt.Sprintf(`{"data":{"me":{"fullName":%q}}}`, want) {
		t.Errorf("want %s: %d %s", want, status, body)
	}
}

func (r *replicated) renameAda(t *testing.T, p *program, name string) {
	t.Helper()
	if status, body := ask(t, p.url, r.token, fmt.Sprintf(rename, name)); status != 200 || !strings.Contains(body, name) {
		t.Fatalf("rename: %d %s", status, body)
	}
}

// The replica is cut off. Callers still see their own changes, and others' changes later.
func TestCallersReadTheirOwnWrites(t *testing.T) {
	r := newReplicated(t)
	r.standby = pgtest.NewStandby(t, r.primary)
	p := r.start(t, "DATABASE_READ_MAX_LAG", "1h")
	r.standby.Pause(t)

	r.primary.Exec(t, "update public.users set full_name = 'Ada, by somebody else'")
	r.wantAda(t, p, "Ada")
	for i := range 20 {
		name := fmt.Sprint("Ada ", i)
		r.renameAda(t, p, name)
		r.wantAda(t, p, name)
	}
}

func TestAFailedMutationMayHaveWritten(t *testing.T) {
	r := newReplicated(t)
	r.standby = pgtest.NewStandby(t, r.primary)
	p := r.start(t, "DATABASE_READ_MAX_LAG", "1h")
	r.standby.Pause(t)
	const twoFields = `mutation { first: updateMe(input: { fullName: "half" }) { fullName } second: updateMe(input: { fullName: "\u0000" }) { fullName } }`
	if _, body := ask(t, p.url, r.token, twoFields); !strings.Contains(body, `"errors"`) {
		t.Fatal(body)
	}
	r.wantAda(t, p, "half")
}

func TestServersThatShareRedisReadEachOthersWrites(t *testing.T) {
	redis := redistest.Start(t, "")
	r := newReplicated(t)
	r.standby = pgtest.NewStandby(t, r.primary)
	env := []string{"DATABASE_READ_MAX_LAG", "1h", "REDIS_URL", redis.URL()}
	one, other := r.start(t, env...), r.start(t, env...)
	r.standby.Pause(t)
	for i := range 20 {
		name := fmt.Sprint("Ada ", i)
		r.renameAda(t, one, name)
		r.wantAda(t, other, name)
		one, other = other, one
	}
	// If recent writers are unknown, every caller reads from the primary.
	redis.Kill()
	r.renameAda(t, one, "Ada without Redis")
	r.wantAda(t, other, "Ada without Redis")
}

func TestSubscribersAreNotToldOldNews(t *testing.T) {
	r := newReplicated(t)
	r.standby = pgtest.NewStandby(t, r.primary)
	p := r.start(t, "DATABASE_READ_MAX_LAG", "1h")
	p.logged(t, "changes arrive: subscriptions are answered")
	r.standby.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, p.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	expect := func(want string) {
		t.Helper()
		if _, got, err := conn.Read(ctx); err != nil || !strings.Contains(string(got), want) {
			t.Fatalf("%s %v, want %s", got, err, want)
		}
	}
	for _, message := range []string{`{"type":"connection_init","payload":{"Authorization":"Bearer ` + r.token + `"}}`,
		`{"id":"1","type":"subscribe","payload":{"query":"subscription { me { fullName } }"}}`} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	expect("connection_ack")
	expect(`"Ada"`)
	r.primary.Exec(t, "update public.users set full_name = 'Ada, by somebody else'")
	expect("by somebody else")
}

// A replica that fails makes no request fail, and the server stays ready.
func TestTheServerStaysReadyWithoutItsReplica(t *testing.T) {
	r := newReplicated(t)
	r.standby = pgtest.NewOwnStandby(t, r.primary)
	p := r.start(t)
	r.wantAda(t, p, "Ada")
	r.standby.Kill(t)
	for range 50 {
		r.wantAda(t, p, "Ada")
	}
	p.logged(t, "queries read from the primary: the replica at DATABASE_READ_URL cannot be used")
	status, body := fetch(t, http.MethodGet, p.url+"/readyz")
	var report map[string]string
	if err := json.Unmarshal([]byte(body), &report); err != nil || status != 200 || report["replica"] != "not in use: queries read from the primary" {
		t.Errorf("%d %s %v", status, body, err)
	}
	_, metrics := fetch(t, http.MethodGet, p.admin+"/metrics")
	for _, want := range []string{"usergraph_replica_in_use 0", "usergraph_replica_lag_seconds +Inf", `usergraph_replica_reads_total{outcome="answered"} 1`,
		`usergraph_replica_reads_total{outcome="repeated"} `, "usergraph_replica_pool_connections_max 16", "usergraph_pool_connections_max 16"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	if n := strings.Count(p.log(), "the replica at DATABASE_READ_URL cannot be used"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	r.standby.Restart(t)
	waitFor(t, "the replica is in use again", func() bool {
		_, body := fetch(t, http.MethodGet, p.url+"/readyz")
		return strings.Contains(body, `"replica":"ok"`)
	})
}
