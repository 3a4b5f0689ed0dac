//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"
)

// startTimeout is how long a contender may take until it answers rightly.
const startTimeout = 30 * time.Second

// A contender is warmed up before it is measured: pools fill, V8 compiles what is hot.
const (
	warmUp      = 2 * time.Second
	warmUpConns = 16
)

// databaseName is where the users of the comparison are; openName has the same without row-level security.
const (
	databaseName = "bench"
	openName     = "bench_open"
)

// bench holds what all measurements share.
type bench struct {
	options
	dir     string
	cluster *cluster
	issuer  *issuer
	callers []caller
}

// prepare starts PostgreSQL and signs the tokens.
func prepare(ctx context.Context, o options) (_ *bench, err error) {
	b := &bench{options: o}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "usergraph-bench-"); err != nil {
		return nil, err
	}
	progress("PostgreSQL with %d users", o.users)
	if b.cluster, err = startCluster(ctx); err != nil {
		return nil, err
	}
	if b.issuer, err = newIssuer(); err != nil {
		return nil, err
	}
	b.callers, err = b.issuer.callers(min(o.tokens, o.users), o.users)
	return b, err
}

// fill makes the databases of the comparison.
func (b *bench) fill(ctx context.Context) error {
	if err := b.cluster.create(ctx, databaseName, b.users); err != nil {
		return err
	}
	return b.cluster.open(ctx, databaseName, openName)
}

func (b *bench) close() {
	if b.cluster != nil {
		if err := b.cluster.Stop(); err != nil {
			progress("stop PostgreSQL: %v", err)
		}
	}
	_ = os.RemoveAll(b.dir)
}

// progress tells on standard error what happens, and when.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// measurement is what one contender did on that many connections, once.
type measurement struct {
	Conns       int           `json:"conns"`
	PerSecond   float64       `json:"perSecond"`
	ServerCPU   time.Duration `json:"serverCPUNanoseconds"` // a request
	DatabaseCPU time.Duration `json:"databaseCPUNanoseconds"`
	P50         time.Duration `json:"p50Nanoseconds"`
	P99         time.Duration `json:"p99Nanoseconds"`
	RSS         int64         `json:"rssBytes"` // of the server and its children, at the end
}

func (m measurement) cpu() time.Duration { return m.ServerCPU + m.DatabaseCPU }

// score is all that is known about a contender.
type score struct {
	Name     string        `json:"name"`
	Does     string        `json:"does"`
	Versions []string      `json:"versions"`
	Skipped  string        `json:"skipped,omitempty"` // why there are no figures
	Medians  []measurement `json:"medians"`

	contender contender
	command   []string
	server    *running
	requests  []request
	rounds    []measurement
}

// compare measures all contenders on one row.
func (b *bench) compare(ctx context.Context) (*report, error) {
	scores, err := b.build(ctx, contenders)
	if err != nil {
		return nil, err
	}
	if err := b.takeTurns(ctx, scores); err != nil {
		return nil, err
	}
	return b.report(ctx, scores)
}

// takeTurns keeps all contenders up, and lets one after the other answer for a short turn: what else the machine does happens
// to all of them, and a figure of two of them in the same round can be compared.
func (b *bench) takeTurns(ctx context.Context, scores []*score) error {
	for _, s := range scores {
		if s.Skipped != "" {
			continue
		}
		progress("start %s", s.Name)
		err := b.enter(ctx, s)
		if s.server != nil {
			defer s.server.stop()
		}
		if err != nil {
			if err = s.leave(err); err != nil {
				return err
			}
		}
	}
	turns := slices.Clone(scores)
	for round := range b.rounds {
		for _, conns := range b.conns {
			for _, s := range turns {
				if s.Skipped != "" {
					continue
				}
				m, err := b.measureLoad(ctx, s.server, s.requests, conns)
				if err != nil {
					err = s.leave(fmt.Errorf("%d connections: %w", conns, err))
				} else {
					s.rounds = append(s.rounds, m)
				}
				if err = errors.Join(ctx.Err(), err); err != nil {
					return err
				}
			}
		}
		progress("round %d of %d", round+1, b.rounds)
		slices.Reverse(turns) // who follows whom must not matter
	}
	for _, s := range scores {
		s.Medians = medians(s.rounds)
	}
	return nil
}

