package endpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/endpoint"
)

// What the protocol does not allow closes the socket, with the code that the protocol names.
func TestWebsocketProtocol(t *testing.T) {
	s := newLiveServer(t)
	const (
		init      = `{"type":"connection_init"}`
		ack       = `{"type":"connection_ack"}`
		typename  = `{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}`
		answer    = `{"id":"1","type":"next","payload":{"data":{"__typename":"Query"}}}`
		completed = `{"id":"1","type":"complete"}`
	)
	for _, test := range []struct {
		name     string
		messages []string // what the client sends
		answers  []string // what it gets
		code     int      // how the server closes, or 0 if it does not
	}{
		{name: "a query", messages: []string{init, typename}, answers: []string{ack, answer, completed}},
		{name: "an id again", messages: []string{init, typename}, answers: []string{ack, answer, completed}},
		{name: "payload null", messages: []string{`{"type":"connection_init","payload":null}`}, answers: []string{ack}},
		{name: "payload empty", messages: []string{`{"type":"connection_init","payload":{}}`}, answers: []string{ack}},
		{name: "more in the payload", messages: []string{`{"type":"connection_init","payload":{"authorization":null,"x":[1]}}`}, answers: []string{ack}},
		{name: "more in a message", messages: []string{`{"type":"connection_init","more":1}`}, answers: []string{ack}},
		{name: "ping before init", messages: []string{`{"type":"ping"}`}, answers: []string{`{"type":"pong"}`}},
		{name: "ping with payload", messages: []string{`{"type":"ping","payload":{"a":1}}`}, answers: []string{`{"type":"pong","payload":{"a":1}}`}},
		{name: "pong unasked", messages: []string{`{"type":"pong"}`, `{"type":"pong","payload":{}}`, `{"type":"ping"}`}, answers: []string{`{"type":"pong"}`}},
		{name: "complete of nothing", messages: []string{init, `{"id":"x","type":"complete"}`, `{"type":"ping"}`}, answers: []string{ack, `{"type":"pong"}`}},
		{name: "operationName null", messages: []string{init, `{"id":"1","type":"subscribe","payload":{"query":"{ __typename }","operationName":null,"variables":null,"extensions":null}}`}, answers: []string{ack, answer, completed}},

		{name: "init twice", messages: []string{init, init}, answers: []string{ack}, code: 4429},
		{name: "subscribe first", messages: []string{typename}, code: 4401},
		{name: "not JSON", messages: []string{`{`}, code: 4400},
		{name: "nothing", messages: []string{``}, code: 4400},
		{name: "an array", messages: []string{`[]`}, code: 4400},
		{name: "null", messages: []string{`null`}, code: 4400},
		{name: "a text", messages: []string{`"connection_init"`}, code: 4400},
		{name: "two values", messages: []string{init + init}, code: 4400},
		{name: "no type", messages: []string{`{}`}, code: 4400},
		{name: "type is a number", messages: []string{`{"type":1}`}, code: 4400},
		{name: "unknown type", messages: []string{`{"type":"hello"}`}, code: 4400},
		{name: "the legacy protocol", messages: []string{init, `{"id":"1","type":"start","payload":{"query":"{ __typename }"}}`}, answers: []string{ack}, code: 4400},
		{name: "ack by the client", messages: []string{ack}, code: 4400},
		{name: "next by the client", messages: []string{init, answer}, answers: []string{ack}, code: 4400},
		{name: "error by the client", messages: []string{init, `{"id":"1","type":"error","payload":[]}`}, answers: []string{ack}, code: 4400},
		{name: "init payload a text", messages: []string{`{"type":"connection_init","payload":"x"}`}, code: 4400},
		{name: "init payload an array", messages: []string{`{"type":"connection_init","payload":[]}`}, code: 4400},
		{name: "authorization a number", messages: []string{`{"type":"connection_init","payload":{"authorization":1}}`}, code: 4400},
		{name: "authorization twice", messages: []string{`{"type":"connection_init","payload":{"authorization":"Bearer a","Authorization":"Bearer b"}}`}, code: 4400},
		{name: "ping payload a text", messages: []string{`{"type":"ping","payload":"x"}`}, code: 4400},
		{name: "pong payload a text", messages: []string{`{"type":"pong","payload":"x"}`}, code: 4400},
		{name: "subscribe without id", messages: []string{init, `{"type":"subscribe","payload":{"query":"{ __typename }"}}`}, answers: []string{ack}, code: 4400},
		{name: "subscribe with an empty id", messages: []string{init, `{"id":"","type":"subscribe","payload":{"query":"{ __typename }"}}`}, answers: []string{ack}, code: 4400},
		{name: "id is a number", messages: []string{init, `{"id":1,"type":"subscribe","payload":{"query":"{ __typename }"}}`}, answers: []string{ack}, code: 4400},
		{name: "complete without id", messages: []string{init, `{"type":"complete"}`}, answers: []string{ack}, code: 4400},
		{name: "subscribe without payload", messages: []string{init, `{"id":"1","type":"subscribe"}`}, answers: []string{ack}, code: 4400},
		{name: "payload a text", messages: []string{init, `{"id":"1","type":"subscribe","payload":"{ __typename }"}`}, answers: []string{ack}, code: 4400},
		{name: "no query", messages: []string{init, `{"id":"1","type":"subscribe","payload":{}}`}, answers: []string{ack}, code: 4400},
		{name: "query is a number", messages: []string{init, `{"id":"1","type":"subscribe","payload":{"query":1}}`}, answers: []string{ack}, code: 4400},
		{name: "variables an array", messages: []string{init, `{"id":"1","type":"subscribe","payload":{"query":"{ __typename }","variables":[]}}`}, answers: []string{ack}, code: 4400},
		{name: "operationName a number", messages: []string{init, `{"id":"1","type":"subscribe","payload":{"query":"{ __typename }","operationName":1}}`}, answers: []string{ack}, code: 4400},
		{name: "not UTF-8", messages: []string{"{\"type\":\"ping\xff\"}"}, code: 1007},
		{name: "too long before init", messages: []string{`{"type":"connection_init","payload":{"x":"` + strings.Repeat("x", 33<<10) + `"}}`}, code: 1009},
		{name: "too long", messages: []string{init, `{"type":"ping","payload":{"x":"` + strings.Repeat("x", 257<<10) + `"}}`}, answers: []string{ack}, code: 1009},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := s.dial(nil)
			c.t = t
			for _, message := range test.messages {
				c.send(message)
			}
			c.expect(test.answers...)
			if test.code == 0 {
				c.send(`{"type":"pong"}`)
				if err := c.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
					t.Error("close:", err)
				}
				return
			}
			if code, reason := c.closed(); code != test.code {
				t.Errorf("closed with %d %s, not %d", code, reason, test.code)
			}
		})
	}
}

