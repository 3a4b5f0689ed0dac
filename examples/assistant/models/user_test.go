package models_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"

	"example.com/assistant/models"
	"example.com/assistant/supabase"
	"usergraph/apitest"
	"usergraph/database/rows"
)

// odd are texts that the path to the table and back could interpret.
var odd = []string{"", "a", "'", `\`, "?", "\x01", "\x01'x'", "é💥", "a\nb\r\t", "null", "\x7f", "\u202e", "?0 ?foo", `\x00`, "2026-11-24", "{}", "--", "/*", "$1"}

// oddText begins with a valid character and continues with any that the table accepts.
func oddText(begin string, check func(string) error) *string {
	if rand.IntN(4) == 0 {
		return nil
	}
	for {
		if text := begin + odd[rand.IntN(len(odd))] + odd[rand.IntN(len(odd))]; check(text) == nil {
			return &text
		}
	}
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// Every text is stored, returned and read unchanged, by many concurrent callers.
func TestUpdateUser(t *testing.T) {
	db := apitest.Postgres(t, supabase.Migrations)
	var callers sync.WaitGroup
	for range 8 {
		id := uuid.New()
		db.Exec(t, "insert into auth.users (id) values ($1)", id)
		as := db.As(id)
		callers.Go(func() {
			want := models.User{ID: id}
			for range 60 {
				user, columns := want, []string{"full_name", "avatar_url"}[rand.IntN(2):]
				if columns[0] == "full_name" {
					user.FullName = oddText("", models.CheckName)
				}
				user.AvatarURL = oddText("https://example.com/", models.CheckAvatarURL)
				want = user
				if got, err := models.UpdateUser(t.Context(), as, id, &user, columns...); err != nil || !same(got.FullName, want.FullName) || !same(got.AvatarURL, want.AvatarURL) {
					t.Errorf("wrote %+v, got %+v: %v", want, got, err)
				}
				found, err := models.UserByID(t.Context(), as, id)
				if err != nil || !same(found.FullName, want.FullName) || !same(found.AvatarURL, want.AvatarURL) {
					t.Errorf("wrote %+v, read %+v: %v", want, found, err)
				}
			}
		})
	}
	callers.Wait()
}

// Another user's row and a missing one look the same.
func TestNoSuchUser(t *testing.T) {
	db := apitest.Postgres(t, supabase.Migrations)
	other := uuid.New()
	db.Exec(t, "insert into auth.users (id) values ($1)", other)
	as := db.As(uuid.New())
	for _, id := range []uuid.UUID{other, uuid.New()} {
		if user, err := models.UserByID(t.Context(), as, id); user != nil || err != nil {
			t.Errorf("read %v, %v", user, err)
		}
		if _, err := models.UpdateUser(t.Context(), as, id, new(models.User), "full_name"); !errors.Is(err, rows.ErrNotFound) {
			t.Error(err)
		}
	}
}
