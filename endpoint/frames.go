package endpoint

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"usergraph/internal/peek"
)

const (
	// inputBytes is the read buffer of a socket: enough for a typical message. Longer messages bypass it.
	inputBytes = 512
	// payloadStep bounds each read of a payload. A frame header that announces a long message allocates nothing by
	// itself.
	payloadStep = 4 << 10
	// closeTimeout bounds the wait for the client to disconnect after a close frame.
	closeTimeout = 5 * time.Second
	// websocketVersion and websocketGUID are from RFC 6455, sections 4.1 and 1.3.
	websocketVersion = "13"
	websocketGUID    = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// inputs pools the read buffers of sockets. An idle socket, as most are, holds none.
var inputs = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, inputBytes) }}

// errHungUp means that the client has closed the socket.
var errHungUp = errors.New("the client has closed the websocket")

// frames reads and writes the frames of a websocket (RFC 6455, no extensions). One goroutine reads; any goroutine may
// send.
type frames struct {
	conn           net.Conn
	messageTimeout time.Duration                          // how long the client may take for a message, once it has begun
	reserve        func(message *holding, bytes int) bool // counts what is kept of a message
	out            writeQueue

	// Only for the goroutine that reads.
	input    *bufio.Reader // nil while nothing has arrived
	partial  []byte        // the fragments of a message so far
	reserved holding       // for partial, and the message that it becomes
	state    ws.State
	begun    bool // reports whether a message or a control frame has arrived in part

	// answered is set by each frame that arrives: any frame proves that the client is alive.
	answered atomic.Bool

	waking sync.Mutex
	woken  bool // reading has ended; guarded by waking
}

// until sets the deadline of the next read.
func (f *frames) until(deadline time.Time) {
	f.waking.Lock()
	defer f.waking.Unlock()
	if !f.woken {
		_ = f.conn.SetReadDeadline(deadline)
	}
}

// wake makes this and all later reads fail with os.ErrDeadlineExceeded.
func (f *frames) wake() {
	f.waking.Lock()
	defer f.waking.Unlock()
	f.woken = true
	_ = f.conn.SetReadDeadline(time.Unix(1, 0))
}

// upgradeKey returns the key of a handshake, or the status and the reason of a refusal.
func upgradeKey(r *http.Request) (key string, status int, problem string) {
	key = r.Header.Get("Sec-WebSocket-Key")
	decoded, err := base64.StdEncoding.DecodeString(key)
	switch {
	case !r.ProtoAtLeast(1, 1) || !headerHas(r.Header, "Connection", "upgrade"):
		return "", http.StatusBadRequest, "a websocket needs HTTP/1.1 and the header Connection: Upgrade; a proxy may have dropped it"
	case r.Header.Get("Sec-WebSocket-Version") != websocketVersion:
		return "", http.StatusUpgradeRequired, "the websocket version is " + websocketVersion
	case err != nil || len(decoded) != 16:
		return "", http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64"
	}
	return key, http.StatusSwitchingProtocols, ""
}

// headerHas reports whether a list header contains a token, ignoring case.
func headerHas(header http.Header, name, token string) bool {
	for item := range strings.SplitSeq(strings.Join(header.Values(name), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(item), token) {
			return true
		}
	}
	return false
}

// upgrade answers a handshake and takes the connection over. It keeps nothing of net/http.
func upgrade(w http.ResponseWriter, key, subprotocol string) (net.Conn, *bufio.Reader, error) {
	accept := sha1.Sum([]byte(key + websocketGUID))
	header := w.Header()
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", "websocket")
	header.Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(accept[:]))
	if subprotocol != "" {
		header.Set("Sec-WebSocket-Protocol", subprotocol)
	}
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := buffers.Reader.Peek(buffers.Reader.Buffered())
	if len(early) == 0 {
		return conn, nil, nil
	}
	input := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn), max(inputBytes, len(early)))
	_, _ = input.Peek(len(early))
	return conn, input, nil
}

// await returns when data has arrived or the connection has failed. While it waits, the socket holds no buffer.
func (f *frames) await() error {
	if f.input != nil {
		if f.input.Buffered() > 0 {
			return nil
		}
		f.release()
	}
	if err := peek.Await(f.conn); err != nil {
		return err
	}
	f.input = inputs.Get().(*bufio.Reader)
	f.input.Reset(f.conn)
	return nil
}