// Errors before the execution are one message, after which the id is free again.
func TestWebsocketErrors(t *testing.T) {
	s := newLiveServer(t)
	c := s.dial(nil)
	c.send(`{"type":"connection_init"}`)
	c.expect(`{"type":"connection_ack"}`)
	for query, want := range map[string]string{
		`{`:                           "GRAPHQL_PARSE_FAILED",
		`{ nothing }`:                 "GRAPHQL_VALIDATION_FAILED",
		`subscription { __typename }`: "GRAPHQL_VALIDATION_FAILED",
		`subscription { a: me { id } b: me { id } }`: "GRAPHQL_VALIDATION_FAILED",
		`subscription { me { id } }`:                 "UNAUTHENTICATED",
	} {
		text, _ := json.Marshal(query)
		c.send(fmt.Sprintf(`{"id":"1","type":"subscribe","payload":{"query":%s}}`, text))
		if got := c.receive(); !strings.HasPrefix(got, `{"id":"1","type":"error","payload":[{"message":`) || !strings.Contains(got, want) {
			t.Errorf("%s: %s", query, got)
		}
	}
	// An error during the execution is part of an answer.
	c.send(`{"id":"1","type":"subscribe","payload":{"query":"{ me { id } }"}}`)
	if got := c.receive(); !strings.HasPrefix(got, `{"id":"1","type":"next","payload":{"errors":[`) || !strings.Contains(got, `"UNAUTHENTICATED"`) {
		t.Error(got)
	}
	c.expect(`{"id":"1","type":"complete"}`)
}