// enter starts a contender and warms it up.
func (b *bench) enter(ctx context.Context, s *score) (err error) {
	if s.server, err = b.start(ctx, s, cmp.Or(s.contender.database, databaseName)); err != nil {
		return err
	}
	for _, c := range b.callers {
		s.requests = append(s.requests, s.contender.request(s.server.address, c))
	}
	if s.contender.verify != nil {
		if err := s.contender.verify(ctx, s); err != nil {
			return err
		}
	}
	if err := startLoad(ctx, s.server.address, s.requests, warmUpConns).finish(ctx, warmUp); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	return nil
}

// leave ends the measurement of a contender that does not answer rightly, or the run if all must.
func (s *score) leave(why error) error {
	if s.contender.verify != nil {
		return fmt.Errorf("%s: %w", s.Name, why)
	}
	progress("%s: %v", s.Name, why)
	s.Skipped, s.rounds = why.Error(), nil
	return nil
}

// build makes the chosen contenders ready.
func (b *bench) build(ctx context.Context, all []contender) ([]*score, error) {
	var scores []*score
	for _, c := range all {
		if b.only != nil && !slices.Contains(b.only, c.name) {
			continue
		}
		progress("build %s", c.name)
		s := &score{Name: c.name, Does: c.does, contender: c}
		command, err := c.build(ctx, b.dir)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			progress("%s: %v", c.name, err)
			s.Skipped = err.Error()
		default:
			s.command, s.Versions = command, c.versions(ctx, command)
		}
		scores = append(scores, s)
	}
	if len(scores) == 0 {
		return nil, errors.New("there is no contender of that name")
	}
	return scores, nil
}

