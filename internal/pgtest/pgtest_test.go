package pgtest_test

import (
	"testing"

	"usergraph/internal/pgtest"
)

func TestNew(t *testing.T) {
	for range 3 {
		db := pgtest.New(t)
		db.Exec(t, "insert into auth.users (id, email) values ($1, $2)", "a0000000-0000-4000-8000-000000000001", "ada@example.com")
	}
}