// An id belongs to one operation at a time. One that is complete may be used again at once, and nothing of the old one
// comes under it.
func TestWebsocketIDs(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada)
	for range 200 {
		c.subscribe("1")
		c.send(`{"id":"1","type":"complete"}`)
	}
	c.send(`{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}`)
	// Of the subscriptions, any may have been told before its end. The query's own come last and together.
	for {
		if got := c.receive(); got != next("1", "Ada") {
			if got != `{"id":"1","type":"next","payload":{"data":{"__typename":"Query"}}}` {
				t.Fatal(got)
			}
			break
		}
	}
	c.expect(`{"id":"1","type":"complete"}`)
	s.until("nothing is watched", func() bool { return s.handler.Watches() == 0 })

	c.subscribe("x")
	c.expect(next("x", "Ada"))
	c.subscribe("x")
	if code, reason := c.closed(); code != 4409 || reason != "Subscriber for x already exists" {
		t.Error(code, reason)
	}
}

// A long or odd id makes no malformed close frame.
func TestWebsocketLongID(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada)
	id := strings.Repeat("ö", 200)
	c.subscribe(id)
	c.expect(next(id, "Ada"))
	c.subscribe(id)
	if code, reason := c.closed(); code != 4409 || len(reason) > 123 || !strings.HasPrefix(reason, "Subscriber for öö") {
		t.Error(code, reason)
	}
}

func TestWebsocketLimitsOperations(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada)
	for i := range 101 {
		c.subscribe(fmt.Sprint(i))
	}
	refused := 0
	for range 101 {
		if got := c.receive(); strings.Contains(got, `"RATE_LIMITED"`) {
			refused++
		} else if !strings.Contains(got, `"Ada"`) {
			t.Error(got)
		}
	}
	if refused != 1 {
		t.Errorf("%d refused", refused)
	}
}

