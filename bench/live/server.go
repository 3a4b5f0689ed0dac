//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/graph"
	"usergraph/internal/postgres"
	"usergraph/supabase"
)

// issuer is who has signed the tokens; nobody asks it for keys.
const issuer = "http://127.0.0.1:9999/auth/v1"

// bench is a server under test with its database, and the load on it.
type bench struct {
	options options
	dir     string
	pg      *postgres.Server
	server  *exec.Cmd
	address string
	tokens  []string // one a user

	collections collections
	conns       []net.Conn
	pushes      delays
	made        atomic.Int64 // changes
}

func prepare(ctx context.Context, o options) (_ *bench, err error) {
	if _, err := os.Stat("bench/live"); err != nil {
		return nil, errors.New("run it in the folder of go.mod: go run ./bench/live")
	}
	b := &bench{options: o}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "usergraph-live-"); err != nil {
		return nil, err
	}
	b.pg, err = postgres.Start(ctx, postgres.Config{DataDir: filepath.Join(b.dir, "postgres"), Temporary: true, Settings: map[string]string{"autovacuum": "off", "synchronous_commit": "off"}})
	if err != nil {
		return nil, err
	}
	admin := b.pg.URL("postgres", "postgres")
	needs, err := endpoint.Needs(graph.New(new(endpoint.Engine)))
	if err != nil {
		return nil, err
	}
	if err := (database.Migration{URL: admin, Files: supabase.Migrations, Watched: needs.Announced}).Apply(ctx); err != nil {
		return nil, err
	}
	if err := b.addUsers(ctx, admin); err != nil {
		return nil, err
	}
	return b, b.startServer(ctx)
}

func (b *bench) addUsers(ctx context.Context, admin string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	ids := make([]uuid.UUID, 2*b.options.sockets) // half of them are watched
	for n := range ids {
		ids[n] = userID(n)
	}
	_, err = conn.Exec(ctx, `insert into auth.users (id, raw_user_meta_data) select id, '{"full_name": "0"}' from unnest($1::uuid[]) id`, ids)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "analyze users")
	return err
}

// userID is scattered, as random ids are.
func userID(n int) uuid.UUID {
	id := uuid.UUID(md5.Sum(fmt.Appendf(nil, "user %d", n)))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// startServer builds this server, signs the tokens that it will take, and starts it.
func (b *bench) startServer(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if b.tokens, err = sign(key, b.options.sockets); err != nil {
		return err
	}
	keys, err := jwks(key)
	if err != nil {
		return err
	}
	binary := filepath.Join(b.dir, "usergraph")
	if out, err := exec.CommandContext(ctx, "go", "build", "-pgo=bench/default.pgo", "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	b.server = exec.CommandContext(ctx, binary, "serve")
	b.server.Env = append(os.Environ(), "DATABASE_URL="+b.pg.URL("authenticator", "postgres"), "SUPABASE_URL=http://127.0.0.1:9999",
		"SUPABASE_JWKS="+string(keys), "HOST=127.0.0.1", "PORT=0", "LOG_FORMAT=json", "GODEBUG=gctrace=1")
	b.server.Stderr = &b.collections
	b.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := b.server.StdoutPipe()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends that started the process
	if err := b.server.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct{ Msg, URL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			b.address = strings.TrimPrefix(line.URL, "http://")
			go func() {
				for lines.Scan() {
					if bytes.Contains(lines.Bytes(), []byte(`"level":"ERROR"`)) || bytes.Contains(lines.Bytes(), []byte(`"level":"WARN"`)) {
						fmt.Fprintln(os.Stderr, lines.Text())
					}
				}
			}()
			return nil
		}
	}
	return errors.New("the server does not start")
}

// sign makes tokens of the shape that Supabase Auth gives.
func sign(key *ecdsa.PrivateKey, users int) ([]string, error) {
	tokens := make([]string, users)
	now := time.Now()
	for n := range tokens {
		token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": issuer, "sub": userID(n).String(), "aud": "authenticated", "role": "authenticated",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "email": fmt.Sprintf("user%d@example.com", n), "phone": "",
			"app_metadata":  map[string]any{"provider": "email", "providers": []string{"email"}},
			"user_metadata": map[string]any{"email_verified": true},
			"aal":           "aal1", "amr": []map[string]any{{"method": "password", "timestamp": now.Unix()}},
			"session_id": uuid.NewString(), "is_anonymous": false,
		})
		token.Header["kid"] = "live"
		var err error
		if tokens[n], err = token.SignedString(key); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

func jwks(key *ecdsa.PrivateKey) ([]byte, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	// RFC 7518, section 6.2.1: point is 4, x, y, with 32 bytes a coordinate.
	return json.Marshal(map[string]any{"keys": []map[string]any{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": []string{"verify"}, "kid": "live",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]),
		"y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
}

// memory is the resident set of the server, in bytes.
func (b *bench) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.server.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kilobytes << 10, err
}

// collections reads what the server's garbage collector reports: GODEBUG=gctrace=1, see package runtime.
type collections struct {
	mu   sync.Mutex
	line []byte
	used float64 // after the last collection, in MB: what is in use on the heap, and the stacks
}

var collected = regexp.MustCompile(`->\d+->(\d+) MB, \d+ MB goal, (\d+) MB stacks`)

func (c *collections) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = append(c.line, text...)
	for {
		line, rest, whole := bytes.Cut(c.line, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if found := collected.FindSubmatch(line); found != nil {
			heap, _ := strconv.ParseFloat(string(found[1]), 64)
			stacks, _ := strconv.ParseFloat(string(found[2]), 64)
			c.used = heap + stacks
		} else {
			fmt.Fprintf(os.Stderr, "%s\n", line)
		}
		c.line = rest
	}
}

func (c *collections) megabytes() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// cpu is what the server has taken so far. See clock_getcpuclockid(3).
func (b *bench) cpu() (time.Duration, error) {
	const schedulerClock = 2
	var t unix.Timespec
	err := unix.ClockGettime(int32(^b.server.Process.Pid<<3|schedulerClock), &t)
	return time.Duration(t.Nano()), err
}

func (b *bench) close() {
	b.hangUp()
	if b.server != nil && b.server.Process != nil {
		_ = b.server.Process.Signal(syscall.SIGTERM)
		_ = b.server.Wait()
	}
	if b.pg != nil {
		_ = b.pg.Stop()
	}
	_ = os.RemoveAll(b.dir)
}
