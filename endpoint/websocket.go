package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gobwas/ws"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
)

// subprotocol is the name of the protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
const subprotocol = "graphql-transport-ws"

// The close codes of the protocol, and how they are used here.
const (
	closeMalformed      ws.StatusCode = 4400
	closeUnauthorized   ws.StatusCode = 4401 // signing in again may help, repeating does not
	closeExpired        ws.StatusCode = 4403 // come back with a fresh token
	closeNoProtocol     ws.StatusCode = 4406
	closeTimedOut       ws.StatusCode = 4408 // connection_init, or the rest of a message, did not come in time
	closeDuplicate      ws.StatusCode = 4409
	closeTooManyInits   ws.StatusCode = 4429
	closeTryAgain       ws.StatusCode = 1013 // RFC 6455's registry: try again later
	maxCloseReasonBytes               = ws.MaxControlFramePayloadSize - 2
)

const (
	// maxInitBytes is for a message from somebody who is not known yet: connection_init with a token of 16 KiB, and what
	// else clients put into its payload.
	maxInitBytes = 24 << 10
	// spareStarts is how many operations of a caller may be on their way to be run, refused or subscribed, besides the
	// bounds.Operations that run. A socket that brings more is not read meanwhile.
	spareStarts = 32
	// expiryLeeway is that of package auth, for clocks that differ.
	expiryLeeway = 5 * time.Second
)

// patience is how long a client may take.
type patience struct {
	init  time.Duration // from the upgrade to connection_init
	ping  time.Duration // between two pings
	pong  time.Duration // to answer one
	write time.Duration // to take a message, or to send one that it has begun; a client that takes longer is cut off
}

// defaultPatience pings more often than proxies cut silent connections, which some do after 30 seconds. How long init may
// take is a limit.
var defaultPatience = patience{ping: 25 * time.Second, pong: 10 * time.Second, write: 10 * time.Second}

// websocketTransport answers operations over websockets.
type websocketTransport struct {
	verifier    *auth.Verifier // nil: only who the upgrade request names
	log         *slog.Logger
	connections *connections
	sessions    *sessions
	admit       func(context.Context) (time.Duration, bool) // nil admits all
	limits      *Limits
	patience    patience
	origins     *Origins // besides the server's own
}

func (t *websocketTransport) Supports(r *http.Request) bool { return auth.IsWebsocket(r) }

// Do upgrades the connection and returns. Everything that net/http holds for a request is free then.
func (t *websocketTransport) Do(w http.ResponseWriter, r *http.Request, exec *executor) {
	if !t.allows(r) {
		refuse(w, r, http.StatusForbidden, refusef(CodeCrossSite, "pages of this origin may not connect: list it"))
		return
	}
	key, status, problem := upgradeKey(r)
	if problem != "" {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", websocketVersion)
		refuse(w, r, status, refusef(CodeBadRequest, "%s", problem))
		return
	}
	s := &socket{transport: t, exec: exec, operations: map[string]*operation{}, gone: make(chan struct{})}
	// The request ends with this function; what is known of it lives on.
	s.ctx = context.WithoutCancel(r.Context())
	if err := t.connections.add(s, runnerOf(s.ctx)); err != nil {
		refuseConnection(w, r, err)
		return
	}
	speaks := ""
	if headerHas(r.Header, "Sec-WebSocket-Protocol", subprotocol) {
		speaks = subprotocol
	}
	conn, input, err := upgrade(w, key, speaks)
	if err != nil {
		t.connections.remove(s)
		t.log.WarnContext(s.ctx, "a connection cannot become a websocket", "error", err)
		return
	}
	s.mu.Lock()
	s.frames = &frames{conn: conn, input: input, patience: t.patience.write, reserve: s.reserve}
	s.frames.out = writeQueue{conn: conn, timeout: t.patience.write, reserve: s.reserve, failed: s.writeFailed}
	s.mu.Unlock()
	go s.serve(speaks != "")
}

