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
	// inputBytes is for a typical message. Longer ones go past the buffer.
	inputBytes = 512
	// payloadStep is how much is taken in at once of a message: nobody gets memory by announcing a long one.
	payloadStep = 4 << 10
	// closeTimeout is how long a client may take to hang up after it was told that the socket is closed.
	closeTimeout = 5 * time.Second
	// websocketVersion and websocketGUID are those of RFC 6455, sections 4.1 and 1.3.
	websocketVersion = "13"
	websocketGUID    = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// inputs are readers for sockets on which something arrives. Most are idle, and hold none.
var inputs = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, inputBytes) }}

// errHungUp says that the client has closed the socket.
var errHungUp = errors.New("the client has closed the websocket")

// frames are the two directions of a websocket: RFC 6455 without extensions. One goroutine reads; any may send.
type frames struct {
	conn     net.Conn
	patience time.Duration                          // how long the client may take for a message, once it has begun
	reserve  func(message *holding, bytes int) bool // counts what is kept of a message
	out      writeQueue

	// Only for who reads.
	input    *bufio.Reader // nil while nothing is there
	partial  []byte        // the fragments of a message so far
	reserved holding       // for partial, and the message that it becomes
	state    ws.State
	begun    bool // whether the first byte of a message, or of a control frame, is there, and the last is not

	// answered is set by each frame: a client that sends is alive, whatever it sends.
	answered atomic.Bool

	waking sync.Mutex
	woken  bool // whoever reads stops. Under waking
}

// until sets the time by which the client must have sent what is read next.
func (f *frames) until(deadline time.Time) {
	f.waking.Lock()
	defer f.waking.Unlock()
	if !f.woken {
		_ = f.conn.SetReadDeadline(deadline)
	}
}

// wake ends all reading with os.ErrDeadlineExceeded.
func (f *frames) wake() {
	f.waking.Lock()
	defer f.waking.Unlock()
	f.woken = true
	_ = f.conn.SetReadDeadline(time.Unix(1, 0))
}

// upgradeKey returns the key of a handshake, or with which status it is refused and why.
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

// headerHas tells whether a list in a header has a token, in any case.
func headerHas(header http.Header, name, token string) bool {
	for item := range strings.SplitSeq(strings.Join(header.Values(name), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(item), token) {
			return true
		}
	}
	return false
}

// upgrade answers a handshake and takes the connection over. Nothing of net/http stays in use.
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

// await returns when there is something to read, or nothing will be. Whoever only waits holds no buffer.
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

// release gives the buffer back.
func (f *frames) release() {
	if f.input != nil {
		f.input.Reset(nil)
		inputs.Put(f.input)
		f.input = nil
	}
}

// read takes a frame in, after await. It returns a message of at most limit bytes once the last frame of one is there, which
// is counted until forget. A message that is not whole in time ends with os.ErrDeadlineExceeded; pings and fragments give no
// more time.
func (f *frames) read(limit int) (message []byte, whole bool, err error) {
	if !f.begun {
		f.begun = true
		f.until(time.Now().Add(f.patience))
	}
	defer func() {
		if err == nil && !f.state.Fragmented() {
			f.begun = false
			f.until(time.Time{})
		}
	}()
	header, err := ws.ReadHeader(f.input)
	if errors.Is(err, ws.ErrHeaderLengthMSB) {
		return nil, false, &closure{ws.StatusProtocolError, err.Error()}
	}
	if err != nil {
		return nil, false, err
	}
	if err := ws.CheckHeader(header, f.state.Set(ws.StateServerSide)); err != nil {
		return nil, false, &closure{ws.StatusProtocolError, err.Error()}
	}
	f.answered.Store(true)
	switch {
	case header.OpCode.IsControl():
		return nil, false, f.control(header)
	case header.OpCode == ws.OpBinary:
		return nil, false, malformed("a message is text")
	case header.Length > int64(limit-len(f.partial)):
		return nil, false, &closure{ws.StatusMessageTooBig, "the message is too long"}
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

// forget no longer counts a message.
func (f *frames) forget() { f.reserve(&f.reserved, 0) }

// payload appends what a frame carries.
func (f *frames) payload(to []byte, header ws.Header) ([]byte, error) {
	for done := 0; int64(done) < header.Length; {
		before, step := len(to), min(int(header.Length)-done, payloadStep)
		to = slices.Grow(to, step)[:before+step]
		if cap(to) > freeBytes && !f.reserve(&f.reserved, cap(to)) {
			return nil, &closure{closeTryAgain, "too much is being sent at once, try again later"}
		}
		if _, err := io.ReadFull(f.input, to[before:]); err != nil {
			return nil, err
		}
		ws.Cipher(to[before:], header.Mask, done)
		done += step
	}
	return to, nil
}

// control obeys a ping, a pong or a close.
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
			return &closure{ws.StatusProtocolError, err.Error()}
		}
		payload = payload[:2]
	}
	_ = f.out.push(ws.OpClose, payload, nil)
	return errHungUp
}

// close tells the client why, and waits a while until it has hung up: what it still sends would make its system forget
// what it was told.
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
