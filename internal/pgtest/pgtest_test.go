package pgtest

import (
	"testing"
	"testing/fstest"
)

func TestNew(t *testing.T) {
	for range 3 {
		db := New(t)
		db.Exec(t, "insert into auth.users (id, email) values ($1, $2)", "a0000000-0000-4000-8000-000000000001", "ada@example.com")
	}
}

// Each test with the same wrong migration hears what is wrong with it, and others go on.
func TestWrongMigration(t *testing.T) {
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	wrong := fstest.MapFS{"migrations/1_wrong.sql": {Data: []byte("select * from nowhere")}}
	_, first := migrated(server, wrong, nil)
	if _, again := migrated(server, wrong, nil); first == nil || again != first {
		t.Errorf("first %v, then %v", first, again)
	}
	With(t, fstest.MapFS{"migrations/1_right.sql": {Data: []byte("select 1")}})
}
