//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/coder/websocket"
)

// growth measures this server along one axis at a time; everything else stays as in the comparison.
func (b *bench) growth(ctx context.Context) (string, error) {
	b.only = []string{"usergraph"}
	b.measure *= 3 // each point is measured once
	scores, err := b.build(ctx, contenders)
	if err != nil {
		return "", err
	}
	g := &growing{bench: b, score: scores[0]}
	// As many aliases as are measured.
	g.score.contender.env = append(g.score.contender.env, "LIMIT_ROOT_FIELDS=100", "LIMIT_ALIASES=100", "LIMIT_TOKENS=2000")
	for _, axis := range []func(context.Context) error{g.rows, g.aliases, g.seen, g.writers, g.idle} {
		if err := axis(ctx); err != nil {
			return g.out.String(), err
		}
	}
	return g.out.String(), nil
}

type growing struct {
	*bench
	score *score
	out   strings.Builder
}

func (g *growing) heading(title, axis string) {
	progress("%s", title)
	fmt.Fprintf(&g.out, "\n%s\n\n| %s | server µs | PostgreSQL µs | requests/s | p50 ms | p99 ms | MB |\n|--:|--:|--:|--:|--:|--:|--:|\n", title, axis)
}

// step measures one point of an axis.
func (g *growing) step(ctx context.Context, value int, database string, callers []caller, conns int, document func(caller) (string, int)) error {
	server, err := g.start(ctx, g.score, database)
	if err != nil {
		return err
	}
	defer server.stop()
	requests := make([]request, len(callers))
	for n, c := range callers {
		text, times := document(c)
		requests[n] = post(server.address, c.es256, text, c)
		requests[n].times = times
	}
	if err := startLoad(ctx, server.address, requests, conns).finish(ctx, warmUp); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	m, err := g.measureLoad(ctx, server, requests, conns)
	if err != nil {
		return fmt.Errorf("%d: %w", value, err)
	}
	progress("%8d  %s", value, m)
	fmt.Fprintf(&g.out, "| %d | %.0f | %.0f | %.0f | %s | %s | %d |\n", value, microseconds(m.ServerCPU), microseconds(m.DatabaseCPU),
		m.PerSecond, milliseconds(m.P50), milliseconds(m.P99), m.RSS>>20)
	return nil
}

func me(caller) (string, int) { return meDocument, 1 }

func (g *growing) rows(ctx context.Context) error {
	g.heading("Rows in the table, 64 connections.", "rows")
	for _, users := range []int{1_000, 10_000, 100_000, 1_000_000} {
		name, callers := databaseName, g.callers
		if users != g.users {
			name = fmt.Sprintf("bench_%d", users)
			if err := g.cluster.create(ctx, name, users); err != nil {
				return err
			}
			var err error
			if callers, err = g.issuer.callers(min(users, g.options.tokens), users); err != nil {
				return err
			}
		}
		// The first caller is also who is asked for until the server answers.
		shared := g.bench.callers
		g.bench.callers = callers
		err := g.step(ctx, users, name, callers, mainConns, me)
		g.bench.callers = shared
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *growing) aliases(ctx context.Context) error {
	g.heading("Aliases of me in one operation, 16 connections.", "aliases")
	for _, count := range []int{1, 10, 100} {
		var fields strings.Builder
		for n := range count {
			fmt.Fprintf(&fields, " a%d: me { id fullName avatarUrl }", n)
		}
		document := `{"query":"{` + fields.String() + ` }"}`
		if err := g.step(ctx, count, databaseName, g.callers, 16, func(caller) (string, int) { return document, count }); err != nil {
			return err
		}
	}
	return nil
}

// seen shows what a token costs that the server has not verified before: the more callers, the fewer come again.
func (g *growing) seen(ctx context.Context) error {
	g.heading("Different callers, one after the other, 64 connections.", "callers")
	for _, count := range []int{100, 1_000, 10_000, 100_000} {
		if count > g.users {
			break // there are no more users than rows
		}
		callers, err := g.issuer.callers(count, g.users)
		if err != nil {
			return err
		}
		if err := g.step(ctx, count, databaseName, callers, mainConns, me); err != nil {
			return err
		}
	}
	return nil
}

func (g *growing) writers(ctx context.Context) error {
	g.heading("updateMe on as many connections as writers, each write another user's row and on disk before the answer.", "writers")
	for _, count := range []int{1, 4, 16, 64} {
		err := g.step(ctx, count, databaseName, g.callers, count, func(c caller) (string, int) {
			return `{"query":"mutation Rename($name: String) { updateMe(input: {fullName: $name}) { id fullName } }","variables":{"name":"` + c.name + `"}}`, 1
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// idle shows what a signed-in websocket costs in memory while nothing happens on it.
func (g *growing) idle(ctx context.Context) error {
	progress("Idle websockets")
	fmt.Fprint(&g.out, "\nIdle websockets after connection_init, each of the 1,000 users having as many.\n\n| sockets | MB | KB a socket |\n|--:|--:|--:|\n")
	for _, count := range []int{1_000, 10_000} {
		if err := g.sockets(ctx, count); err != nil {
			return fmt.Errorf("%d sockets: %w", count, err)
		}
	}
	return nil
}

func (g *growing) sockets(ctx context.Context, count int) error {
	server, err := g.start(ctx, g.score, databaseName)
	if err != nil {
		return err
	}
	defer server.stop()
	before, err := usageOf(server.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for n := range count {
		socket, err := connect(ctx, server.address, g.callers[n%len(g.callers)].es256)
		if err != nil {
			return err
		}
		defer func() { _ = socket.CloseNow() }()
	}
	after, err := usageOf(server.cmd.Process.Pid)
	if err != nil {
		return err
	}
	progress("%8d  %d MB", count, after.rss>>20)
	fmt.Fprintf(&g.out, "| %d | %d | %.1f |\n", count, after.rss>>20, float64(after.rss-before.rss)/float64(count)/1024)
	return nil
}

// connect opens a websocket and signs in.
func connect(ctx context.Context, address, token string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, "ws://"+address+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return nil, err
	}
	init := []byte(`{"type":"connection_init","payload":{"Authorization":"Bearer ` + token + `"}}`)
	if err := socket.Write(ctx, websocket.MessageText, init); err != nil {
		return nil, err
	}
	_, answer, err := socket.Read(ctx)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(string(answer), "connection_ack") {
		return nil, fmt.Errorf("wrong answer: want connection_ack, got %.300s", answer)
	}
	return socket, nil
}