func TestWebsocketLimitsSockets(t *testing.T) {
	s := newLiveServer(t)
	token := s.issuer.Token(ada)
	var first *client
	for i := range 100 {
		c := s.dial(nil)
		c.init(token)
		if i == 0 {
			first = c
		}
	}
	one := s.dial(nil)
	one.send(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":%q}}`, token))
	if code, _ := one.closed(); code != 1013 {
		t.Error("one socket too many:", code)
	}
	s.connect(bob)
	_ = first.conn.Close(websocket.StatusNormalClosure, "")
	s.until("one has gone", func() bool { return s.handler.Connections() == 100 })
	s.connect(ada)
}

// What an operator allows is what there is, over websockets and event streams together.
func TestConnectionLimits(t *testing.T) {
	limits := endpoint.DefaultLimits()
	limits.Connections = 8
	limits.SignedIn.Connections, limits.Anonymous.Connections = 3, 2
	limits.SignedIn.SocketOperations, limits.SignedIn.MessageBytes = 1, 1000
	s := newLiveServer(t, func(o *endpoint.Options) { o.Limits = &limits })
	signedIn := func(user uuid.UUID) *client {
		t.Helper()
		c, err := s.tryDial(http.Header{"Authorization": {"Bearer " + s.issuer.Token(user)}})
		if err != nil {
			t.Fatal(err)
		}
		c.send(`{"type":"connection_init"}`)
		if ack := c.receive(); !strings.Contains(ack, "expiresAt") {
			t.Fatal(ack)
		}
		return c
	}
	refused := func(user uuid.UUID) {
		t.Helper()
		header := http.Header{}
		if user != uuid.Nil {
			header.Set("Authorization", "Bearer "+s.issuer.Token(user))
		}
		if _, err := s.tryDial(header); err == nil || !strings.HasPrefix(err.Error(), "503") {
			t.Error(err)
		}
	}

	// Of a user: one more is refused, before the upgrade and after it, and as an event stream.
	first := signedIn(ada)
	signedIn(ada)
	stream := s.post(ada, "text/event-stream", watchName)
	stream.expect("event: next\ndata: {\"data\":{\"me\":{\"fullName\":\"Ada\"}}}\n")
	refused(ada)
	late := s.dial(nil)
	late.send(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":"Bearer %s"}}`, s.issuer.Token(ada)))
	if code, reason := late.closed(); code != 1013 || !strings.Contains(reason, "too many") {
		t.Error(code, reason)
	}
	if answer := s.post(ada, "text/event-stream", watchName).answer; answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Error(answer.Status, answer.Header)
	}

	// Of a socket.
	first.subscribe("1")
	first.expect(next("1", "Ada"))
	first.subscribe("2")
	if got := first.receive(); !strings.HasPrefix(got, `{"id":"2","type":"error"`) || !strings.Contains(got, "RATE_LIMITED") {
		t.Error(got)
	}
	first.send(`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 900) + `"}}`)
	if got := first.receive(); !strings.HasPrefix(got, `{"type":"pong"`) {
		t.Error(got)
	}
	first.send(`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 1000) + `"}}`)
	if code, _ := first.closed(); code != 1009 {
		t.Error(code)
	}

	// Of an address, and of all.
	s.until("two are open", func() bool { return s.handler.Connections() == 2 })
	nobody, silent := s.dial(nil), s.dial(nil)
	nobody.send(`{"type":"connection_init"}`)
	nobody.expect(`{"type":"connection_ack"}`)
	refused(uuid.Nil)
	_, _ = nobody.conn.CloseNow(), silent.conn.CloseNow()
	s.until("two are open again", func() bool { return s.handler.Connections() == 2 })
	for range 3 {
		signedIn(bob)
	}
	eve := uuid.New()
	for range 3 {
		signedIn(eve)
	}
	refused(uuid.New())
}

// Bad credentials close the socket with a code that says whether to come back.
func TestWebsocketCredentials(t *testing.T) {
	s := newLiveServer(t)
	expired := s.issuer.Token(ada, func(c jwt.MapClaims) { c["exp"] = time.Now().Unix() - 60 })
	foreign := s.issuer.Token(ada, func(c jwt.MapClaims) { c["iss"] = "https://other.example" })
	for _, test := range []struct {
		name, credentials string
		code              int
		reason            string
	}{
		{"expired", "Bearer " + expired, 4403, "TOKEN_EXPIRED"},
		{"expired, bare", expired, 4403, "TOKEN_EXPIRED"},
		{"foreign", "Bearer " + foreign, 4401, "TOKEN_INVALID"},
		{"no token", "Bearer ", 4401, "TOKEN_INVALID"},
		{"another scheme", "Basic YTpi", 4401, "TOKEN_INVALID"},
		{"nonsense", "nonsense", 4401, "TOKEN_INVALID"},
		{"long", "Bearer " + strings.Repeat("x", 20<<10), 4401, "TOKEN_INVALID"},
	} {
		c := s.dial(nil)
		c.send(fmt.Sprintf(`{"type":"connection_init","payload":{"AUTHORIZATION":%q}}`, test.credentials))
		code, reason := c.closed()
		if code != test.code || !strings.HasPrefix(reason, test.reason+": ") {
			t.Errorf("%s: %d %s", test.name, code, reason)
		}
		if len(test.credentials) > 20 && strings.Contains(reason, test.credentials[7:20]) {
			t.Errorf("%s: the reason shows the token: %s", test.name, reason)
		}
	}
}

// The caller may also be whom the upgrade request names. What connection_init names comes first.
func TestWebsocketUpgradeHeader(t *testing.T) {
	s := newLiveServer(t)
	asAda := http.Header{"Authorization": {"Bearer " + s.issuer.Token(ada)}}
	c := s.dial(asAda)
	c.send(`{"type":"connection_init"}`)
	if got := c.receive(); !strings.Contains(got, "expiresAt") {
		t.Error(got)
	}
	c.subscribe("1")
	c.expect(next("1", "Ada"))

	c = s.dial(asAda)
	c.init(s.issuer.Token(bob))
	c.subscribe("1")
	c.expect(next("1", "Bob"))

	if _, err := s.tryDial(http.Header{"Authorization": {"Bearer nonsense"}}); err == nil || !strings.HasPrefix(err.Error(), "401") {
		t.Error(err)
	}
}

func TestWebsocketSubprotocol(t *testing.T) {
	s := newLiveServer(t)
	conn, _, err := websocket.Dial(t.Context(), s.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn}
	if code, reason := c.closed(); code != 4406 || !strings.Contains(reason, "graphql-transport-ws") {
		t.Error(code, reason)
	}
}

// Pages of other sites may not connect.
func TestWebsocketOrigin(t *testing.T) {
	origins, err := endpoint.ParseOrigins([]string{"https://app.example.com", "http://localhost:*"})
	if err != nil {
		t.Fatal(err)
	}
	s := newLiveServer(t, func(o *endpoint.Options) { o.Origins = origins })
	for origin, allowed := range map[string]bool{
		s.url:                          true,
		"http://localhost:3000":        true,
		"https://app.example.com":      true,
		"https://app.example.com.evil": false,
		"https://example.com":          false,
		"null":                         false,
		"://":                          false,
	} {
		_, err := s.tryDial(http.Header{"Origin": {origin}})
		if allowed != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), "403") {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

func TestWebsocketInitTimeout(t *testing.T) {
	limits := endpoint.DefaultLimits()
	limits.InitTime = 50 * time.Millisecond
	s := newLiveServer(t, func(o *endpoint.Options) { o.Limits = &limits })
	c := s.dial(nil)
	if code, reason := c.closed(); code != 4408 || reason != "Connection initialisation timeout" {
		t.Error(code, reason)
	}
}

// A socket lives no longer than its token.
func TestWebsocketExpiry(t *testing.T) {
	s := newLiveServer(t)
	c := s.connect(ada, func(claims jwt.MapClaims) { claims["exp"] = time.Now().Unix() - 3 }) // within the leeway
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	if code, reason := c.closed(); code != 4403 || !strings.HasPrefix(reason, "TOKEN_EXPIRED") {
		t.Error(code, reason)
	}
	s.until("nothing is watched", func() bool { return s.handler.Watches() == 0 })
}

// A client that is gone without a word is noticed.
func TestWebsocketPing(t *testing.T) {
	s := newLiveServer(t, func(o *endpoint.Options) { o.Hurry(soon, 20*time.Millisecond, 100*time.Millisecond, soon) })
	// One that answers stays, however many pings.
	lively := s.connect(ada)
	lively.subscribe("1")
	lively.expect(next("1", "Ada"))
	heard := make(chan string, 1)
	go func() {
		text, _ := lively.tryReceive() // reading is what answers pings
		heard <- text
	}()
	silent := s.connect(bob)
	silent.subscribe("1")
	silent.expect(next("1", "Bob"))
	s.until("the silent one is gone", func() bool { return s.handler.Connections() == 1 })
	s.rename(ada, "Ada King")
	if got := <-heard; got != next("1", "Ada King") {
		t.Error(got)
	}
}

// Frames that RFC 6455 does not allow end the connection, and nothing else.
func TestWebsocketFrames(t *testing.T) {
	s := newLiveServer(t)
	frame := func(first byte, payload string) string { // with the mask 0
		return string([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
	}
	for name, test := range map[string]struct{ bytes, want string }{
		"fragments":               {frame(0x01, `{"type":`) + frame(0x00, `"pi`) + frame(0x80, `ng"}`), `{"type":"pong"}`},
		"a character in two":      {frame(0x01, "{\"type\":\"ping\",\"payload\":{\"a\":\"\xc3") + frame(0x80, "\xa4\"}}"), `{"type":"pong","payload":{"a":"ä"}}`},
		"a ping in between":       {frame(0x01, `{"type":`) + frame(0x89, "x") + frame(0x80, `"ping"}`), `{"type":"pong"}`},
		"half a character":        {frame(0x81, "{\"type\":\"ping\",\"payload\":{\"a\":\"\xc3\"}}"), "\x03\xef"}, // 1007
		"not masked":              {"\x81\x02{}", ""},
		"a continuation of none":  {frame(0x80, `{}`), "\x03\xea"}, // 1002
		"reserved bits":           {frame(0xf1, `{}`), "\x03\xea"},
		"an unknown opcode":       {frame(0x83, `{}`), "\x03\xea"},
		"a long control frame":    {string([]byte{0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0}) + strings.Repeat("x", 126), "\x03\xea"},
		"binary":                  {frame(0x82, `{"type":"ping"}`), "\x11\x30"},                                                                                        // 4400
		"a giant frame announced": {string([]byte{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}) + strings.Repeat("x", 300<<10), "\x03\xf1"}, // 1009
		"a close":                 {frame(0x88, "\x03\xe8"), "\x88\x02\x03\xe8"},
		"a close with a reason":   {frame(0x88, "\x0f\xa0bye"), "\x88\x02\x0f\xa0"},
		"a close without a code":  {frame(0x88, ""), "\x88\x00"},
		"a close of one byte":     {frame(0x88, "x"), "\x03\xea"},
		"a close with 1005":       {frame(0x88, "\x03\xed"), "\x03\xea"},
		"a close not UTF-8":       {frame(0x88, "\x03\xe8\xff"), "\x03\xea"},
		"nothing after a close":   {frame(0x88, "\x03\xe8") + frame(0x89, "x"), "\x88\x02\x03\xe8"},
		"a ping":                  {frame(0x89, strings.Repeat("x", 125)), "\x8a\x7d" + strings.Repeat("x", 125)},
		"a ping in fragments":     {frame(0x09, "x"), "\x03\xea"},
		"a pong unasked":          {frame(0x8a, "x") + frame(0x81, `{"type":"ping"}`), `{"type":"pong"}`},
		"a message in a message":  {frame(0x01, `{"type":`) + frame(0x81, `{"type":"ping"}`), "\x03\xea"},
		"empty fragments":         {frame(0x01, "") + strings.Repeat(frame(0x00, ""), 1000) + frame(0x80, `{"type":"ping"}`), `{"type":"pong"}`},
		"too long in fragments":   {frame(0x01, strings.Repeat("x", 100)) + strings.Repeat(frame(0x00, strings.Repeat("x", 100)), 400), "\x03\xf1"},
		"a negative length":       {string([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}), "\x03\xea"},
		"half a frame":            {"\x81", ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn := s.rawUpgrade(t)
			_, _ = conn.Write([]byte(test.bytes))
			if test.want == "" {
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			var got strings.Builder
			buffer := make([]byte, 4<<10)
			_ = conn.SetReadDeadline(time.Now().Add(soon))
			for {
				n, err := conn.Read(buffer)
				got.Write(buffer[:n])
				if err != nil || test.want != "" && strings.Contains(got.String(), test.want) {
					break
				}
			}
			if !strings.Contains(got.String(), test.want) {
				t.Errorf("%q, not %q", got.String(), test.want)
			}
		})
	}
	s.until("all are gone", func() bool { return s.handler.Connections() == 0 })
	s.connect(ada)
}

// What is no handshake is refused in HTTP, and what comes right behind one is not lost.
func TestWebsocketHandshake(t *testing.T) {
	s := newLiveServer(t)
	address := strings.TrimPrefix(s.url, "http://")
	const rest = "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: other, graphql-transport-ws\r\n"
	good := "GET /graphql HTTP/1.1\r\nHost: " + address + "\r\nUpgrade: WebSocket\r\n" + rest
	early := string([]byte{0x81, 0x80 | 15, 0, 0, 0, 0}) + `{"type":"ping"}`
	for name, test := range map[string]struct {
		old, new string // what is changed in a good request
		want     []string
	}{
		"good":            {want: []string{"HTTP/1.1 101 ", "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-Websocket-Protocol: graphql-transport-ws", `{"type":"pong"}`}},
		"another version": {old: "Version: 13", new: "Version: 8", want: []string{"HTTP/1.1 426 ", "Sec-Websocket-Version: 13", "BAD_REQUEST"}},
		"no version":      {old: "Version: 13", new: "Version: ", want: []string{"HTTP/1.1 426 "}},
		"no key":          {old: "dGhlIHNhbXBsZSBub25jZQ==", want: []string{"HTTP/1.1 400 ", "Sec-WebSocket-Key"}},
		"a short key":     {old: "dGhlIHNhbXBsZSBub25jZQ==", new: "dGhl", want: []string{"HTTP/1.1 400 "}},
		"not base64":      {old: "dGhlIHNhbXBsZSBub25jZQ==", new: "*", want: []string{"HTTP/1.1 400 "}},
		"a lost header":   {old: "keep-alive, Upgrade", new: "keep-alive", want: []string{"HTTP/1.1 400 ", "Connection: Upgrade"}},
		"HTTP/1.0":        {old: "HTTP/1.1", new: "HTTP/1.0", want: []string{" 400 "}},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, strings.Replace(good, test.old, test.new, 1), "\r\n", early)
			_ = conn.(*net.TCPConn).CloseWrite()
			_ = conn.SetReadDeadline(time.Now().Add(soon))
			answer, err := io.ReadAll(conn)
			if err != nil {
				t.Log(err) // a refused connection is reset: it has said more than was wanted
			}
			for _, want := range test.want {
				if !strings.Contains(string(answer), want) {
					t.Errorf("%q is not in %q", want, answer)
				}
			}
		})
	}
	s.until("all are gone", func() bool { return s.handler.Connections() == 0 })
}

// rawUpgrade returns a connection that has become a websocket.
func (s *liveServer) rawUpgrade(t *testing.T) net.Conn {
	t.Helper()
	address := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.upgradeRaw(t, conn)
	return conn
}

// upgradeRaw makes a connection a websocket.
func (s *liveServer) upgradeRaw(t *testing.T, conn net.Conn) {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /graphql HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n", strings.TrimPrefix(s.url, "http://"))
	var head strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		if _, err := conn.Read(one); err != nil {
			t.Fatal(head.String(), err)
		}
		head.Write(one)
	}
	if !strings.HasPrefix(head.String(), "HTTP/1.1 101 ") {
		t.Fatal(head.String())
	}
}

// Many come and go in every way at once; all that they had is given back.
func TestWebsocketChurn(t *testing.T) {
	s := newLiveServer(t)
	token := s.issuer.Token(ada)
	var wait sync.WaitGroup
	for i := range 300 {
		wait.Go(func() {
			c, err := s.tryDial(nil)
			if err != nil {
				t.Error(err)
				return
			}
			switch i % 6 {
			case 0: // gone at once
			case 1:
				c.send(`{"type":"connection_init"}`)
			case 2:
				c.send(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":%q}}`, token))
				c.subscribe("1")
			case 3:
				c.send(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":%q}}`, token))
				c.subscribe("1")
				_, _ = c.tryReceive()
				_, _ = c.tryReceive()
				_ = c.conn.Close(websocket.StatusNormalClosure, "")
			case 4:
				c.send(`{"type":"nonsense"}`)
				if code, _ := c.closed(); code != 4400 {
					t.Error(code)
				}
			case 5:
				c.send(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":%q}}`, token))
				for id := range 10 {
					c.subscribe(fmt.Sprint(id))
				}
			}
			_ = c.conn.CloseNow()
		})
	}
	for i := range 20 {
		s.rename(ada, fmt.Sprint("Ada ", i))
	}
	wait.Wait()
	s.until("all are gone", func() bool { return s.handler.Connections() == 0 && s.handler.Watches() == 0 })
}

// The context of a socket has nothing of its request's end.
func TestWebsocketOutlivesRequest(t *testing.T) {
	s := newLiveServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	conn, _, err := websocket.Dial(ctx, s.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn}
	cancel()
	c.init(s.issuer.Token(ada))
	c.subscribe("1")
	c.expect(next("1", "Ada"))
	if err := conn.CloseNow(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Somebody who signs in on one socket does not become somebody else's caller.
func TestWebsocketAnonymous(t *testing.T) {
	s := newLiveServer(t)
	signedIn := s.connect(ada)
	nobody := s.dial(nil)
	nobody.send(`{"type":"connection_init","payload":{}}`)
	nobody.expect(`{"type":"connection_ack"}`)
	nobody.subscribe("1")
	if got := nobody.receive(); !strings.Contains(got, "UNAUTHENTICATED") {
		t.Error(got)
	}
	signedIn.subscribe("1")
	signedIn.expect(next("1", "Ada"))
	unknown := s.connect(uuid.New())
	unknown.subscribe("1")
	unknown.expect(`{"id":"1","type":"next","payload":{"data":{"me":null}}}`)
}
