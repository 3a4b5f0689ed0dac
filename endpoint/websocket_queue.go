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
	// maxQueuedFrames and maxQueuedBytes bound the queue before the server stops to read from the websocket. A client
	// that reads stays below them, because each frame is written as soon as the system accepts it.
	maxQueuedFrames = 16
	maxQueuedBytes  = 64 << 10
	// freeBytes of each websocket, in either direction, are not counted: they are what an ordinary message has, and belong
	// to the 10 to 20 KB of a connection.
	freeBytes = 2 << 10
)

// errNotRead means that unread responses have exhausted maxBufferedBytes, or the caller's share of it.
var errNotRead = errors.New("unread responses exceed the buffer limit")

// writeQueue sends the frames of a websocket in order. It runs a goroutine only while it has frames, so no other
// goroutine waits for a write.
type writeQueue struct {
	conn    net.Conn
	timeout time.Duration                        // how long the client may take to accept a frame
	reserve func(frame *holding, bytes int) bool // counts the frames
	failed  func(error)                          // hears once that a frame could not be written

	mu      sync.Mutex
	frames  []queuedFrame // the first is being written
	bytes   int           // of frames
	writing bool
	over    bool          // a close frame was queued, or a write has failed: no more frames
	closing time.Time     // the deadline of the last frame
	changed chan struct{} // closed when a frame was written; nil while no goroutine waits
}

type queuedFrame struct {
	bytes    []byte
	reserved holding
	written  func() // called once the client's system, or ours, has the frame; may be nil
}

// push adds a frame. It does not block.
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

// write writes frames until the queue is empty.
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

// clear frees the memory of an idle queue. The caller must hold q.mu.
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

// await returns when the queue has room or is over, or done is closed. Only the goroutine that reads calls it.
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

// close refuses further frames and sets a deadline for the queued ones. The caller must hold q.mu.
func (q *writeQueue) close() {
	if !q.over {
		q.over, q.closing = true, time.Now().Add(q.timeout)
	}
}

// finish refuses further frames and waits until all are written or a write fails. Only the goroutine that reads calls
// it.
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
