//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// delays are durations that were measured.
type delays struct {
	mu  sync.Mutex
	all []time.Duration
}

func (d *delays) add(one time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, one)
}

func (d *delays) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all)
}

// wait returns when as many were measured, or no more come.
func (d *delays) wait(ctx context.Context, count int64) *delays {
	for last := -1; int64(d.count()) < count && d.count() != last; {
		last = d.count()
		_ = sleep(ctx, 2*time.Second)
	}
	return d
}

func (d *delays) median() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.all)
	return d.all[len(d.all)/2]
}

func (d *delays) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) == 0 {
		return "none"
	}
	slices.Sort(d.all)
	at := func(part float64) float64 { return d.all[int(part*float64(len(d.all)-1))].Seconds() * 1000 }
	return fmt.Sprintf("p50 %.2f ms, p95 %.2f ms, p99 %.2f ms", at(0.50), at(0.95), at(0.99))
}

// queries sends queries at a steady rate, whatever the answers take, and returns their latencies.
func (b *bench) queries(ctx context.Context, duration time.Duration) (*delays, error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	var took delays
	var wait sync.WaitGroup
	failed := make(chan error, 1)
	clock := time.NewTicker(time.Second / time.Duration(b.options.rate))
	defer clock.Stop()
	for end := time.Now().Add(duration); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-clock.C:
		}
		wait.Go(func() {
			began := time.Now()
			if err := b.query(ctx, client); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
			took.add(time.Since(began))
		})
	}
	wait.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
		return &took, nil
	}
}

func (b *bench) query(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.address+"/graphql", strings.NewReader(`{"query":"{ me { id fullName avatarUrl } }"}`))
	if err != nil {
		return err
	}
	n := rand.IntN(len(b.tokens))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+b.tokens[n])
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && !bytes.Contains(text, []byte(userID(n).String())) {
		err = fmt.Errorf("a wrong answer: %s", text)
	}
	return err
}

// subscribe opens a socket for each user and waits for all their first answers.
func (b *bench) subscribe(ctx context.Context) error {
	b.conns = make([]net.Conn, len(b.tokens))
	failed := make([]error, len(b.tokens))
	var wait sync.WaitGroup
	room := make(chan struct{}, 64)
	for n := range b.tokens {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			failed[n] = b.open(ctx, n)
		})
	}
	wait.Wait()
	return errors.Join(failed...)
}

// open is a client of the least size: it masks with 0, and knows only frames that this server sends.
func (b *bench) open(ctx context.Context, n int) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", b.address)
	if err != nil {
		return err
	}
	b.conns[n] = conn
	fmt.Fprintf(conn, "GET /graphql HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n", b.address)
	in := bufio.NewReaderSize(conn, 1<<10)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(answer.Status)
	}
	if err := write(conn, 0x81, fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":"Bearer %s"}}`, b.tokens[n])); err != nil {
		return err
	}
	if ack, err := b.read(conn, in); err != nil || !strings.Contains(ack, "connection_ack") {
		return fmt.Errorf("no ack: %s %w", ack, err)
	}
	if err := write(conn, 0x81, `{"id":"1","type":"subscribe","payload":{"query":"subscription { me { id fullName } }"}}`); err != nil {
		return err
	}
	first, err := b.read(conn, in)
	if err != nil || !strings.Contains(first, userID(n).String()) {
		return fmt.Errorf("no first answer: %s %w", first, err)
	}
	go b.receive(conn, in, userID(n).String())
	return nil
}

// receive takes the time that each answer was on its way: the name is when it was changed.
func (b *bench) receive(conn net.Conn, in *bufio.Reader, id string) {
	for {
		text, err := b.read(conn, in)
		if err != nil {
			return
		}
		_, name, _ := strings.Cut(text, `"fullName":"`)
		name, _, _ = strings.Cut(name, `"`)
		nanoseconds, err := strconv.ParseInt(name, 10, 64)
		if err != nil || !strings.Contains(text, id) {
			panic("a wrong answer: " + text)
		}
		b.pushes.add(time.Since(time.Unix(0, nanoseconds)))
	}
}

// read returns the next message, and answers pings.
func (b *bench) read(conn net.Conn, in *bufio.Reader) (string, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return "", err
		}
		length := uint64(head[1])
		if length == 126 {
			var long [2]byte
			if _, err := io.ReadFull(in, long[:]); err != nil {
				return "", err
			}
			length = uint64(binary.BigEndian.Uint16(long[:]))
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(in, text); err != nil {
			return "", err
		}
		switch head[0] {
		case 0x81:
			return string(text), nil
		case 0x89:
			if err := write(conn, 0x8a, string(text)); err != nil {
				return "", err
			}
		case 0x88:
			return "", fmt.Errorf("closed: %q", text)
		}
	}
}

func write(conn net.Conn, first byte, text string) error {
	frame := []byte{first, 0x80 | byte(len(text))}
	if len(text) > 125 {
		frame = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(len(text)))
	}
	frame = append(append(frame, 0, 0, 0, 0), text...)
	_, err := conn.Write(frame)
	return err
}

// change changes rows at a steady rate until ctx ends, each in a transaction of its own, in turn: as many as there are
// sockets, from one on.
func (b *bench) change(ctx context.Context, from int, made *atomic.Int64) error {
	const writers = 16
	failed := make([]error, writers)
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() { failed[w] = b.write(ctx, from, w, writers, made) })
	}
	wait.Wait()
	return errors.Join(failed...)
}

func (b *bench) write(ctx context.Context, from, first, step int, made *atomic.Int64) error {
	conn, err := pgx.Connect(context.WithoutCancel(ctx), b.pg.URL("postgres", "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	each := time.Second / time.Duration(b.options.changes)
	_ = sleep(ctx, time.Duration(first)*each) // one after the other, not all at once
	clock := time.NewTicker(time.Duration(step) * each)
	defer clock.Stop()
	for n := first; ; n += step {
		select {
		case <-ctx.Done():
			return nil
		case <-clock.C:
		}
		name := strconv.FormatInt(time.Now().UnixNano(), 10)
		_, err := conn.Exec(context.WithoutCancel(ctx), "update users set full_name = $2 where id = $1", userID(from+n%b.options.sockets), name)
		if err != nil {
			return err
		}
		made.Add(1)
	}
}

func (b *bench) hangUp() {
	for _, conn := range b.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
	b.conns = nil
}
