//go:build unix

package database_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"

	"usergraph/database"
)

// benchUsers is the number of rows of the table, and of different callers.
const benchUsers = 10_000

// openUser is a row of the same users without row-level security.
type openUser struct {
	bun.BaseModel `bun:"table:open_users,alias:u"`

	ID       uuid.UUID `bun:"id,pk"`
	FullName *string   `bun:"full_name"`
}

// BenchmarkRead reads one row by primary key, each time as another caller, in all ways. Beside the time it reports the
// CPU time of this process and of PostgreSQL. bench/README.md has figures.
//
//	go test -run '^$' -bench Read -benchtime 20000x -count 6 ./database
func BenchmarkRead(b *testing.B) {
	pg := newPostgres(b)
	pg.Exec(b, fmt.Sprintf(`insert into auth.users (id, raw_user_meta_data)
			select gen_random_uuid(), jsonb_build_object('full_name', 'User ' || n) from generate_series(1, %d) n;
		create table open_users (like users including all); insert into open_users select * from users;
		grant all on open_users to authenticated; analyze users; analyze open_users`, benchUsers))
	ids := benchIDs(b, pg.AdminURL)
	callers := make([]database.Caller, len(ids))
	for i, id := range ids {
		callers[i] = callerOf(id)
		callers[i].ReadOnly = true
	}
	const conns = 8
	ours := open(b, database.Config{URL: pg.URL, MaxConns: conns})
	exec := open(b, database.Config{URL: pg.URL + "&default_query_exec_mode=exec", MaxConns: conns})
	plain := plainBun(b, pg.AdminURL)
	plain.SetMaxOpenConns(conns)
	plain.SetMaxIdleConns(conns)
	pool, err := pgxpool.New(context.Background(), pg.AdminURL+"&pool_max_conns="+strconv.Itoa(conns))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)

	for _, way := range []struct {
		name string
		read func(ctx context.Context, i int) error
	}{
		{"As", func(ctx context.Context, i int) error {
			return ours.As(callers[i]).NewSelect().Model(new(user)).Where("u.id = ?", ids[i]).Scan(ctx)
		}},
		{"As,no-policies", func(ctx context.Context, i int) error {
			return ours.As(callers[i]).NewSelect().Model(new(openUser)).Where("u.id = ?", ids[i]).Scan(ctx)
		}},
		{"As,unprepared", func(ctx context.Context, i int) error {
			return exec.As(callers[i]).NewSelect().Model(new(user)).Where("u.id = ?", ids[i]).Scan(ctx)
		}},
		{"As,transaction", func(ctx context.Context, i int) error {
			return ours.As(callers[i]).RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				return tx.NewSelect().Model(new(user)).Where("u.id = ?", ids[i]).Scan(ctx)
			})
		}},
		{"bun,no-policies", func(ctx context.Context, i int) error {
			return plain.NewSelect().Model(new(openUser)).Where("u.id = ?", ids[i]).Scan(ctx)
		}},
		{"bun,statement-by-statement", func(ctx context.Context, i int) error {
			return plain.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.ExecContext(ctx, "select set_config('role', ?, true), set_config('request.jwt.claims', ?, true)",
					callers[i].Role, string(callers[i].Claims)); err != nil {
					return err
				}
				return tx.NewSelect().Model(new(user)).Where("u.id = ?", ids[i]).Scan(ctx)
			})
		}},
		{"pgx,no-policies", func(ctx context.Context, i int) error {
			var found openUser
			return pool.QueryRow(ctx, "select id, full_name from open_users where id = $1", ids[i]).Scan(&found.ID, &found.FullName)
		}},
	} {
		for _, workers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", way.name, workers), func(b *testing.B) {
				ctx, cancel := context.WithCancel(context.Background()) // as a request has
				defer cancel()
				read := func(i int) {
					if err := way.read(ctx, i%len(ids)); err != nil {
						b.Fatal(err)
					}
				}
				for i := range 400 { // connect, and let PostgreSQL choose its plans
					read(i)
				}
				measure(b, pg.AdminURL, func() {
					if workers == 1 {
						for i := 0; b.Loop(); i++ {
							read(i)
						}
						return
					}
					b.SetParallelism(workers / 2)
					b.RunParallel(func(pb *testing.PB) {
						for i := 0; pb.Next(); i++ {
							read(i)
						}
					})
				})
			})
		}
	}
}

func benchIDs(b *testing.B, url string) []uuid.UUID {
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), "select id::text from users order by random()")
	if err != nil {
		b.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (uuid.UUID, error) {
		var id string
		err := row.Scan(&id)
		if err != nil {
			return uuid.Nil, err
		}
		return uuid.Parse(id)
	})
	if err != nil {
		b.Fatal(err)
	}
	return ids
}

// measure runs a benchmark and reports the CPU time of this process and of PostgreSQL's sessions, in µs per operation.
func measure(b *testing.B, url string, run func()) {
	b.ReportAllocs()
	mine, theirs := cpuOfProcess(b), cpuOfSessions(b, url)
	b.ResetTimer()
	run()
	b.StopTimer()
	mine, theirs = cpuOfProcess(b)-mine, cpuOfSessions(b, url)-theirs
	b.ReportMetric(float64(mine.Microseconds())/float64(b.N), "go-µs/op")
	b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "pg-µs/op")
}

func cpuOfProcess(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// cpuOfSessions adds up /proc/<pid>/stat, which counts in hundredths of a second.
func cpuOfSessions(b *testing.B, url string) (total time.Duration) {
	pids := query1[string](b, url, "select string_agg(pid::text, ' ') from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	for _, pid := range strings.Fields(pids) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		for _, field := range strings.Fields(rest)[11:13] {
			ticks, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			total += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return total
}
