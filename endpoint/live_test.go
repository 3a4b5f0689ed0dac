package endpoint_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"usergraph/auth"
	"usergraph/auth/authtest"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/postgres"
	"usergraph/internal/testapi"
)

// soon is how long a test waits for what must come.
const soon = 30 * time.Second

// liveServer answers on a real port, with a database and an issuer of tokens.
type liveServer struct {
	t       *testing.T
	url     string
	pg      *pgtest.Database
	issuer  *authtest.Issuer
	handler *endpoint.Handler
	root    http.Handler // handler behind auth.Middleware
	changes *database.Changes
	reads   atomic.Int64 // of public.users
}

// newLiveServer starts a server on a database of its own. When the test ends nothing of it may be left.
func newLiveServer(t *testing.T, configure ...func(*endpoint.Options)) *liveServer {
	t.Helper()
	pg := pgtest.New(t)
	pg.Exec(t, fmt.Sprintf(`insert into auth.users (id, raw_user_meta_data) values ('%s', '{"full_name": "Ada"}'), ('%s', '{"full_name": "Bob"}')`, ada, bob))
	return startLiveServer(t, pg, authtest.New(t), configure...)
}

// startLiveServer starts one more server on a database.
func startLiveServer(t *testing.T, pg *pgtest.Database, issuer *authtest.Issuer, configure ...func(*endpoint.Options)) *liveServer {
	t.Helper()
	before := goleak.IgnoreCurrent()
	s := &liveServer{t: t, pg: pg, issuer: issuer}
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 4, Observe: func(_ context.Context, statement string, _ time.Duration, _ int64, _ error) {
		if strings.HasPrefix(statement, "SELECT") {
			s.reads.Add(1)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	arrive := make(chan error, 1000)
	s.changes, err = database.Listen(pg.URL, func(err error) { arrive <- err })
	if err != nil {
		t.Fatal(err)
	}
	if err := <-arrive; err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewStaticKeySet(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys}}})
	if err != nil {
		t.Fatal(err)
	}
	options := endpoint.Options{DB: db, Schema: testapi.New, Log: slog.New(slog.DiscardHandler), Verifier: verifier, Changes: s.changes}
	for _, c := range configure {
		c(&options)
	}
	s.handler, err = endpoint.NewHandler(options)
	if err != nil {
		t.Fatal(err)
	}
	s.root = auth.Middleware(verifier, auth.Options{})(s.handler)
	server := httptest.NewServer(s.root)
	s.url = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		if err := s.handler.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		server.Close()
		s.changes.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		verifier.Close()
		if n := s.handler.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rename changes a name, past the API.
func (s *liveServer) rename(user uuid.UUID, name string) {
	s.t.Helper()
	s.pg.Exec(s.t, "update users set full_name = $2 where id = $1", user, name)
}

// until waits for a condition.
func (s *liveServer) until(what string, condition func() bool) {
	s.t.Helper()
	until(s.t, what, condition)
}

// client is a websocket that writes and reads messages as they are.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

// dial opens a websocket. Its header may be nil.
func (s *liveServer) dial(header http.Header) *client {
	s.t.Helper()
	c, err := s.tryDial(header)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *liveServer) tryDial(header http.Header) (*client, error) {
	conn, answer, err := websocket.Dial(s.t.Context(), s.url+"/graphql", &websocket.DialOptions{
		HTTPHeader: header, Subprotocols: []string{"graphql-transport-ws"},
	})
	if err != nil {
		if answer != nil {
			return nil, fmt.Errorf("%d: %w", answer.StatusCode, err)
		}
		return nil, err
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &client{s.t, conn}, nil
}

// connect opens a websocket as a user.
func (s *liveServer) connect(user uuid.UUID, changes ...func(jwt.MapClaims)) *client {
	s.t.Helper()
	c := s.dial(nil)
	c.init(s.issuer.Token(user, changes...))
	return c
}

func (c *client) init(token string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":"Bearer %s"}}`, token))
	if ack := c.receive(); !strings.HasPrefix(ack, `{"type":"connection_ack","payload":{"expiresAt":`) || len(ack) > 80 {
		c.t.Fatal(ack)
	}
}

func (c *client) send(text string) {
	c.t.Helper()
	c.sendAs(websocket.MessageText, []byte(text))
}

func (c *client) sendAs(kind websocket.MessageType, text []byte) {
	c.t.Helper()
	// The server may have closed the socket already: what it says to that is read afterwards.
	if err := c.conn.Write(c.t.Context(), kind, text); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "broken pipe") {
		c.t.Log("write:", err)
	}
}

