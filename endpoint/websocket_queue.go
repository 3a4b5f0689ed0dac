package endpoint

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	// The server reads nothing more from a websocket while so many frames, or bytes, wait to be written to it. A client
	// that reads has fewer on the way, because each frame is written as soon as the system takes it.
	maxQueuedFrames = 16
	maxQueuedBytes  = 64 << 10
	// freeBytes of each websocket, in either direction, are not counted: they are what an ordinary message has, and belong
	// to the 10 to 20 KB of a connection.
	freeBytes = 2 << 10
)

// errNotRead says that the answers that clients have not read yet take too much memory for one more.
var errNotRead = errors.New("the client does not read, and too much waits to be read")

// writeQueue sends the frames of a websocket in order. No goroutine waits to write: one of the queue's own writes while there
// are frames, and ends with the last.
type writeQueue struct {
	conn    net.Conn
	timeout time.Duration                        // how long the client may take to accept a frame
	reserve func(frame *holding, bytes int) bool // counts the frames
	failed  func(error)                          // hears once that a frame could not be written

	mu      sync.Mutex
	frames  []queuedFrame // the first is being written
	bytes   int           // of frames
	writing bool
	over    bool          // no frame follows a close frame, or one that could not be written
	closing time.Time     // when the last frame must have been written
	changed chan struct{} // closed when frames have gone; nil while nothing waits for that
}

type queuedFrame struct {
	bytes    []byte
	reserved holding
	written  func() // called once the client's system, or ours, has the frame; may be nil
}

// push adds a frame. It does not wait.
func (q *writeQueue) push(code ws.OpCode, payload []byte, written func()) error {
	buffer := bytes.NewBuffer(make([]byte, 0, ws.MaxHeaderSize+len(payload)))
	if err := ws.WriteFrame(buffer, ws.NewFrame(code, true, payload)); err != nil {
		return err
	}
	frame := queuedFrame{bytes: buffer.Bytes(), written: written}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return net.ErrClosed
	}
	if q.bytes+len(frame.bytes) > freeBytes && !q.reserve(&frame.reserved, len(frame.bytes)) {
		return errNotRead
	}
	if code == ws.OpClose {
		q.close()
	}
	q.frames = append(q.frames, frame)
	q.bytes += len(frame.bytes)
	if !q.writing {
		q.writing = true
		go q.write()
	}
	return nil
}

// write writes until no frame is left.
func (q *writeQueue) write() {
	for {
		q.mu.Lock()
		if len(q.frames) == 0 {
			q.clear()
			q.mu.Unlock()
			return
		}
		next := q.frames[0]
		until := time.Now().Add(q.timeout)
		if q.over && q.closing.Before(until) {
			until = q.closing
		}
		q.mu.Unlock()

		err := q.conn.SetWriteDeadline(until)
		if err == nil {
			_, err = q.conn.Write(next.bytes)
		}
		q.mu.Lock()
		if err != nil {
			q.close()
			for i := range q.frames {
				q.reserve(&q.frames[i].reserved, 0)
			}
			q.clear()
			q.mu.Unlock()
			q.failed(err)
			return
		}
		q.reserve(&q.frames[0].reserved, 0)
		q.frames[0] = queuedFrame{}
		q.frames = q.frames[1:]
		q.bytes -= len(next.bytes)
		q.signal()
		q.mu.Unlock()
		if next.written != nil {
			next.written()
		}
	}
}

// clear leaves an idle queue without memory. q.mu is held.
func (q *writeQueue) clear() {
	q.writing, q.frames, q.bytes = false, nil, 0
	q.signal()
}

func (q *writeQueue) signal() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// await returns when the queue has room, takes no more frames, or done is closed. Only the goroutine that reads calls it.
func (q *writeQueue) await(done <-chan struct{}) {
	for {
		q.mu.Lock()
		if q.over || len(q.frames) < maxQueuedFrames && q.bytes < maxQueuedBytes {
			q.mu.Unlock()
			return
		}
		changed := q.whenChanged()
		q.mu.Unlock()
		select {
		case <-changed:
		case <-done:
			return
		}
	}
}

// close takes no more frames. Those that are there must be written soon. q.mu is held.
func (q *writeQueue) close() {
	if !q.over {
		q.over, q.closing = true, time.Now().Add(q.timeout)
	}
}

// finish takes no more frames, and returns when all are written, or one could not be. Only the goroutine that reads calls it.
func (q *writeQueue) finish() {
	q.mu.Lock()
	q.close()
	q.mu.Unlock()
	for {
		q.mu.Lock()
		if !q.writing {
			q.mu.Unlock()
			return
		}
		changed := q.whenChanged()
		q.mu.Unlock()
		<-changed
	}
}

func (q *writeQueue) whenChanged() <-chan struct{} {
	if q.changed == nil {
		q.changed = make(chan struct{})
	}
	return q.changed
}
