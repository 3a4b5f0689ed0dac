//go:build linux

// Command bench measures what a request costs: the CPU of the server and of PostgreSQL, the requests a second, the
// latency, the memory; for this server, for two floors, and for others that do the same work. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options say how much is measured.
type options struct {
	only    []string // names of contenders; nil means all
	conns   []int
	rounds  int
	measure time.Duration // of each measurement
	settle  time.Duration // before each measurement, under the same load
	users   int           // rows in the database
	tokens  int           // users whose tokens are used
	pool    int           // connections to PostgreSQL, the same for all
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// One connection comes three times: its latency hangs on how soon an idle CPU wakes, which differs from turn to turn.
	o := options{conns: []int{1, 16, 1, 64, 1, 256}, rounds: 10, measure: 600 * time.Millisecond, settle: 150 * time.Millisecond,
		users: 100_000, tokens: 1000, pool: 16}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "this server and the floors at 1 and 64 connections")
	lists := flags.Bool("lists", false, "pages, relations and inserts on the tables of examples/billing")
	var work []string
	growth := flags.Bool("growth", false, "how this server's cost grows with rows, aliases, callers, writers and idle sockets")
	write := flags.Bool("write", false, "write the tables into bench/README.md and the figures into bench/results.json, or lists.json")
	profile := flags.String("profile", "", "write a CPU profile of this server into this file, and measure nothing")
	flags.Func("only", "contenders to measure, separated by commas", func(v string) error { o.only = strings.Split(v, ","); return nil })
	flags.Func("workloads", "with -lists: "+workloadNames()+"; all of them if absent", func(v string) error { work = strings.Split(v, ","); return nil })
	flags.Func("conns", "numbers of connections, separated by commas", func(v string) (err error) { o.conns, err = numbers(v); return err })
	flags.IntVar(&o.rounds, "rounds", o.rounds, "rounds; the table shows medians")
	flags.DurationVar(&o.measure, "measure", o.measure, "length of a measurement")
	flags.DurationVar(&o.settle, "settle", o.settle, "load before a measurement")
	flags.IntVar(&o.users, "users", o.users, "rows in the database")
	flags.IntVar(&o.tokens, "tokens", o.tokens, "users whose tokens are used")
	flags.IntVar(&o.pool, "pool", o.pool, "connections to PostgreSQL, the same for all contenders")
	if err := flags.Parse(args); err != nil {
		return err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	preset := func(name string, set func()) {
		if !given[name] {
			set()
		}
	}
	switch {
	case *lists:
		preset("conns", func() { o.conns = []int{1, mainConns, atOnce} })
		preset("rounds", func() { o.rounds = 8 })
		preset("users", func() { o.users = 1000 })
		preset("tokens", func() { o.tokens = 250 })
		if *quick {
			preset("only", func() { o.only = []string{"usergraph", "handwritten", "handwritten-join"} })
			preset("conns", func() { o.conns = []int{1, mainConns} })
			preset("rounds", func() { o.rounds = 2 })
			preset("workloads", func() { work = []string{"W1", "W2", "plan", "products", "insert", "me"} })
		}
	case *quick:
		o.only, o.conns = []string{"usergraph", "usergraph-log", "usergraph-open", "static", "handwritten"}, []int{1, 64, 1}
	}
	if _, err := os.Stat("bench/peers"); err != nil {
		return errors.New("run it in the folder of go.mod: go run ./bench")
	}

	bench, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer bench.close()
	if *lists {
		reports, err := bench.lists(ctx, work)
		if err != nil {
			return err
		}
		if !*write {
			fmt.Print(listTables(reports))
			return nil
		}
		if reports, err = keepLists(reports); err != nil {
			return err
		}
		return writeBetween("lists", listTables(reports))
	}
	if err := bench.fill(ctx); err != nil {
		return err
	}
	if *profile != "" {
		return bench.profile(ctx, *profile)
	}
	if *growth {
		tables, err := bench.growth(ctx)
		if err != nil || !*write {
			fmt.Print(tables)
			return err
		}
		return writeBetween("growth", tables)
	}
	report, err := bench.compare(ctx)
	if err != nil {
		return err
	}
	fmt.Print(report.markdown())
	if !*write {
		return nil
	}
	if err := report.save(filepath.Join("bench", "results.json")); err != nil {
		return err
	}
	return writeBetween("table", report.markdown())
}

func workloadNames() string {
	names := make([]string, len(workloads))
	for n, w := range workloads {
		names[n] = w.name
	}
	return strings.Join(names, ",")
}

func numbers(list string) ([]int, error) {
	var all []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number of connections", word)
		}
		all = append(all, n)
	}
	return all, nil
}
