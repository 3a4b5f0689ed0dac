//go:build unix

package pgwire_test

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/internal/pgtest"
	"usergraph/internal/pgwire"
)

// BenchmarkPipeline compares a statement as protocol.go sends it, after its settings and before one Sync, with the same by
// pgconn's Pipeline, by turns. It reports the CPU of this process for a statement, and how many allocations it makes.
//
//	go test -run '^$' -bench Pipeline -benchtime 40x ./internal/pgwire
func BenchmarkPipeline(b *testing.B) {
	pg := pgtest.New(b)
	ctx := b.Context()
	config, err := pgx.ParseConfig(pg.URL)
	if err != nil {
		b.Fatal(err)
	}
	caller := &pgwire.Caller{Role: "authenticated", Claims: []byte(`{"sub":"a0000000-0000-4000-8000-000000000001","role":"authenticated"}`), Subject: "a0000000-0000-4000-8000-000000000001", ReadOnly: true}
	pool := pgwire.Open(pgwire.Config{Postgres: config, MaxConns: 1, MaxResultBytes: 1 << 20})
	const text, value = "select id, full_name, avatar_url from public.users where id = ", "a0000000-0000-4000-8000-000000000001"
	ours, err := pool.RunAlone(ctx, caller, text+"\x01'"+value+"'")
	if err != nil {
		b.Fatal(err)
	}
	theirs := pipelined(b, &config.Config, caller, text+"$1", value)
	const each = 400
	ways := []struct {
		name   string
		run    func() error
		cpu    time.Duration
		allocs uint64
	}{{name: "protocol", run: ours}, {name: "pipeline", run: theirs}}
	turn := func(i int) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		cpu := cpuTime(b)
		for range each {
			if err := ways[i].run(); err != nil {
				b.Fatal(ways[i].name, ": ", err)
			}
		}
		ways[i].cpu += cpuTime(b) - cpu
		runtime.ReadMemStats(&after)
		ways[i].allocs += after.Mallocs - before.Mallocs
	}
	turn(0)
	turn(1)
	ways[0].cpu, ways[1].cpu, ways[0].allocs, ways[1].allocs = 0, 0, 0, 0
	rounds := 0
	for b.Loop() {
		turn(rounds % 2)
		turn(1 - rounds%2)
		rounds++
	}
	for _, way := range ways {
		b.ReportMetric(float64(way.cpu.Nanoseconds())/float64(rounds*each), way.name+"-ns")
		b.ReportMetric(float64(way.allocs)/float64(rounds*each), way.name+"-allocs")
	}
	b.ReportMetric(float64(ways[1].cpu)/float64(ways[0].cpu), "pipeline/protocol")
}

func pipelined(b *testing.B, config *pgconn.Config, caller *pgwire.Caller, text, value string) func() error {
	conn, err := pgconn.ConnectConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	const searchPath = `"$user", public, pg_temp`
	if _, err := conn.Exec(b.Context(), "set search_path = "+searchPath).ReadAll(); err != nil {
		b.Fatal(err)
	}
	settingsText, settings := pgwire.Settings(caller, searchPath)
	first, err := conn.Prepare(b.Context(), "settings", settingsText, nil)
	if err != nil {
		b.Fatal(err)
	}
	second, err := conn.Prepare(b.Context(), "statement", text, nil)
	if err != nil {
		b.Fatal(err)
	}
	pipeline := conn.StartPipeline(context.Background())
	var values [][]byte
	return func() error {
		pipeline.SendQueryStatement(first, settings, nil, nil)
		pipeline.SendQueryStatement(second, [][]byte{[]byte(value)}, nil, nil)
		if err := pipeline.Sync(); err != nil {
			return err
		}
		for range 2 {
			results, err := pipeline.GetResults()
			if err != nil {
				return err
			}
			reader := results.(*pgconn.ResultReader)
			for reader.NextRow() {
				for _, value := range reader.Values() {
					values = append(values[:0], append([]byte(nil), value...))
				}
			}
			if _, err := reader.Close(); err != nil {
				return err
			}
		}
		_, err := pipeline.GetResults()
		return err
	}
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
