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

// The close codes of the protocol and their use here.
const (
	closeMalformed      ws.StatusCode = 4400
	closeUnauthorized   ws.StatusCode = 4401 // the client must sign in again; a retry does not help
	closeExpired        ws.StatusCode = 4403 // the client should reconnect with a new token
	closeNoProtocol     ws.StatusCode = 4406
	closeTimedOut       ws.StatusCode = 4408 // connection_init or the rest of a message was late
	closeDuplicate      ws.StatusCode = 4409
	closeTooManyInits   ws.StatusCode = 4429
	closeTryAgain       ws.StatusCode = 1013 // registered as Try Again Later (RFC 6455, section 11.7)
	maxCloseReasonBytes               = ws.MaxControlFramePayloadSize - 2
)

const (
	// maxInitBytes bounds messages before connection_init has named a caller: room for a token of 16 KiB and for other
	// members of the payload.
	maxInitBytes = 24 << 10
	// spareStarts bounds the operations of a caller that are being prepared, refused or subscribed, in addition to the
	// bounds.Operations that run. A socket that exceeds it is not read until one of them is done.
	spareStarts = 32
	// expiryLeeway allows for clock skew, as in package auth.
	expiryLeeway = 5 * time.Second
)

// timeouts holds the timeouts of a client.
type timeouts struct {
	init  time.Duration // from the upgrade to connection_init
	ping  time.Duration // between two pings
	pong  time.Duration // from a ping to its pong
	write time.Duration // to receive a message, or to finish sending one; a slower client is disconnected
}

// defaultTimeouts has a ping interval below the idle timeout of proxies, which may be 30 seconds. Limits.InitTime sets
// init.
var defaultTimeouts = timeouts{ping: 25 * time.Second, pong: 10 * time.Second, write: 10 * time.Second}

// websocketTransport answers operations over websockets.
type websocketTransport struct {
	verifier    *auth.Verifier // nil: the caller of the upgrade request
	log         *slog.Logger
	connections *connections
	sessions    *sessions
	admit       func(context.Context) (time.Duration, bool) // nil admits all
	limits      *Limits
	timeouts    timeouts
	origins     *Origins // in addition to the server's own
}

func (t *websocketTransport) Supports(r *http.Request) bool { return auth.IsWebsocket(r) }

// Do upgrades the connection and returns, so that net/http frees everything it holds for the request.
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
	s := &socket{transport: t, exec: exec, operations: map[string]*socketOperation{}, closing: make(chan struct{})}
	// The request's context ends with this function; its values are needed longer.
	s.ctx = context.WithoutCancel(r.Context())
	if err := t.connections.add(s, quotaKeyOf(s.ctx)); err != nil {
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
		t.log.WarnContext(s.ctx, "a connection cannot be upgraded to a websocket", "error", err)
		return
	}
	s.mu.Lock()
	s.frames = &frames{conn: conn, input: input, messageTimeout: t.timeouts.write, reserve: s.reserve}
	s.frames.out = writeQueue{conn: conn, timeout: t.timeouts.write, reserve: s.reserve, failed: s.writeFailed}
	s.mu.Unlock()
	go s.serve(speaks != "")
}

// allows reports whether a page of this origin may connect. Clients other than browsers send no Origin.
func (t *websocketTransport) allows(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || sameHost(origin, r) || t.origins.Contains(origin)
}

// socket is a websocket with the subprotocol. One goroutine, serve, reads and closes it. Operations and timers push
// frames into a queue, and another goroutine writes while the queue has frames.
type socket struct {
	transport *websocketTransport
	exec      *executor
	ctx       context.Context // the values of the upgrade request; never canceled

	// Only for serve.
	acknowledged bool
	claims       *auth.Claims
	callerCtx    context.Context // ctx with the caller

	asked   bool        // a ping awaits its pong; only for ping
	waiting atomic.Bool // serve does not read: too many frames or operations are queued

	closing chan struct{} // closed by stop

	mu                        sync.Mutex
	frames                    *frames                     // nil before the upgrade
	why                       *closeError                 // the reason of the close, or nil
	operations                map[string]*socketOperation // nil after stop
	finishing                 int                         // operations that have ended but whose last message is not queued
	initTimer, expiry, pinger *time.Timer                 // nil while not armed
	goingAway                 bool                        // close as soon as no query or mutation runs
}

