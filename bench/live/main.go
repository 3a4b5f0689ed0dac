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
	row("resident memory of an idle subscription", "%.1f KB", float64(full-empty)/1000/float64(b.options.sockets))
	row("CPU of all idle sockets, pings included", "%.2f %% of a core", 100*(after-before).Seconds()/b.options.measure.Seconds())

	idle, err := b.queries(ctx, b.options.measure)
	if err != nil {
		return err
	}
	row("latency of a query beside the idle sockets", "%s", idle)

	changing, stop := context.WithCancel(ctx)
	changed := make(chan error, 1)
	go func() { changed <- b.change(changing) }()
	busy, err := b.queries(ctx, b.options.measure)
	stop()
	if err := errors.Join(err, <-changed); err != nil {
		return err
	}
	row(fmt.Sprintf("latency of a query beside %d changes a second", b.options.changes), "%s", busy)
	row("change made until the client has it", "%s", b.pushes.wait(ctx, b.made.Load()))
	row("changes made, heard by a client", "%d, %d", b.made.Load(), b.pushes.count())
	if b.pushes.count() < int(b.made.Load()) {
		row("changes that were told with a later one", "%d", int(b.made.Load())-b.pushes.count())
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

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

func sleep(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}
