package auth_test

import (
	"testing"

	"usergraph/auth"
)

func TestIsLoopbackURL(t *testing.T) {
	for address, want := range map[string]bool{
		"http://localhost:54321":      true,
		"http://127.0.0.1:54321/auth": true,
		"http://127.8.9.10":           true,
		"http://[::1]:3000":           true,
		"http://localhost.example":    false,
		"http://127.0.0.1.example":    false,
		"http://localhost@example":    false,
		"http://0.0.0.0":              false,
		"http://192.168.0.1":          false,
		"http://[::1":                 false,
		"localhost":                   false,
		"":                            false,
	} {
		if auth.IsLoopbackURL(address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}