// release returns the buffer to the pool.
func (f *frames) release() {
	if f.input != nil {
		f.input.Reset(nil)
		inputs.Put(f.input)
		f.input = nil
	}
}

// read reads a frame, after await. With the last frame of a message it returns the message, of at most limit bytes.
// The message is counted until forget. A message that is not complete in time ends with os.ErrDeadlineExceeded: pings
// and fragments do not extend the time.
func (f *frames) read(limit int) (message []byte, whole bool, err error) {
	if !f.begun {
		f.begun = true
		f.until(time.Now().Add(f.messageTimeout))
	}
	defer func() {
		if err == nil && !f.state.Fragmented() {
			f.begun = false
			f.until(time.Time{})
		}
	}()
	header, err := ws.ReadHeader(f.input)
	if errors.Is(err, ws.ErrHeaderLengthMSB) {
		return nil, false, &closeError{ws.StatusProtocolError, err.Error()}
	}
	if err != nil {
		return nil, false, err
	}
	if err := ws.CheckHeader(header, f.state.Set(ws.StateServerSide)); err != nil {
		return nil, false, &closeError{ws.StatusProtocolError, err.Error()}
	}
	f.answered.Store(true)
	switch {
	case header.OpCode.IsControl():
		return nil, false, f.control(header)
	case header.OpCode == ws.OpBinary:
		return nil, false, malformed("a message is text")
	case header.Length > int64(limit-len(f.partial)):
		return nil, false, &closeError{ws.StatusMessageTooBig, "the message is too long"}
	}
	if f.partial, err = f.payload(f.partial, header); err != nil {
		return nil, false, err
	}
	if !header.Fin {
		f.state = f.state.Set(ws.StateFragmented)
		return nil, false, nil
	}
	message, f.partial, f.state = f.partial, nil, f.state.Clear(ws.StateFragmented)
	return message, true, nil
}

// forget releases the reservation of a message.
func (f *frames) forget() { f.reserve(&f.reserved, 0) }

// payload appends the payload of a frame.
func (f *frames) payload(to []byte, header ws.Header) ([]byte, error) {
	for done := 0; int64(done) < header.Length; {
		before, step := len(to), min(int(header.Length)-done, payloadStep)
		to = slices.Grow(to, step)[:before+step]
		if cap(to) > freeBytes && !f.reserve(&f.reserved, cap(to)) {
			return nil, &closeError{closeTryAgain, "too much is being sent at once, try again later"}
		}
		if _, err := io.ReadFull(f.input, to[before:]); err != nil {
			return nil, err
		}
		ws.Cipher(to[before:], header.Mask, done)
		done += step
	}
	return to, nil
}

// control handles a ping, a pong or a close frame.
func (f *frames) control(header ws.Header) error {
	payload, err := f.input.Peek(int(header.Length)) // at most 125 bytes
	if err != nil {
		return err
	}
	ws.Cipher(payload, header.Mask, 0)
	defer f.input.Discard(len(payload))
	switch header.OpCode {
	case ws.OpPing:
		return f.out.push(ws.OpPong, payload, nil)
	case ws.OpPong:
		return nil
	}
	if len(payload) > 0 {
		code, reason := ws.ParseCloseFrameData(payload)
		if err := ws.CheckCloseFrameData(code, reason); err != nil {
			return &closeError{ws.StatusProtocolError, err.Error()}
		}
		payload = payload[:2]
	}
	_ = f.out.push(ws.OpClose, payload, nil)
	return errHungUp
}

// close sends a close frame and waits up to closeTimeout for the client to disconnect. Closing at once could reset the
// connection: if data still arrives, the client's system discards the close frame.
func (f *frames) close(code ws.StatusCode, reason string) {
	defer f.conn.Close()
	if f.out.push(ws.OpClose, ws.NewCloseFrameBody(code, reason), nil) != nil {
		return
	}
	f.out.finish()
	if half, ok := f.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = f.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	_, _ = io.Copy(io.Discard, f.conn)
}