// allows tells whether the page that connects may. Programs that are not browsers say nothing of a page.
func (t *websocketTransport) allows(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || sameHost(origin, r) || t.origins.Contains(origin)
}

// socket is a websocket that speaks the protocol. One goroutine, serve, reads and closes it; operations and timers push
// frames into its queue, and another goroutine writes them while there are any.
type socket struct {
	transport *websocketTransport
	exec      *executor
	ctx       context.Context // what is known of the upgrade request; without an end

	// Only for serve.
	acknowledged bool
	claims       *auth.Claims
	callerCtx    context.Context // ctx with the caller of all operations

	asked   bool        // whether a ping is on its way. Only for ping
	waiting atomic.Bool // whether serve does not read, because answers or operations are too many

	gone chan struct{} // closed when the socket is being closed

	mu                        sync.Mutex
	frames                    *frames               // nil until the upgrade is over
	why                       *closure              // why the socket is being closed, or nil
	operations                map[string]*operation // nil once it is
	parting                   int                   // operations that are over, and whose last message is not in the queue yet
	initTimer, expiry, pinger *time.Timer           // nil while they are not needed
	leaving                   bool                  // the server stops: as soon as no query or mutation runs
}

// message is what the protocol sends, in either direction.
type message struct {
	ID      *string         `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// closure is why the server closes a socket.
type closure struct {
	code   ws.StatusCode
	reason string
}

func (c *closure) Error() string { return c.reason }

func malformed(reason string) error { return &closure{closeMalformed, reason} }

// serve reads messages until the socket is closed, by either side.
func (s *socket) serve(understood bool) {
	defer s.transport.connections.remove(s)
	defer func() { s.transport.sessions.remove(s, s.claims) }()
	s.listen(understood)
	s.stop()
	if why := s.whyClosed(); why != nil {
		s.transport.log.DebugContext(s.ctx, "websocket closed", "code", int(why.code), "reason", why.reason)
		s.frames.close(why.code, cut(strings.ToValidUTF8(why.reason, ""), maxCloseReasonBytes))
	}
	s.frames.out.finish() // a client may say that it sends no more, and read on
	_ = s.frames.conn.Close()
	s.frames.release()
	s.frames.forget()
}

// listen reads messages until there is a reason to close the socket, or it is closed.
func (s *socket) listen(understood bool) {
	defer s.recover()
	if !understood {
		s.close(closeNoProtocol, "Subprotocol not acceptable: this server speaks "+subprotocol)
		return
	}
	s.arm(&s.initTimer, s.transport.patience.init, func() { s.close(closeTimedOut, "Connection initialisation timeout") })
	if s.whyClosed() != nil {
		return
	}
	for {
		s.await(s.frames.out.await)
		err := s.frames.await()
		if err == nil {
			err = s.read()
		}
		var why *closure
		switch {
		case errors.As(err, &why):
			s.close(why.code, why.reason)
		case errors.Is(err, os.ErrDeadlineExceeded): // or close has woken this goroutine, and its reason stays
			s.close(closeTimedOut, "a message was begun and not finished in time")
		}
		if err != nil {
			return
		}
	}
}

// read takes in what is there. Its error ends the socket.
func (s *socket) read() error {
	limit := maxInitBytes
	if s.acknowledged {
		limit = s.transport.limits.of(s.callerCtx).MessageBytes
	}
	text, whole, err := s.frames.read(limit)
	if err != nil || !whole {
		return err
	}
	defer s.frames.forget()
	return s.handle(text)
}

// await has serve wait for something. The client's pings may be answered by frames that are not read meanwhile.
func (s *socket) await(wait func(done <-chan struct{})) {
	s.waiting.Store(true)
	wait(s.gone)
	s.frames.answered.Store(true)
	s.waiting.Store(false)
}

// reserve counts what the socket has the server keep of a message.
func (s *socket) reserve(message *holding, bytes int) bool {
	if bytes == message.bytes {
		return true
	}
	if message.bytes == 0 {
		message.held, message.who = s.exec.held, s.transport.connections.owner(s)
	}
	return message.resize(bytes)
}

// handle answers a message. Its error ends the socket.
func (s *socket) handle(text []byte) error {
	if !utf8.Valid(text) {
		return &closure{ws.StatusInvalidFramePayloadData, "a message is UTF-8"}
	}
	var m message
	// encoding/json takes the first of two names, and half of a surrogate pair for another character.
	if !jsontext.Value(text).IsValid() || json.Unmarshal(text, &m) != nil {
		return malformed("a message is a JSON object with type, and perhaps id and payload; its names are unique, its texts are Unicode")
	}
	switch m.Type {
	case "connection_init":
		return s.init(m.Payload)
	case "ping":
		if !isObject(m.Payload) {
			return malformed("the payload of ping is an object")
		}
		return s.send(message{Type: "pong", Payload: m.Payload}, nil)
	case "pong":
		if !isObject(m.Payload) {
			return malformed("the payload of pong is an object")
		}
		return nil
	case "subscribe":
		return s.subscribe(m)
	case "complete":
		if m.ID == nil || *m.ID == "" {
			return malformed("complete has an id")
		}
		s.complete(*m.ID)
		return nil
	}
	return malformed("the type of a message is connection_init, ping, pong, subscribe or complete")
}

// isObject tells whether an optional payload is an object, null or absent.
func isObject(payload json.RawMessage) bool {
	return len(payload) == 0 || payload[0] == '{' || string(payload) == "null"
}

// init finds the caller: the payload's if it names one, else that of the upgrade request.
func (s *socket) init(payload json.RawMessage) error {
	if s.acknowledged {
		return &closure{closeTooManyInits, "Too many initialisation requests"}
	}
	credentials, err := credentialsOf(payload)
	if err != nil {
		return err
	}
	if v := s.transport.verifier; v != nil {
		if err := v.CheckAPIKey(s.ctx, apiKeyOf(payload)); err != nil {
			return refusal(err)
		}
	}
	s.claims, _ = auth.FromContext(s.ctx)
	s.callerCtx = s.ctx
	if credentials != "" && s.transport.verifier != nil {
		ctx, cancel := context.WithTimeout(s.ctx, s.transport.patience.init)
		s.claims, err = s.transport.verifier.AuthenticateHeader(ctx, credentials)
		cancel()
		if err != nil {
			return refusal(err)
		}
		s.callerCtx = auth.NewContext(s.ctx, s.claims)
	}
	ack := message{Type: "connection_ack"}
	if s.claims != nil {
		if err := s.transport.connections.identify(s, runner{user: s.claims.UserID}); err != nil {
			return &closure{closeTryAgain, err.Error()}
		}
		s.transport.sessions.add(s, s.claims)
		s.arm(&s.expiry, time.Until(s.claims.ExpiresAt.Add(expiryLeeway)), func() { s.close(closeExpired, auth.CodeTokenExpired+": token has expired") })
		ack.Payload, _ = json.Marshal(map[string]int64{"expiresAt": s.claims.ExpiresAt.Unix()})
	}
	s.disarm(&s.initTimer)
	s.acknowledged = true
	s.arm(&s.pinger, s.transport.patience.ping/2+rand.N(s.transport.patience.ping/2), s.ping)
	return s.send(ack, nil)
}

// credentialsOf returns what the key authorization of a payload says, in whatever case it is written.
func credentialsOf(payload json.RawMessage) (string, error) {
	if !isObject(payload) {
		return "", malformed("the payload of connection_init is an object")
	}
	var fields map[string]json.RawMessage
	if len(payload) > 0 && json.Unmarshal(payload, &fields) != nil {
		return "", malformed("the payload of connection_init is an object")
	}
	credentials := ""
	for name, value := range fields {
		if !strings.EqualFold(name, "authorization") || string(value) == "null" {
			continue
		}
		if credentials != "" {
			return "", malformed("the payload of connection_init has authorization twice")
		}
		if json.Unmarshal(value, &credentials) != nil {
			return "", malformed("authorization is a text: Bearer and a token")
		}
	}
	return credentials, nil
}

// apiKeyOf returns what the key apikey of a payload says, in whatever case it is written; "" if it is no text.
func apiKeyOf(payload json.RawMessage) string {
	var fields struct{ APIKey any }
	_ = json.Unmarshal(payload, &fields)
	key, _ := fields.APIKey.(string)
	return key
}

// refusal says how a socket is closed for an error of package auth.
func refusal(err error) *closure {
	code, text := auth.Public(err)
	why := &closure{closeUnauthorized, code + ": " + text}
	switch code {
	case auth.CodeTokenExpired:
		why.code = closeExpired
	case auth.CodeUnavailable:
		why.code = closeTryAgain
	}
	return why
}

// revoke closes the socket, because the session behind it has ended.
func (s *socket) revoke(err error) {
	why := refusal(err)
	s.close(why.code, why.reason)
}

// subscribe starts an operation.
func (s *socket) subscribe(m message) error {
	if !s.acknowledged {
		return &closure{closeUnauthorized, "Unauthorized"}
	}
	if m.ID == nil || *m.ID == "" {
		return malformed("subscribe has an id")
	}
	bounds := s.transport.limits.of(s.callerCtx)
	params, refusal := s.request(m.Payload, bounds)
	if refusal != nil && refusal.Extensions["code"] == CodeBadRequest {
		return malformed("the payload of subscribe is not a request: query, a text, and perhaps operationName, variables and extensions")
	}
	o, err := s.add(*m.ID, bounds, refusal)
	if o == nil {
		return err
	}
	who, turn := runnerOf(s.callerCtx), false
	s.await(func(done <-chan struct{}) { turn = s.exec.starting.wait(who, bounds.Operations+spareStarts, done) })
	if turn { // else the socket is being closed, and the operation has ended
		go o.start(params, who)
	}
	return nil
}

// request reads the payload of subscribe, unless its caller asks too often. What is refused counts, too.
func (s *socket) request(payload []byte, bounds *Bounds) (params *graphql.RawParams, refusal *gqlerror.Error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			presenter := s.exec.presenter
			refusal = presenter.present(s.callerCtx, presenter.recovered(s.callerCtx, panicked))
		}
	}()
	if admit := s.transport.admit; admit != nil {
		if wait, ok := admit(s.callerCtx); !ok {
			return nil, refusef(CodeRateLimited, "too many requests, try again in %.0f s", math.Ceil(wait.Seconds()))
		}
	}
	return decodeRequest(payload, bounds)
}

// add keeps an operation under its id, so that it can be started. If that is refused, the client is told, and there is none.
func (s *socket) add(id string, bounds *Bounds, refusal *gqlerror.Error) (*operation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.operations == nil:
		return nil, nil
	case s.operations[id] != nil:
		return nil, &closure{closeDuplicate, "Subscriber for " + id + " already exists"}
	case refusal != nil:
	case len(s.operations) >= bounds.SocketOperations:
		refusal = refusef(CodeRateLimited, "too many operations are running on this socket")
	case s.leaving:
		refusal = refusef(CodeUnavailable, "%s", errStopping)
	default:
		o := &operation{socket: s, id: id}
		o.ctx, o.cancel = context.WithCancel(s.callerCtx)
		o.stream.ready = o.ready
		o.pending.Store(1) // until it has started
		s.operations[id] = o
		return o, nil
	}
	return nil, s.refuse(id, refusal)
}

// complete ends an operation that the client no longer wants.
func (s *socket) complete(id string) {
	s.mu.Lock()
	o := s.operations[id]
	s.mu.Unlock()
	if o != nil {
		o.finish()
	}
}

// forget removes an operation that is over, and tells whether the client waits for it. Then parted must be called.
func (s *socket) forget(o *operation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operations[o.id] != o {
		return false
	}
	delete(s.operations, o.id)
	s.parting++
	return true
}

// parted says that the last message of an operation is sent.
func (s *socket) parted() {
	s.mu.Lock()
	s.parting--
	s.mu.Unlock()
	s.settle()
}

// goAway closes the socket as soon as no query or mutation is running.
func (s *socket) goAway() {
	s.mu.Lock()
	s.leaving = true
	s.mu.Unlock()
	s.settle()
}

func (s *socket) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leaving || s.parting > 0 {
		return
	}
	for _, o := range s.operations {
		if !o.lasting {
			return
		}
	}
	go s.close(ws.StatusGoingAway, errStopping.Error()) // which takes the lock
}

// arm has a function called later, unless the socket is being closed by then.
func (s *socket) arm(timer **time.Timer, delay time.Duration, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operations != nil {
		*timer = time.AfterFunc(delay, do)
	}
}

func (s *socket) disarm(timer **time.Timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
}

// ping asks whether the client is still there, looks a while later whether it has answered, and so on: proxies cut
// connections that are silent, and a client may be gone without a word.
func (s *socket) ping() {
	patience := s.transport.patience
	next := patience.pong
	switch {
	case !s.asked:
		s.frames.answered.Store(false)
		if s.frames.out.push(ws.OpPing, nil, nil) != nil {
			return // the socket is being closed
		}
		s.asked = true
	case s.waiting.Load(): // the answer may be there
	case !s.frames.answered.Load():
		s.cutOff("no answer to a ping")
		return
	default:
		next = patience.ping - patience.pong
		s.asked = false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinger != nil {
		s.pinger.Reset(next)
	}
}

// send has a message written, and does not wait for that. written, if set, is called then.
func (s *socket) send(m message, written func()) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = s.frames.out.push(ws.OpText, text, written)
	if errors.Is(err, errNotRead) {
		go s.cutOff(err.Error()) // which takes s.mu
	}
	return err
}

// refuse answers instead of running an operation.
func (s *socket) refuse(id string, refusal *gqlerror.Error) error {
	payload, err := json.Marshal(gqlerror.List{refusal})
	if err != nil {
		return err
	}
	return s.send(message{ID: &id, Type: "error", Payload: payload}, nil)
}

// writeFailed ends the socket, on which nothing can be written any more.
func (s *socket) writeFailed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.cutOff("the client does not read")
		return
	}
	s.stop()
	_ = s.frames.conn.Close()
}

// cutOff ends a socket that cannot be told why. The log is.
func (s *socket) cutOff(reason string) {
	if s.whyClosed() == nil && s.stop() {
		s.transport.log.WarnContext(s.ctx, "websocket cut off", "reason", reason)
	}
	_ = s.frames.conn.Close()
}

// close has the socket closed. The first reason is the one that the client is told.
func (s *socket) close(code ws.StatusCode, reason string) {
	s.mu.Lock()
	if s.why == nil {
		s.why = &closure{code, reason}
		if s.frames != nil { // else the upgrade is not over yet, and serve will see why
			s.frames.wake()
		}
	}
	s.mu.Unlock()
	s.stop()
}

func (s *socket) whyClosed() *closure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// stop ends the operations and the timers. It tells whether this was the first call.
func (s *socket) stop() bool {
	s.mu.Lock()
	operations := s.operations
	s.operations = nil
	if operations != nil {
		close(s.gone)
	}
	s.mu.Unlock()
	for _, timer := range []**time.Timer{&s.initTimer, &s.expiry, &s.pinger} {
		s.disarm(timer)
	}
	for _, o := range operations {
		o.end()
	}
	return operations != nil
}

// recover keeps a fault in one socket from ending the server.
func (s *socket) recover() {
	if panicked := recover(); panicked != nil {
		s.transport.log.ErrorContext(s.ctx, "panic on a websocket", "panic", panicked, "stack", string(debug.Stack()))
		s.close(ws.StatusInternalServerError, "internal error")
	}
}
