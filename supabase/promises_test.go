package supabase_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"usergraph/database"
	"usergraph/internal/pgtest"
	"usergraph/models"
	"usergraph/supabase"
)

// Pieces of names and addresses, good ones and those that some parser reads in its own way.
var (
	namePieces = []string{"", "Ada", " ", "\t", "\n", "\r", "\u0085", "\u00a0", "\u2028", "\u2029", "\u200b", "\ufeff", "\u00ad", "\u3000", "\x01", "\x1f", "\x7f", "\u009f", "é", "💥", "\u202e", "{\"a\":1}",
		"李", "\U0010ffff", "\ue000", strings.Repeat("x", 100), strings.Repeat("é", 199), "%", "'", `\`, "[", "^", "-"}
	urlPieces = []string{"", "http", "https", "HTTPS", "javascript", "ftp", ":", "://", "//", "/", `\`, "example.com", "127.0.0.1", "[::1]", "[::1%25eth0]", "münchen.example", "例え.example", "a_b.example", "-", ".", ":0", ":1", ":80", ":65535",
		":65536", ":99999", ":080", ":", "@", "user:secret@", "/ada.png", "/a b.png", "?q=1", "#f", "%20", "%zz", "%", "%2", "\n", "\t", "\u2028", "\u0085", "\x7f", "💥", "\u202e", "\u00a0", "alert(1)", strings.Repeat("x", 1000), "\ud7ff", "\ufeff", "\u3000"}
)

func glue(pieces []string) string {
	text := ""
	for range rand.IntN(8) {
		text += pieces[rand.IntN(len(pieces))]
	}
	return text
}

// Go refuses what the constraints refuse, and nothing else: on odd values, and on random mixes of them.
func TestPromisesAgree(t *testing.T) {
	pg := pgtest.With(t, supabase.Migrations)
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, rule := range []struct {
		constraint, column string
		inGo               func(string) bool
		values             []string
		mix                func() string
	}{
		{"users_full_name_shows", "full_name", func(name string) bool { return models.CheckName(name) == nil }, namePieces, func() string { return glue(namePieces) }},
		{"users_avatar_url_is_web", "avatar_url", func(address string) bool { return models.CheckAvatarURL(address) == nil }, []string{
			"https://example.com", "http://example.com:65535/a?b#c", "https://example.com/" + strings.Repeat("x", 2028), "https://example.com/" + strings.Repeat("x", 2029),
			"https://example.com/" + strings.Repeat("é", 2028), "javascript:alert(1)", "https://[::1%25eth0]/", "https://example.com:99999/", "https://example.com\n", "https:/example.com",
		}, func() string {
			if rand.IntN(3) > 0 {
				return "https://example.com" + glue(urlPieces)
			}
			return glue(urlPieces)
		}},
	} {
		values := slices.Clone(rule.values)
		for range 10_000 {
			values = append(values, rule.mix())
		}
		var check string
		if err := conn.QueryRow(t.Context(), "select pg_get_expr(conbin, conrelid) from pg_constraint where conname = $1", rule.constraint).Scan(&check); err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(t.Context(), "select "+check+" from unnest($1::text[]) with ordinality as v ("+rule.column+", n) order by n", values)
		if err != nil {
			t.Fatal(err)
		}
		inSQL, err := pgx.CollectRows(rows, pgx.RowTo[bool])
		if err != nil {
			t.Fatal(err)
		}
		count := map[bool]int{}
		for i, value := range values {
			count[inSQL[i]]++
			if rule.inGo(value) != inSQL[i] {
				t.Errorf("%s(%q) is %t, and in Go %t", rule.constraint, value, inSQL[i], rule.inGo(value))
			}
		}
		if count[true] < 500 || count[false] < 500 {
			t.Errorf("%s: %v are a poor test", rule.constraint, count)
		}
	}
}

// broken are values that no promise allows, by column.
var broken = map[string][]string{
	"full_name":  {"", " ", "\u200b", "a\nb", "a\u2028b", "\x01", strings.Repeat("x", 201)},
	"avatar_url": {"", "javascript:alert(1)", "data:text/html,x", "https://[::1%25eth0]/", "https://example.com:99999/", "https://user:secret@example.com/", "https://example.com/\n", "https://example.com/" + strings.Repeat("x", 2048)},
}

// Whoever writes the table keeps the promises.
func TestPromisesBindAllWhoWrite(t *testing.T) {
	pg := pgtest.With(t, supabase.Migrations)
	id := uuid.New()
	pg.Exec(t, "insert into auth.users (id) values ($1)", id)
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for column, values := range broken {
		for _, value := range values {
			if _, err := conn.Exec(t.Context(), "update public.users set "+column+" = $2 where id = $1", id, value); err == nil || !strings.Contains(err.Error(), "23514") {
				t.Errorf("%s = %q: %v", column, value, err)
			}
		}
	}
}

// A sign-up never fails for what somebody writes into their metadata, and keeps what is good of it.
func TestSignUpKeepsWhatIsGood(t *testing.T) {
	pg := pgtest.With(t, supabase.Migrations)
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	signUp := func(meta any) (name, address *string) {
		t.Helper()
		id := uuid.New()
		if _, err := conn.Exec(t.Context(), "insert into auth.users (id, raw_user_meta_data) values ($1, $2)", id, meta); err != nil {
			t.Errorf("%v: %v", meta, err)
			return nil, nil
		}
		if err := conn.QueryRow(t.Context(), "select full_name, avatar_url from public.users where id = $1", id).Scan(&name, &address); err != nil {
			t.Errorf("%v: %v", meta, err)
		}
		return name, address
	}
	const goodName, goodURL = "Ada", "https://example.com/ada.png"
	name, address := signUp(map[string]any{"full_name": goodName, "avatar_url": goodURL})
	if name == nil || *name != goodName || address == nil || *address != goodURL {
		t.Errorf("good metadata are lost: %v %v", name, address)
	}
	notText := []any{map[string]any{"a": 1}, []string{"x"}, 42, true, nil}
	for _, value := range append(notText, anyOf(broken["full_name"])...) {
		if name, address := signUp(map[string]any{"full_name": value, "avatar_url": goodURL}); name != nil || address == nil {
			t.Errorf("full_name %v: %v %v", value, name, address)
		}
	}
	for _, value := range append(notText, anyOf(broken["avatar_url"])...) {
		if name, address := signUp(map[string]any{"full_name": goodName, "avatar_url": value}); name == nil || address != nil {
			t.Errorf("avatar_url %v: %v %v", value, name, address)
		}
	}
	for _, meta := range []any{nil, []int{1}, `"text"`, 7, map[string]any{}} {
		if name, address := signUp(meta); name != nil || address != nil {
			t.Errorf("%v: %v %v", meta, name, address)
		}
	}
	// A team's own constraints, and a narrower type.
	pg.Exec(t, "alter table public.users add constraint has_a_name check (full_name is not null) not valid")
	if name, _ := signUp(map[string]any{"full_name": goodName, "avatar_url": goodURL}); name == nil {
		t.Error("a table that needs a name is not filled")
	}
	// Where no row can be made, the user has signed up nevertheless.
	for _, change := range []string{"", "alter table public.users add shoe_size int not null default 1; alter table public.users alter shoe_size drop default", "alter table public.users rename to away"} {
		pg.Exec(t, change)
		if _, err := conn.Exec(t.Context(), "insert into auth.users (id) values ($1)", uuid.New()); err != nil {
			t.Errorf("%s: %v", change, err)
		}
	}
	pg.Exec(t, "alter table public.away rename to users")
	pg.Exec(t, "alter table public.users drop shoe_size, drop constraint has_a_name")
	pg.Exec(t, "alter table public.users add constraint no_bob check (full_name <> 'Bob'), alter avatar_url type varchar(30)")
	if conn, err = pgx.Connect(t.Context(), pg.AdminURL); err != nil { // plans of the first one are of the old types
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if name, _ := signUp(map[string]any{"full_name": "Bob"}); name != nil {
		t.Error(*name)
	}
	if _, address := signUp(map[string]any{"avatar_url": goodURL + strings.Repeat("x", 30)}); address != nil {
		t.Error(*address)
	}
}

func anyOf(texts []string) (values []any) {
	for _, text := range texts {
		values = append(values, text)
	}
	return values
}

// In a table without the constraints, each way to read a user keeps the promises.
func TestPromisesHoldWhenRead(t *testing.T) {
	pg := pgtest.With(t, supabase.Migrations)
	pg.Exec(t, "alter table public.users drop constraint users_full_name_shows, drop constraint users_avatar_url_is_web")
	db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	id := uuid.New()
	pg.Exec(t, "insert into auth.users (id) values ($1)", id)
	as := db.As(database.Caller{Role: "authenticated", Claims: fmt.Appendf(nil, `{"sub":%q}`, id)})
	for i := range max(len(broken["full_name"]), len(broken["avatar_url"])) {
		pg.Exec(t, "update public.users set full_name = $2, avatar_url = $3 where id = $1", id,
			broken["full_name"][i%len(broken["full_name"])], broken["avatar_url"][i%len(broken["avatar_url"])])
		if user, err := models.UserByID(t.Context(), as, id); err != nil || user.FullName != nil || user.AvatarURL != nil {
			t.Errorf("read %v, %v", user, err)
		}
		name := "Ada"
		written, err := models.UpdateUser(t.Context(), as, id, &models.User{FullName: &name}, "full_name")
		if err != nil || *written.FullName != name || written.AvatarURL != nil {
			t.Errorf("changed to %v, %v", written, err)
		}
		var all []models.User
		if err := as.NewSelect().Model(&all).Scan(t.Context()); err != nil || len(all) != 1 || all[0].AvatarURL != nil {
			t.Errorf("read %v, %v", all, err)
		}
	}
}