// message is a message of the protocol, in either direction.
type message struct {
	ID      *string         `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// closeError says why the server closes a socket.
type closeError struct {
	code   ws.StatusCode
	reason string
}

func (c *closeError) Error() string { return c.reason }

func malformed(reason string) error { return &closeError{closeMalformed, reason} }

// serve reads messages until the client or the server closes the socket.
func (s *socket) serve(understood bool) {
	defer s.transport.connections.remove(s)
	defer func() { s.transport.sessions.remove(s, s.claims) }()
	s.listen(understood)
	s.stop()
	if why := s.whyClosed(); why != nil {
		s.transport.log.DebugContext(s.ctx, "websocket closed", "code", int(why.code), "reason", why.reason)
		s.frames.close(why.code, cut(strings.ToValidUTF8(why.reason, ""), maxCloseReasonBytes))
	}
	s.frames.out.finish() // a client may close its writing half and read on
	_ = s.frames.conn.Close()
	s.frames.release()
	s.frames.forget()
}

// listen reads messages until the socket must be closed or is closed.
func (s *socket) listen(understood bool) {
	defer s.recover()
	if !understood {
		s.close(closeNoProtocol, "Subprotocol not acceptable: this server speaks "+subprotocol)
		return
	}
	s.arm(&s.initTimer, s.transport.timeouts.init, func() { s.close(closeTimedOut, "Connection initialisation timeout") })
	if s.whyClosed() != nil {
		return
	}
	for {
		s.await(s.frames.out.await)
		err := s.frames.await()
		if err == nil {
			err = s.read()
		}
		var why *closeError
		switch {
		case errors.As(err, &why):
			s.close(why.code, why.reason)
		case errors.Is(err, os.ErrDeadlineExceeded): // or close has called wake, and the first reason stays
			s.close(closeTimedOut, "a message was begun and not finished in time")
		}
		if err != nil {
			return
		}
	}
}

// read reads and handles what has arrived. Its error ends the socket.
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

// await blocks serve until wait returns. Meanwhile frames are not read, so answered is set: the pong may be among
// them.
func (s *socket) await(wait func(done <-chan struct{})) {
	s.waiting.Store(true)
	wait(s.closing)
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

// handle processes a message. Its error ends the socket.
func (s *socket) handle(text []byte) error {
	if !utf8.Valid(text) {
		return &closeError{ws.StatusInvalidFramePayloadData, "a message is UTF-8"}
	}
	var m message
	// encoding/json accepts duplicate names and lone surrogates.
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

// isObject reports whether an optional payload is an object, null or absent.
func isObject(payload json.RawMessage) bool {
	return len(payload) == 0 || payload[0] == '{' || string(payload) == "null"
}

// init sets the caller: the one that the payload names, or else the one of the upgrade request.
func (s *socket) init(payload json.RawMessage) error {
	if s.acknowledged {
		return &closeError{closeTooManyInits, "Too many initialisation requests"}
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
		ctx, cancel := context.WithTimeout(s.ctx, s.transport.timeouts.init)
		s.claims, err = s.transport.verifier.AuthenticateHeader(ctx, credentials)
		cancel()
		if err != nil {
			return refusal(err)
		}
		s.callerCtx = auth.NewContext(s.ctx, s.claims)
	}
	ack := message{Type: "connection_ack"}
	if s.claims != nil {
		if err := s.transport.connections.identify(s, quotaKey{user: s.claims.UserID}); err != nil {
			return &closeError{closeTryAgain, err.Error()}
		}
		s.transport.sessions.add(s, s.claims)
		s.arm(&s.expiry, time.Until(s.claims.ExpiresAt.Add(expiryLeeway)), func() { s.close(closeExpired, auth.CodeTokenExpired+": token has expired") })
		ack.Payload, _ = json.Marshal(map[string]int64{"expiresAt": s.claims.ExpiresAt.Unix()})
	}
	s.disarm(&s.initTimer)
	s.acknowledged = true
	s.arm(&s.pinger, s.transport.timeouts.ping/2+rand.N(s.transport.timeouts.ping/2), s.ping)
	return s.send(ack, nil)
}

// credentialsOf returns the member authorization of a payload, ignoring the case of its name.
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

// apiKeyOf returns the member apikey of a payload, ignoring the case of its name, or "" if it is not a string.
func apiKeyOf(payload json.RawMessage) string {
	var fields struct{ APIKey any }
	_ = json.Unmarshal(payload, &fields)
	key, _ := fields.APIKey.(string)
	return key
}

// refusal returns the close code and reason for an error of package auth.
func refusal(err error) *closeError {
	code, text := auth.Public(err)
	why := &closeError{closeUnauthorized, code + ": " + text}
	switch code {
	case auth.CodeTokenExpired:
		why.code = closeExpired
	case auth.CodeUnavailable:
		why.code = closeTryAgain
	}
	return why
}

// revoke closes the socket because its session has ended.
func (s *socket) revoke(err error) {
	why := refusal(err)
	s.close(why.code, why.reason)
}

// subscribe starts an operation.
func (s *socket) subscribe(m message) error {
	if !s.acknowledged {
		return &closeError{closeUnauthorized, "Unauthorized"}
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
	who, granted := quotaKeyOf(s.callerCtx), false
	s.await(func(done <-chan struct{}) {
		granted = s.exec.starting.acquire(who, bounds.Operations+spareStarts, done)
	})
	if granted { // else the socket is closing, and the operation has ended
		go o.start(params, who)
	}
	return nil
}

// request decodes the payload of subscribe unless the caller exceeds its rate limit. A refused request counts too.
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

// add registers a new operation under its id. If the operation is refused, add sends the error and returns nil.
func (s *socket) add(id string, bounds *Bounds, refusal *gqlerror.Error) (*socketOperation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.operations == nil:
		return nil, nil
	case s.operations[id] != nil:
		return nil, &closeError{closeDuplicate, "Subscriber for " + id + " already exists"}
	case refusal != nil:
	case len(s.operations) >= bounds.SocketOperations:
		refusal = refusef(CodeRateLimited, "too many operations are running on this socket")
	case s.goingAway:
		refusal = refusef(CodeUnavailable, "%s", errStopping)
	default:
		o := &socketOperation{socket: s, id: id}
		o.ctx, o.cancel = context.WithCancel(s.callerCtx)
		o.stream.ready = o.ready
		o.pending.Store(1) // the start; see operation.pending
		s.operations[id] = o
		return o, nil
	}
	return nil, s.refuse(id, refusal)
}

// complete ends an operation at the client's request.
func (s *socket) complete(id string) {
	s.mu.Lock()
	o := s.operations[id]
	s.mu.Unlock()
	if o != nil {
		o.finish()
	}
}

// forget removes an operation that has ended. It reports whether the client expects a last message; the caller must
// then call finished.
func (s *socket) forget(o *socketOperation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operations[o.id] != o {
		return false
	}
	delete(s.operations, o.id)
	s.finishing++
	return true
}

// finished records that the last message of an operation is queued.
func (s *socket) finished() {
	s.mu.Lock()
	s.finishing--
	s.mu.Unlock()
	s.closeIfIdle()
}

// shutdown closes the socket as soon as no query or mutation runs.
func (s *socket) shutdown() {
	s.mu.Lock()
	s.goingAway = true
	s.mu.Unlock()
	s.closeIfIdle()
}

func (s *socket) closeIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.goingAway || s.finishing > 0 {
		return
	}
	for _, o := range s.operations {
		if !o.lasting {
			return
		}
	}
	go s.close(ws.StatusGoingAway, errStopping.Error()) // close locks mu
}

// arm starts a timer, unless the socket is closing.
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

// ping sends a ping, checks for an answer after the timeout, and repeats. Pings keep proxies from cutting idle
// connections, and detect clients that are gone.
func (s *socket) ping() {
	timeouts := s.transport.timeouts
	next := timeouts.pong
	switch {
	case !s.asked:
		s.frames.answered.Store(false)
		if s.frames.out.push(ws.OpPing, nil, nil) != nil {
			return // the socket is closing
		}
		s.asked = true
	case s.waiting.Load(): // the pong may be unread
	case !s.frames.answered.Load():
		s.cutOff("no answer to a ping")
		return
	default:
		next = timeouts.ping - timeouts.pong
		s.asked = false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinger != nil {
		s.pinger.Reset(next)
	}
}

// send queues a message. written, if set, is called when it is written.
func (s *socket) send(m message, written func()) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = s.frames.out.push(ws.OpText, text, written)
	if errors.Is(err, errNotRead) {
		go s.cutOff(err.Error()) // cutOff locks s.mu
	}
	return err
}

// refuse sends the error of an operation that does not run.
func (s *socket) refuse(id string, refusal *gqlerror.Error) error {
	payload, err := json.Marshal(gqlerror.List{refusal})
	if err != nil {
		return err
	}
	return s.send(message{ID: &id, Type: "error", Payload: payload}, nil)
}

// writeFailed closes the socket after a failed write.
func (s *socket) writeFailed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.cutOff("the client does not read")
		return
	}
	s.stop()
	_ = s.frames.conn.Close()
}

// cutOff closes a socket without a close frame and logs the reason: a client that does not read would not receive one.
func (s *socket) cutOff(reason string) {
	if s.whyClosed() == nil && s.stop() {
		s.transport.log.WarnContext(s.ctx, "websocket cut off", "reason", reason)
	}
	_ = s.frames.conn.Close()
}

// close starts to close the socket. The client receives the first reason.
func (s *socket) close(code ws.StatusCode, reason string) {
	s.mu.Lock()
	if s.why == nil {
		s.why = &closeError{code, reason}
		if s.frames != nil { // else serve checks why after the upgrade
			s.frames.wake()
		}
	}
	s.mu.Unlock()
	s.stop()
}

func (s *socket) whyClosed() *closeError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// stop ends the operations and the timers. It reports whether this was the first call.
func (s *socket) stop() bool {
	s.mu.Lock()
	operations := s.operations
	s.operations = nil
	if operations != nil {
		close(s.closing)
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

// recover limits a panic to this socket.
func (s *socket) recover() {
	if panicked := recover(); panicked != nil {
		s.transport.log.ErrorContext(s.ctx, "panic on a websocket", "panic", panicked, "stack", string(debug.Stack()))
		s.close(ws.StatusInternalServerError, "internal error")
	}
}
