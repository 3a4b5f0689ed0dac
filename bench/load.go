//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// answerTimeout is how long a server may take for one answer.
const answerTimeout = 20 * time.Second

// request is the bytes of a request, and what its answer holds if it is right.
type request struct {
	bytes []byte
	want  []byte
	times int // how often the answer holds it
}

// load keeps connections busy: each sends a request, reads and checks the answer, and sends the next.
type load struct {
	measuring atomic.Bool
	stopped   atomic.Bool
	workers   []*worker
	failed    chan error
	done      sync.WaitGroup
}

// worker is one connection.
type worker struct {
	answered  atomic.Int64    // requests since it began
	latencies []time.Duration // of the requests that were sent while measuring
	_         [64]byte        // keeps it out of its neighbour's cache line
}

// startLoad opens conns connections and keeps them busy until stop.
func startLoad(ctx context.Context, address string, requests []request, conns int) *load {
	l := &load{failed: make(chan error, conns)}
	for n := range conns {
		w := &worker{latencies: make([]time.Duration, 0, 1<<17/conns+1<<10)}
		l.workers = append(l.workers, w)
		l.done.Go(func() {
			if err := l.work(ctx, w, address, requests, n*len(requests)/conns); err != nil {
				l.failed <- err
			}
		})
	}
	return l
}

// work sends the requests one after the other, beginning with the one at next.
func (l *load) work(ctx context.Context, w *worker, address string, requests []request, next int) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { conn.Close() }()
	in, body := bufio.NewReaderSize(conn, 16<<10), new(bytes.Buffer)
	for ; !l.stopped.Load() && ctx.Err() == nil; next++ {
		r := &requests[next%len(requests)]
		measured, start := l.measuring.Load(), time.Now()
		_ = conn.SetDeadline(start.Add(answerTimeout))
		if _, err := conn.Write(r.bytes); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		again, err := readAnswer(in, body, r)
		if err != nil {
			return err
		}
		w.answered.Add(1)
		if measured {
			w.latencies = append(w.latencies, time.Since(start))
		}
		if !again {
			conn.Close()
			if conn, err = new(net.Dialer).DialContext(ctx, "tcp", address); err != nil {
				return err
			}
			in.Reset(conn)
		}
	}
	return nil
}

// readAnswer reads one answer and checks it. It tells whether the connection can be used again.
// It understands as much of HTTP/1.1 as the contenders speak: net/http's client would take more CPU than most of them.
func readAnswer(in *bufio.Reader, body *bytes.Buffer, r *request) (again bool, err error) {
	body.Reset()
	line, err := in.ReadSlice('\n')
	if err != nil {
		return false, fmt.Errorf("read: %w", err)
	}
	good := bytes.HasPrefix(line, []byte("HTTP/1.1 200"))
	length, chunked, again := -1, false, true
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return false, fmt.Errorf("read: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch len(name) {
		case len("Content-Length"):
			if bytes.EqualFold(name, []byte("Content-Length")) {
				if length, err = strconv.Atoi(string(value)); err != nil {
					return false, err
				}
			}
		case len("Transfer-Encoding"):
			if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
				chunked = bytes.EqualFold(value, []byte("chunked"))
			}
		case len("Connection"):
			if bytes.EqualFold(name, []byte("Connection")) {
				again = !bytes.EqualFold(value, []byte("close"))
			}
		}
	}
	switch {
	case chunked:
		err = readChunks(in, body)
	case length >= 0:
		_, err = io.CopyN(body, in, int64(length))
	default:
		err = fmt.Errorf("the answer has no length")
	}
	if err != nil {
		return false, fmt.Errorf("read: %w", err)
	}
	if !good || bytes.Count(body.Bytes(), r.want) != r.times {
		return false, fmt.Errorf("wrong answer: want %d x %s, got %.300s", r.times, r.want, body)
	}
	return again, nil
}

func readChunks(in *bufio.Reader, body *bytes.Buffer) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(body, in, size); err != nil {
			return err
		}
		if _, err := in.Discard(len("\r\n")); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}

// answered is how many requests were answered since the load began.
func (l *load) answered() int {
	var sum int64
	for _, w := range l.workers {
		sum += w.answered.Load()
	}
	return int(sum)
}

// stop ends the load and returns the latencies of all requests that were measured, sorted.
func (l *load) stop() []time.Duration {
	l.measuring.Store(false)
	l.stopped.Store(true)
	l.done.Wait()
	var all []time.Duration
	for _, w := range l.workers {
		all = append(all, w.latencies...)
	}
	slices.Sort(all)
	return all
}

// quantile picks from sorted figures, of which there is one at least.
func quantile[T any](sorted []T, q float64) T {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// get makes the request of a REST contender, post that of a GraphQL contender.
func get(address, path, token string, c caller) request {
	return request{message("GET", address, path, token, ""), []byte(`"` + c.name + `"`), 1}
}

func post(address, token, document string, c caller) request {
	return request{message("POST", address, "/graphql", token, document), []byte(`"` + c.name + `"`), 1}
}

// message writes a request. A body is JSON.
func message(method, address, path, token, body string) []byte {
	text := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n", method, path, address, token)
	if body != "" {
		text = fmt.Appendf(text, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return append(append(text, "\r\n"...), body...)
}

// ask sends requests one after the other on a connection of its own, and hands the body of each answer over.
func ask(ctx context.Context, address string, requests []request, answered func(n int, body []byte) error) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { conn.Close() }()
	in, body := bufio.NewReader(conn), new(bytes.Buffer)
	for n := range requests {
		_ = conn.SetDeadline(time.Now().Add(answerTimeout))
		if _, err := conn.Write(requests[n].bytes); err != nil {
			return err
		}
		again, err := readAnswer(in, body, &requests[n])
		if err == nil {
			err = answered(n, body.Bytes())
		}
		if err != nil {
			return err
		}
		if !again {
			conn.Close()
			if conn, err = new(net.Dialer).DialContext(ctx, "tcp", address); err != nil {
				return err
			}
			in.Reset(conn)
		}
	}
	return nil
}