func (m measurement) String() string {
	return fmt.Sprintf("%6.0f/s  CPU %4.0f + %3.0f µs  p50 %s  p99 %s  %d MB", m.PerSecond,
		microseconds(m.ServerCPU), microseconds(m.DatabaseCPU), m.P50.Round(time.Microsecond), m.P99.Round(time.Microsecond), m.RSS>>20)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// running is a contender that answers.
type running struct {
	*process
	address string
}

// start runs a contender and waits until it answers rightly.
func (b *bench) start(ctx context.Context, s *score, database string) (*running, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := startProcess(ctx, b.dir, append(b.environment(s.contender, database, port), s.contender.env...), s.command...)
	if err != nil {
		return nil, err
	}
	r := &running{p, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	deadline := time.Now().Add(startTimeout)
	for {
		first := []request{s.contender.request(r.address, b.callers[0])}
		err := ask(ctx, r.address, first, func(int, []byte) error { return nil })
		if err == nil {
			return r, nil
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("ended: %s", p.lastLines())
		case <-ctx.Done():
			r.stop()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.stop()
			return nil, fmt.Errorf("no right answer in %s: %w\n%s", startTimeout, err, p.lastLines())
		}
	}
}

// environment is what contenders are told; each takes what it knows.
func (b *bench) environment(c contender, database string, port int) []string {
	url := b.cluster.plain(database)
	if c.rls {
		url = b.cluster.URL("authenticator", database)
	}
	return []string{
		"HOST=127.0.0.1",
		"PORT=" + strconv.Itoa(port),
		"UVICORN_PORT=" + strconv.Itoa(port),
		"DATABASE_URL=" + url,
		"POOL=" + strconv.Itoa(b.pool),
		"DATABASE_MAX_CONNS=" + strconv.Itoa(b.pool),
		"SUPABASE_URL=" + b.issuer.url(),
		"SUPABASE_JWKS_URL=" + b.issuer.url() + "/auth/v1/.well-known/jwks.json",
		"JWT_ISSUER=" + b.issuer.url() + "/auth/v1",
		"JWT_SECRET=" + b.issuer.secret,
		"NODE_ENV=production",
		"DRAIN_DELAY=0s", // nobody has to be told that this server goes away
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// measureLoad keeps that many connections busy, and measures once the load has settled.
func (b *bench) measureLoad(ctx context.Context, server *running, requests []request, conns int) (measurement, error) {
	l := startLoad(ctx, server.address, requests, conns)
	if err := l.wait(ctx, b.settle); err != nil {
		return measurement{}, err
	}
	before, err := b.sample(server, l)
	if err != nil {
		l.stop()
		return measurement{}, err
	}
	l.measuring.Store(true)
	if err := l.wait(ctx, b.measure); err != nil {
		return measurement{}, err
	}
	l.measuring.Store(false)
	after, err := b.sample(server, l)
	latencies := l.stop()
	if err != nil {
		return measurement{}, err
	}
	answered := after.answered - before.answered
	if answered == 0 || len(latencies) == 0 {
		return measurement{}, errors.New("not one answer")
	}
	return measurement{
		Conns:       conns,
		PerSecond:   float64(answered) / after.at.Sub(before.at).Seconds(),
		ServerCPU:   (after.server.cpu - before.server.cpu) / time.Duration(answered),
		DatabaseCPU: (after.database.cpu - before.database.cpu) / time.Duration(answered),
		P50:         quantile(latencies, 0.50),
		P99:         quantile(latencies, 0.99),
		RSS:         after.server.rss,
	}, nil
}

// wait lets the load go on for a while, and ends it if an answer is wrong.
func (l *load) wait(ctx context.Context, d time.Duration) error {
	var err error
	select {
	case <-time.After(d):
		return nil
	case err = <-l.failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.stop()
	return err
}

// finish lets the load go on for a while, and ends it.
func (l *load) finish(ctx context.Context, d time.Duration) error {
	err := l.wait(ctx, d)
	if err == nil {
		l.stop()
	}
	return err
}

// sample is what was done, and used, until a moment.
type sample struct {
	at               time.Time
	answered         int
	server, database usage
}

// sample counts the answers between both readings of the clocks, which take a few milliseconds: so two samples are as far
// apart in each of their figures.
func (b *bench) sample(server *running, l *load) (s sample, err error) {
	if s.server, err = usageOf(server.cmd.Process.Pid); err != nil {
		return s, err
	}
	s.at, s.answered = time.Now(), l.answered()
	s.database, err = usageOf(b.cluster.pid)
	return s, err
}

// medians has one measurement for each number of connections, each figure the median of its own.
func medians(rounds []measurement) []measurement {
	byConns := map[int][]measurement{}
	var order []int
	for _, m := range rounds {
		if byConns[m.Conns] == nil {
			order = append(order, m.Conns)
		}
		byConns[m.Conns] = append(byConns[m.Conns], m)
	}
	var all []measurement
	for _, conns := range order {
		ms := byConns[conns]
		all = append(all, measurement{
			Conns:       conns,
			PerSecond:   median(ms, func(m measurement) float64 { return m.PerSecond }),
			ServerCPU:   median(ms, func(m measurement) time.Duration { return m.ServerCPU }),
			DatabaseCPU: median(ms, func(m measurement) time.Duration { return m.DatabaseCPU }),
			P50:         median(ms, func(m measurement) time.Duration { return m.P50 }),
			P99:         median(ms, func(m measurement) time.Duration { return m.P99 }),
			RSS:         median(ms, func(m measurement) int64 { return m.RSS }),
		})
	}
	return all
}

func median[T cmp.Ordered](ms []measurement, figure func(measurement) T) T {
	values := make([]T, len(ms))
	for n, m := range ms {
		values[n] = figure(m)
	}
	slices.Sort(values)
	return quantile(values, 0.50)
}
