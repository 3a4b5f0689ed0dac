//go:build linux

// Command live measures what subscriptions cost: the memory of an idle one, the CPU of many idle ones, and what many
// changes do to the latency of queries. Everything runs on this machine, and ends by itself. See ../live.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// options say how much is measured.
type options struct {
	sockets int           // each of another user
	changes int           // a second
	rate    int           // queries a second
	measure time.Duration // of each measurement
	settle  time.Duration // until the memory of idle sockets is read
	rounds  int           // of the comparison without and with changes
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet("live", flag.ContinueOnError)
	flags.IntVar(&o.sockets, "sockets", 10_000, "websockets, each with one subscription of another user")
	flags.IntVar(&o.changes, "changes", 1000, "changed rows a second")
	flags.IntVar(&o.rate, "rate", 200, "queries a second whose latency is measured")
	flags.DurationVar(&o.measure, "measure", 20*time.Second, "length of a measurement")
	flags.DurationVar(&o.settle, "settle", 6*time.Minute, "how long the sockets are idle before their memory is read: Go collects every 2 minutes, and gives back what two collections have not needed")
	flags.IntVar(&o.rounds, "rounds", 8, "rounds of a fifth of -measure without changes, with changes of rows that nobody watches, and with changes of watched ones")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	return b.measure(ctx)
}

// measure runs through everything and prints it as a table.
func (b *bench) measure(ctx context.Context) error {
	fmt.Printf("| what | figure |\n|---|---|\n")
	row := func(what, format string, args ...any) {
		fmt.Printf("| %s | %s |\n", what, fmt.Sprintf(format, args...))
	}

	if _, err := b.queries(ctx, b.options.measure/4); err != nil { // warm
		return err
	}
	alone, err := b.queries(ctx, b.options.measure)
	if err != nil {
		return err
	}
	row("latency of a query, no sockets", "%s", alone)
	empty, err := b.memory()
	if err != nil {
		return err
	}
	used := b.collections.megabytes()
	row("resident memory of the server, no sockets", "%.1f MB", megabytes(empty))

	began := time.Now()
	if err := b.subscribe(ctx); err != nil {
		return err
	}
	row(fmt.Sprintf("%d sockets opened, signed in, subscribed", b.options.sockets), "%.1f s", time.Since(began).Seconds())
	full, err := b.memory()
	if err != nil {
		return err
	}
	row("resident memory of a subscription, at once", "%.1f KB", float64(full-empty)/1000/float64(b.options.sockets))
	if err := sleep(ctx, b.options.settle); err != nil {
		return err
	}
	before, err := b.cpu()
	if err != nil {
		return err
	}
	if err := sleep(ctx, b.options.measure); err != nil {
		return err
	}
	after, err := b.cpu()
	if err != nil {
		return err
	}
	if full, err = b.memory(); err != nil {
		return err
	}
	row("memory of an idle subscription, heap in use and stack", "%.1f KB", (b.collections.megabytes()-used)*1000/float64(b.options.sockets))
	row("resident memory of the server, all sockets idle", "%.1f MB", megabytes(full))
	row("resident memory of an idle subscription", "%.1f KB", float64(full-empty)/1000/float64(b.options.sockets))
	row("CPU of all idle sockets, pings included", "%.2f %% of a core", 100*(after-before).Seconds()/b.options.measure.Seconds())

	if err := b.compare(ctx, row); err != nil {
		return err
	}

	b.hangUp()
	if err := sleep(ctx, b.options.measure); err != nil {
		return err
	}
	left, err := b.memory()
	if err != nil {
		return err
	}
	row("resident memory of the server when all have gone", "%.1f MB", megabytes(left))
	return nil
}

// window is a kind of load beside the queries, and what was measured in all its rounds.
type window struct {
	name    string
	load    func(context.Context) error // nil for none
	queries delays
	medians []time.Duration // one a round
	took    time.Duration   // in all
	cpu     time.Duration   // of the server
}

// compare takes turns between the loads, because other work on the machine comes and goes, and compares the medians of
// each round.
func (b *bench) compare(ctx context.Context, row func(what, format string, args ...any)) error {
	var unwatched atomic.Int64
	windows := []*window{
		{name: "no changes"},
		{name: "changes of rows that nobody watches", load: func(ctx context.Context) error { return b.change(ctx, b.options.sockets, &unwatched) }},
		{name: "changes of watched rows", load: func(ctx context.Context) error { return b.change(ctx, 0, &b.made) }},
	}
	for range b.options.rounds {
		for _, w := range windows {
			if err := b.round(ctx, w); err != nil {
				return err
			}
		}
	}
	for _, w := range windows {
		row("latency of a query beside the sockets, "+w.name, "%s", &w.queries)
	}
	for _, w := range windows[1:] {
		ratios := make([]float64, b.options.rounds)
		for i := range ratios {
			ratios[i] = float64(w.medians[i]) / float64(windows[0].medians[i])
		}
		slices.Sort(ratios)
		row("median latency, "+w.name+" : no changes, the middle one of the rounds", "%.2f (%.2f to %.2f)", ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	}
	made := b.made.Load()
	row("changes a second that were made: not watched, watched", "%.0f, %.0f", float64(unwatched.Load())/windows[1].took.Seconds(), float64(made)/windows[2].took.Seconds())
	for _, w := range windows {
		row("CPU of the server, "+w.name, "%.1f %% of a core", 100*w.cpu.Seconds()/w.took.Seconds())
	}
	row("CPU of the server for a change that is told to a client", "%.0f µs", float64(windows[2].cpu-windows[0].cpu)/1000/float64(made))
	row("change made until the client has it", "%s", b.pushes.wait(ctx, made))
	row("changes made, heard by a client", "%d, %d", made, b.pushes.count())
	return nil
}

func (b *bench) round(ctx context.Context, w *window) error {
	before, err := b.cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	loaded, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		if w.load != nil {
			ended <- w.load(loaded)
		} else {
			ended <- nil
		}
	}()
	queries, err := b.queries(ctx, b.options.measure/5)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	after, err := b.cpu()
	if err != nil {
		return err
	}
	w.took += time.Since(began)
	w.cpu += after - before
	w.medians = append(w.medians, queries.median())
	w.queries.all = append(w.queries.all, queries.all...)
	return sleep(ctx, time.Second/2) // for what is still on its way
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

func sleep(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}
