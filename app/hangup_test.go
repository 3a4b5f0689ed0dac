//go:build unix

package app

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"usergraph/auth/authtest"
)

func TestHangupForgetsKeys(t *testing.T) {
	issuer := authtest.New(t)
	key := issuer.Publish("ES256")
	issuer.Use(key)
	url, _ := startServer(t, issuer)
	token := issuer.Token(ada)
	if status, body := ask(t, url, token, whoAmI); status != 200 {
		t.Fatalf("at first: %d %s", status, body)
	}
	issuer.Revoke(key)
	if status, body := ask(t, url, token, whoAmI); status != 200 {
		t.Fatalf("the keys are those of the first fetch: %d %s", status, body)
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		status, body := ask(t, url, token, whoAmI)
		if status == 401 && strings.Contains(body, `"TOKEN_INVALID"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the revoked key is still in use: %d %s", status, body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