// receive is the next message.
func (c *client) receive() string {
	c.t.Helper()
	text, err := c.tryReceive()
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

func (c *client) tryReceive() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	_, text, err := c.conn.Read(ctx)
	return string(text), err
}

// expect wants exactly these messages next.
func (c *client) expect(messages ...string) {
	c.t.Helper()
	for _, want := range messages {
		if got := c.receive(); got != want {
			c.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// closed reads until the socket is closed, and returns the code and the reason.
func (c *client) closed() (code int, reason string) {
	c.t.Helper()
	for {
		_, err := c.tryReceive()
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			return int(closed.Code), closed.Reason
		}
		if err != nil {
			return 0, err.Error()
		}
	}
}

// subscribe asks for the caller's name.
func (c *client) subscribe(id string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"id":%q,"type":"subscribe","payload":{"query":"subscription { me { fullName } }"}}`, id))
}

// next is the message that tells a name.
func next(id, name string) string {
	return fmt.Sprintf(`{"id":%q,"type":"next","payload":{"data":{"me":{"fullName":%q}}}}`, id, name)
}

func TestLive(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada)
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	s.rename(ada, "Ada King")
	c.expect(next("1", "Ada King"))

	// Nothing in the answer changes with these, so the next answer is that of the change after.
	s.rename(bob, "Robert")
	s.pg.Exec(t, "update users set avatar_url = 'https://example.com/a.png' where id = $1", ada)
	s.rename(ada, "Ada Lovelace")
	c.expect(next("1", "Ada Lovelace"))

	s.pg.Exec(t, "delete from auth.users where id = $1", ada)
	c.expect(`{"id":"1","type":"next","payload":{"data":{"me":null}}}`)

	c.send(`{"id":"1","type":"complete"}`)
	s.until("nothing is watched any more", func() bool { return s.handler.Watches() == 0 })
	c.send(`{"type":"ping"}`)
	c.expect(`{"type":"pong"}`)
}

// What row-level security says counts at the moment of each change.
func TestLiveObeysRowLevelSecurity(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada)
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	s.pg.Exec(t, `drop policy "users read their own row" on users`)
	s.rename(ada, "hidden")
	c.expect(`{"id":"1","type":"next","payload":{"data":{"me":null}}}`)
	s.pg.Exec(t, "revoke select on users from authenticated")
	s.rename(ada, "forbidden")
	if got := c.receive(); !strings.HasPrefix(got, `{"id":"1","type":"error","payload":[`) || !strings.Contains(got, `"FORBIDDEN"`) {
		t.Error(got)
	}
	s.until("nothing is watched any more", func() bool { return s.handler.Watches() == 0 })
}

// One change costs one read for each caller who watches the row, however many sockets that caller has.
func TestLiveReadsOncePerCaller(t *testing.T) {
	s := newLiveServer(t)
	token := s.issuer.Token(ada)
	var clients []*client
	for range 20 {
		c := s.dial(nil)
		c.init(token)
		c.subscribe("1")
		c.expect(next("1", "Ada"))
		clients = append(clients, c)
	}
	other := s.connect(ada) // a session of its own: other claims, another caller in the eyes of a policy
	other.subscribe("1")
	other.expect(next("1", "Ada"))

	before := s.reads.Load()
	s.rename(ada, "Ada King")
	for _, c := range append(clients, other) {
		c.expect(next("1", "Ada King"))
	}
	if reads := s.reads.Load() - before; reads != 2 {
		t.Errorf("%d reads", reads)
	}
}

// A change that is made through one server reaches the subscribers of another.
func TestLiveAcrossServers(t *testing.T) {
	one := newLiveServer(t)
	two := startLiveServer(t, one.pg, one.issuer)
	c := two.connect(ada)
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	writer := one.connect(ada)
	writer.send(`{"id":"m","type":"subscribe","payload":{"query":"mutation { updateMe(input: {fullName: \"Countess\"}) { fullName } }"}}`)
	writer.expect(`{"id":"m","type":"next","payload":{"data":{"updateMe":{"fullName":"Countess"}}}}`, `{"id":"m","type":"complete"}`)
	c.expect(next("1", "Countess"))
}

// A change in the moment when nobody listens is made good.
func TestLiveAfterGap(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada)
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	for round := range 5 {
		name := fmt.Sprint("Ada ", round)
		s.pg.Exec(t, fmt.Sprintf(`do $$ begin
			perform pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'usergraph listen' and datname = current_database();
			update users set full_name = '%s' where id = '%s'; end $$`, name, ada))
		c.expect(next("1", name))
		s.until("changes arrive again", func() bool { return s.changes.Err() == nil })
	}
}

// Hundreds of callers come, change themselves and go. Nobody ever gets another's row, and at the end everybody has their
// own last state.
func TestLiveSeparatesCallers(t *testing.T) {
	const callers, rounds = 200, 6
	s := newLiveServer(t)
	ids := make([]uuid.UUID, callers)
	for i := range ids {
		ids[i] = uuid.New()
	}
	s.pg.Exec(t, `insert into auth.users (id, raw_user_meta_data) select id, jsonb_build_object('full_name', id || ' 0') from unnest($1::uuid[]) id`, ids)
	var wait sync.WaitGroup
	for _, id := range ids {
		wait.Go(func() {
			var c *client
			for round := range rounds {
				if c == nil {
					var err error
					if c, err = s.tryDial(nil); err != nil {
						t.Error(err)
						return
					}
					c.send(fmt.Sprintf(`{"type":"connection_init","payload":{"Authorization":"Bearer %s"}}`, s.issuer.Token(id)))
					if ack, err := c.tryReceive(); err != nil || !strings.Contains(ack, "connection_ack") {
						t.Error(ack, err)
						return
					}
					c.subscribe("me")
				}
				// Until the own change is here, any earlier state of the own row may come, and nothing else.
				want := fmt.Sprintf("%s %d", id, round)
				for {
					got, err := c.tryReceive()
					if err != nil {
						t.Error(err)
						return
					}
					var m struct {
						Payload struct {
							Data struct{ Me struct{ FullName string } }
						}
					}
					if err := json.Unmarshal([]byte(got), &m); err != nil || !strings.HasPrefix(m.Payload.Data.Me.FullName, id.String()) {
						t.Errorf("%s got %s %v", id, got, err)
						return
					}
					if m.Payload.Data.Me.FullName == want {
						break
					}
				}
				if round+1 < rounds {
					if err := s.tryRename(id, fmt.Sprintf("%s %d", id, round+1)); err != nil {
						t.Error(err)
						return
					}
				}
				if round%3 == 2 { // leave, and come back as the same caller with a new session
					_ = c.conn.Close(websocket.StatusNormalClosure, "")
					c = nil
				}
			}
		})
	}
	wait.Wait()
	s.until("everybody has gone", func() bool { return s.handler.Watches() == 0 && s.handler.Connections() == 0 })
}

// tryRename changes a name through the API, as the user.
func (s *liveServer) tryRename(user uuid.UUID, name string) error {
	body := fmt.Sprintf(`{"query":"mutation($name: String!) { updateMe(input: {fullName: $name}) { id } }","variables":{"name":%q}}`, name)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/graphql", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.issuer.Token(user))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var text strings.Builder
	if _, err := bufio.NewReader(answer.Body).WriteTo(&text); err != nil || !strings.Contains(text.String(), user.String()) {
		return fmt.Errorf("%w: %s", err, text.String())
	}
	return nil
}

// A burst of changes is told as few, and the last of them is told.
func TestLiveCoalesces(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada)
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	const changes = 500
	s.pg.Exec(t, fmt.Sprintf(`do $$ begin for i in 1..%d loop update users set full_name = 'Ada ' || i where id = '%s'; commit; end loop; end $$`, changes, ada))
	told := 0
	for {
		told++
		if c.receive() == next("1", fmt.Sprint("Ada ", changes)) {
			break
		}
	}
	if told > changes || s.reads.Load() > changes {
		t.Errorf("%d answers, %d reads", told, s.reads.Load())
	}
}

// longURL is some 8 kB long, and short enough for the schema with a few characters more.
var longURL = "https://example.com/" + strings.Repeat("💥", 1900)

// aliases selects avatarUrl so many times.
func aliases(count int) (fields string) {
	for i := range count {
		fields += fmt.Sprintf("a%d: avatarUrl ", i)
	}
	return fields
}

// A client that does not read is cut off, and nobody waits for it.
func TestLiveSlowClient(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(soon, soon, soon, 200*time.Millisecond) })
	token := s.issuer.Token(ada)
	slow, quick := s.dial(nil), s.dial(nil)
	slow.init(token)
	quick.init(token)
	// A large answer fills the buffers of the operating system soon.
	many := `{"id":"%d","type":"subscribe","payload":{"query":"subscription { me { fullName ` + aliases(6) + ` } }"}}`
	for i := range 90 {
		slow.send(fmt.Sprintf(many, i))
	}
	quick.subscribe("1")
	quick.expect(next("1", "Ada"))
	s.until("all is watched", func() bool { return s.handler.Connections() == 2 })
	for round := 0; s.handler.Connections() == 2; round++ {
		name := fmt.Sprint("Ada ", round)
		s.pg.Exec(t, "update users set full_name = $2, avatar_url = $3 where id = $1", ada, name, longURL+name)
		quick.expect(next("1", name))
		if round > 1000 {
			t.Fatal("the slow client is never cut off")
		}
	}
	s.rename(ada, "Ada at last")
	quick.expect(next("1", "Ada at last"))
}

// When the server stops, mutations that run are answered first, and clients learn why the socket ends.
func TestLiveShutdown(t *testing.T) {
	s := newLiveServer(t)
	idle, busy := s.connect(ada), s.connect(bob)
	idle.subscribe("1")
	idle.expect(next("1", "Ada"))
	s.pg.Exec(t, `create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.5); return new; end';
		create trigger slow before update on users for each row execute function slow()`)
	busy.send(`{"id":"m","type":"subscribe","payload":{"query":"mutation { updateMe(input: {fullName: \"Robert\"}) { fullName } }"}}`)
	busy.send(`{"type":"ping"}`)
	busy.expect(`{"type":"pong"}`)
	stopped := make(chan error, 1)
	go func() { stopped <- s.handler.Shutdown(t.Context()) }()
	if code, reason := idle.closed(); code != 1001 || reason == "" {
		t.Error(code, reason)
	}
	busy.expect(`{"id":"m","type":"next","payload":{"data":{"updateMe":{"fullName":"Robert"}}}}`, `{"id":"m","type":"complete"}`)
	if code, _ := busy.closed(); code != 1001 {
		t.Error(code)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := s.tryDial(nil); err == nil || !strings.HasPrefix(err.Error(), "503") {
		t.Error("a new socket:", err)
	}
}

// Whoever signs out loses their connections, all of them and nobody else's.
func TestLiveSignOut(t *testing.T) {
	var asked atomic.Int64
	s := newLiveServer(t, func(o *endpoint.Options) {
		o.AskOften(50 * time.Millisecond)
		o.CheckSession = func(ctx context.Context, claims *auth.Claims) error {
			asked.Add(1)
			var live bool
			as := o.DB.As(database.Caller{Role: claims.Role, Claims: claims.Payload, ReadOnly: true})
			err := as.NewRaw("SELECT usergraph.session_is_live()").Scan(ctx, &live)
			if err == nil && !live {
				err = auth.ErrSessionRevoked
			}
			return err
		}
	})
	session := func(user uuid.UUID) (uuid.UUID, func(jwt.MapClaims)) {
		id := uuid.New()
		s.pg.Exec(t, "insert into auth.sessions (id, user_id) values ($1, $2)", id, user)
		return id, func(claims jwt.MapClaims) { claims["session_id"] = id.String() }
	}
	left, inLeft := session(ada)
	_, inOther := session(ada)
	one, two, other, anonymous := s.connect(ada, inLeft), s.connect(ada, inLeft), s.connect(ada, inOther), s.dial(nil)
	anonymous.send(`{"type":"connection_init"}`)
	anonymous.expect(`{"type":"connection_ack"}`)
	events := s.post(ada, "text/event-stream", watchName, inLeft)
	events.expect(nextEvent("Ada"))

	// While nothing is known of the sessions, nobody is sent away.
	s.pg.Exec(t, "alter function usergraph.session_is_live() rename to away")
	before := asked.Load()
	s.until("sessions are asked about", func() bool { return asked.Load() > before+5 })
	s.pg.Exec(t, "alter function usergraph.away() rename to session_is_live")

	s.pg.Exec(t, "delete from auth.sessions where id = $1", left)
	for _, c := range []*client{one, two} {
		if code, reason := c.closed(); code != 4401 || !strings.HasPrefix(reason, "SESSION_REVOKED: ") {
			t.Error(code, reason)
		}
	}
	if got := events.event(); !strings.Contains(got, `"SESSION_REVOKED"`) {
		t.Error(got)
	}
	events.expect(completeEvent, "end")
	for _, c := range []*client{other, anonymous} {
		c.send(`{"type":"ping"}`)
		c.expect(`{"type":"pong"}`)
	}
}

// PostgreSQL restarts: subscribers stay, and hear of what was changed meanwhile.
func TestLiveDatabaseRestarts(t *testing.T) {
	config := postgres.Config{DataDir: filepath.Join(t.TempDir(), "data"), Settings: map[string]string{"fsync": "off"}}
	server, err := postgres.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() }) // after the server of the API
	config.Port = server.Port()
	pg := &pgtest.Database{URL: server.URL("authenticator", "postgres"), AdminURL: server.URL("postgres", "postgres")}
	if err := pgtest.Migration(pg.AdminURL).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	pg.Exec(t, `insert into auth.users (id, raw_user_meta_data) values ($1, '{"full_name": "Ada"}')`, ada)
	s := startLiveServer(t, pg, authtest.New(t))
	c := s.connect(ada)
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	for name, end := range map[string]func() error{
		"stopped": func() error { return server.Stop() },
		"crashed": func() error { return server.Kill() },
	} {
		if err := end(); err != nil {
			t.Fatal(name, err)
		}
		s.until("the loss is noticed", func() bool { return s.changes.Err() != nil })
		if server, err = postgres.Start(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		s.rename(ada, name)
		c.expect(next("1", name))
	}
}

// Without a source of changes, subscriptions say so, and everything else works.
func TestLiveWithoutChanges(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) { o.Changes = nil })
	c := s.connect(ada)
	c.subscribe("1")
	if got := c.receive(); !strings.Contains(got, `"type":"error"`) || !strings.Contains(got, `"SUBSCRIPTIONS_UNAVAILABLE"`) || !strings.Contains(got, "DATABASE_LISTEN_URL") {
		t.Error(got)
	}
	c.send(`{"id":"q","type":"subscribe","payload":{"query":"{ me { fullName } }"}}`)
	c.expect(next("q", "Ada"), `{"id":"q","type":"complete"}`)
}
