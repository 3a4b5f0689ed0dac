package database_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"go.uber.org/goleak"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

var (
	ada = uuid.MustParse("a0000000-0000-4000-8000-000000000001")
	bob = uuid.MustParse("b0000000-0000-4000-8000-000000000002")
)

// user is a row of the migrations' table.
type user struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID       uuid.UUID `bun:"id,pk"`
	FullName *string   `bun:"full_name"`
}

// callerOf returns a signed-in user as a caller.
func callerOf(id uuid.UUID) database.Caller {
	return database.Caller{Role: "authenticated", Subject: id.String(), Claims: fmt.Appendf(nil, `{"sub":%q,"role":"authenticated"}`, id)}
}

// newPostgres returns a database with Ada and Bob in it.
func newPostgres(t testing.TB) *pgtest.Database {
	t.Helper()
	pg := pgtest.New(t)
	pg.Exec(t, fmt.Sprintf(`insert into auth.users (id, raw_user_meta_data)
		values ('%s', '{"full_name": "Ada"}'), ('%s', '{"full_name": "Bob"}')`, ada, bob))
	return pg
}

// open returns a pool that is closed when the test ends. It then checks that nothing is left behind.
func open(t testing.TB, cfg database.Config) *database.DB {
	t.Helper()
	before := goleak.IgnoreCurrent()
	db, err := database.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	})
	return db
}

// openNew returns a pool of a few connections to a new database.
func openNew(t testing.TB) (*database.DB, *pgtest.Database) {
	t.Helper()
	pg := newPostgres(t)
	return open(t, database.Config{URL: pg.URL, MaxConns: 4}), pg
}

// loginAs returns a connection string with another login role.
func loginAs(t *testing.T, target, user, password string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// rename changes a user's name.
func rename(ctx context.Context, db bun.IDB, id uuid.UUID, name string) error {
	_, err := db.NewUpdate().Model(&user{ID: id, FullName: &name}).Column("full_name").WherePK().Exec(ctx)
	return err
}

// query1 returns one value of a superuser's query, outside the pool.
func query1[T any](t testing.TB, url, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var value T
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// thrice runs a test three times on the same connections: a text is first counted, then prepared, then already
// prepared.
func thrice(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, name := range []string{"first", "second", "third"} {
		t.Run(name, test)
	}
}
