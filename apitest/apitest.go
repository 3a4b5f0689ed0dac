// Package apitest answers one question: how is an API tested?
//
// Documents runs the documents of testdata: each is one behaviour, requested by the owner, by another user or
// anonymously, on a real PostgreSQL. Schema checks a schema against the rules of the house. Postgres is for tests of
// queries, Serve for those of routes. The first test of a process starts a PostgreSQL, and downloads one if none is installed.
package apitest

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/app"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
)

// maxConns bounds the connections of a test's database.
const maxConns = 4

// Database is a PostgreSQL database that belongs to one test.
type Database struct {
	pg *pgtest.Database
	db *database.DB
}

// Postgres returns a new database with these migrations applied: a folder migrations of <version>_<name>.sql. It is
// dropped when the test ends.
func Postgres(t testing.TB, migrations fs.FS) *Database {
	t.Helper()
	return postgres(t, migrations)
}

// postgres is Postgres with triggers that announce the changes of the watched tables.
func postgres(t testing.TB, migrations fs.FS, watched ...database.Announcement) *Database {
	t.Helper()
	pg := pgtest.With(t, migrations, watched...)
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: maxConns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Database{pg, db}
}

// Exec runs SQL as the superuser: several statements, or one with arguments.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	d.pg.Exec(t, sql, args...)
}

// As returns the database as a signed-in user.
func (d *Database) As(user uuid.UUID) bun.IDB {
	claims := fmt.Appendf(nil, `{"role":"authenticated","sub":%q}`, user)
	return d.db.As(database.Caller{Role: "authenticated", Subject: user.String(), Claims: claims})
}

// Anonymous returns the database as a caller without a token.
func (d *Database) Anonymous() bun.IDB {
	return d.db.As(database.Caller{Role: "anon", Claims: []byte(`{"role":"anon"}`)})
}

// Schema fails the test for each type, field, argument and value without a description. It also fails for a field whose
// description does not end with its required caller, as in its directives: introspection does not show directives.
func Schema(t *testing.T, api app.API) {
	t.Helper()
	schema := api.Schema(new(endpoint.Engine)).Schema()
	for name, definition := range schema.Types {
		if definition.BuiltIn || strings.HasPrefix(name, "__") {
			continue
		}
		described(t, name, definition.Description)
		for _, value := range definition.EnumValues {
			described(t, name+"."+value.Name, value.Description)
		}
		root := definition == schema.Query || definition == schema.Mutation || definition == schema.Subscription
		for _, field := range definition.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			described(t, name+"."+field.Name, field.Description)
			for _, argument := range field.Arguments {
				described(t, fmt.Sprintf("%s.%s(%s:)", name, field.Name, argument.Name), argument.Description)
			}
			if access := endpoint.Access(field); (root || access != endpoint.AccessEverybody) && !strings.HasSuffix(field.Description, access) {
				t.Errorf("the description of %s.%s does not end in %q", name, field.Name, access)
			}
		}
	}
}

func described(t *testing.T, name, description string) {
	t.Helper()
	if description == "" {
		t.Errorf("%s has no description", name)
	}
}
