//go:build services

package drills_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usergraph/internal/pgtest"
)

// balancer is nginx in front of several servers, round robin.
type balancer struct {
	url    string
	folder string
	port   string
}

// balance starts nginx, which ends with the test.
func balance(t *testing.T, servers ...*server) *balancer {
	t.Helper()
	b := &balancer{folder: t.TempDir(), port: freePort(t)}
	b.url = "http://127.0.0.1:" + b.port
	b.write(t, servers...)
	nginx := exec.Command("nginx", "-p", b.folder, "-c", "nginx.conf", "-e", "stderr")
	log := &logBuffer{}
	nginx.Stdout, nginx.Stderr = log, log
	if err := nginx.Start(); err != nil {
		t.Fatalf("nginx is needed, for example from apt-get install nginx: %v", err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		_ = nginx.Wait()
		if t.Failed() {
			t.Logf("nginx said:\n%s", lastLines(log.String(), 20))
		}
	})
	eventually(t, "nginx answers", func() error { return getOK(b.url + "/livez") })
	return b
}

// write puts the servers into nginx.conf. A request that a server did not take is given to the next.
func (b *balancer) write(t *testing.T, servers ...*server) {
	t.Helper()
	var upstream strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&upstream, "server %s max_fails=1 fail_timeout=1s; ", strings.TrimPrefix(s.url, "http://"))
	}
	config := fmt.Sprintf(`
daemon off;
worker_processes 1;
pid nginx.pid;
events { worker_connections 1024; }
http {
	access_log off;
	keepalive_timeout 0; # nginx itself loses requests on kept connections when it reloads
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
	map $http_upgrade $connection_header { default upgrade; "" ""; }
	upstream usergraph { %s }
	server {
		listen 127.0.0.1:%s;
		location / {
			proxy_pass http://usergraph;
			proxy_set_header Host $http_host;
			add_header X-Upstream $upstream_addr always;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_header;
			proxy_next_upstream error timeout;
		}
	}
}
`, upstream.String(), b.port)
	if err := os.WriteFile(filepath.Join(b.folder, "nginx.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// use sends requests to these servers from now on, as a deployment does before it stops one.
func (b *balancer) use(t *testing.T, servers ...*server) {
	t.Helper()
	b.write(t, servers...)
	if out, err := exec.Command("nginx", "-p", b.folder, "-c", "nginx.conf", "-e", "stderr", "-s", "reload").CombinedOutput(); err != nil {
		t.Fatalf("nginx -s reload: %v\n%s", err, out)
	}
}

// replicas starts three servers that share few sessions of PostgreSQL by way of PgBouncer in transaction mode, and nginx in
// front of them.
func replicas(t *testing.T, users int, more ...string) (around *surroundings, settings []string, three []*server, b *balancer) {
	t.Helper()
	fresh := pgtest.New(t)
	around = populate(t, fresh.AdminURL, users)
	settings = append(around.settings(pgtest.PgBouncer(t, fresh.URL)), "DATABASE_LISTEN_URL="+fresh.URL, "DATABASE_MAX_CONNS=4", "DRAIN_DELAY=1s")
	settings = append(settings, more...)
	for range 3 {
		three = append(three, start(t, settings...))
	}
	return around, settings, three, balance(t, three...)
}

// Hundreds of users ask three replicas through one PgBouncer, and each is told of themselves. Then the replicas are replaced
// one after the other, and not one request fails.
func TestRollingRestart(t *testing.T) {
	around, settings, three, b := replicas(t, 300)
	before := three[0].warm(t, around.callers)
	asked := begin(t, b.url, around.callers, 32)
	asked.more(t, 3000)
	for i := range three {
		old, others := three[i], append(append([]*server{}, three[:i]...), three[i+1:]...)
		b.use(t, others...)
		asked.more(t, 50)
		old.stop(t)
		three[i] = start(t, settings...)
		b.use(t, three...)
		asked.more(t, 100)
	}
	asked.more(t, 3000)
	asked.onlyCodes(t)
	for _, s := range three {
		s.letsGo(t, before)
	}
}

// A replica is killed under load. Only the requests that it had in hand are lost.
func TestReplicaKilled(t *testing.T) {
	around, _, three, b := replicas(t, 50)
	before := three[1].warm(t, around.callers)
	const askers = 8
	asked := begin(t, b.url, around.callers, askers)
	asked.more(t, 200)
	if err := three[0].process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	asked.more(t, 300)
	asked.end()
	// nginx answers for the dead: 502, in HTML.
	if lost := len(asked.failed); lost > askers {
		t.Errorf("%d requests were lost, though at most %d were in hand: %v", lost, askers, first(asked.failed))
	}
	if len(asked.strange) > 0 || len(asked.codes) > 0 {
		t.Errorf("strange answers %v, codes %v", first(asked.strange), asked.codes)
	}
	three[1].letsGo(t, before)
}
