//go:build services

package drills_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/internal/pgtest"
)

// wrongClock builds the program with a clock that a file sets wrong: the same source, but for time.Now of the standard
// library. As when a machine's clock is set, timers and durations go on as before.
func wrongClock(t *testing.T) (program string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	before, now, _ := strings.Cut(string(text), "func Now() Time {")
	const read = "sec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(now, read) {
		t.Fatal("time.Now is not as it was in Go 1.26: look at how it reads the clock")
	}
	changed := before + "func Now() Time {" + strings.Replace(now, read, read+"\tsec += skew.Load()\n", 1)
	folder := t.TempDir()
	skew, err := filepath.Abs("testdata/skew/skew.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(library, "time.go"): filepath.Join(folder, "time.go"),
		filepath.Join(library, "skew.go"): skew,
	}})
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(folder, "usergraph")
	for name, content := range map[string]string{"time.go": changed, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-overlay", filepath.Join(folder, "overlay.json"), "-o", program, "../internal/testapi/server").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// The server's clock jumps two hours forth, four back, and is mended, under load. New tokens are refused with a code that says
// why, new keys are fetched and rate limits forgive as ever, and at the end all is well without a restart.
func TestClockJumps(t *testing.T) {
	t.Parallel() // it is mostly waiting and compiling
	fresh := pgtest.New(t)
	around := populate(t, fresh.AdminURL, 20)
	file := filepath.Join(t.TempDir(), "skew")
	set := func(skew time.Duration) {
		t.Helper()
		next := file + ".next"
		if err := os.WriteFile(next, []byte(strconv.Itoa(int(skew.Seconds()))), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	s := startProgram(t, wrongClock(t), append(around.settings(fresh.URL), "CLOCK_SKEW_FILE="+file, "RATE_LIMIT_ANONYMOUS=5/5s")...)
	before := s.warm(t, around.callers)
	asked := begin(t, s.url, around.callers, 4)
	asked.more(t, 100)

	nobody := uuid.New()
	// The tokens of the load expire, and what is refused counts for its address.
	elsewhere, anywhere := clientFrom("127.0.0.3"), clientFrom("127.0.0.4")
	for _, jump := range []struct {
		skew    time.Duration
		code    string // of tokens that were just signed, by a right clock
		because string
	}{
		{2 * time.Hour, "TOKEN_EXPIRED", "token expired"},
		{-2 * time.Hour, "TOKEN_INVALID", "in the future (iat): a clock is wrong"},
	} {
		set(jump.skew)
		eventually(t, jump.code, func() error {
			got, err := askBy(t.Context(), elsewhere, s.url, around.issuer.Token(nobody), whoAmI)
			if err == nil && (got.status != http.StatusUnauthorized || got.code != jump.code || !strings.Contains(got.body, jump.because)) {
				err = fmt.Errorf("%d %s", got.status, got.body)
			}
			return err
		})
		if err := getOK(s.url + "/readyz"); err != nil {
			t.Error(err)
		}
		// A token signed by a clock that is wrong in the same way, with a key that is new.
		around.issuer.Use(around.issuer.Publish("ES256"))
		token := around.issuer.Token(nobody, func(claims jwt.MapClaims) {
			now := time.Now().Add(jump.skew).Unix()
			claims["iat"], claims["exp"] = now, now+3600
		})
		took := eventually(t, "a new key", func() error {
			got, err := ask(t.Context(), s.url, token, whoAmI)
			if err == nil && (got.code != "" || got.status != http.StatusOK) {
				err = errors.New(got.body)
			}
			return err
		})
		t.Logf("at %s a token of a new key was accepted after %s", jump.skew, took)
		anonymous := func(want string) error {
			got, err := askBy(t.Context(), anywhere, s.url, "", "{ __typename }")
			if err == nil && got.code != want {
				err = fmt.Errorf("code %q instead of %q: %s", got.code, want, got.body)
			}
			return err
		}
		eventually(t, "too many requests", func() error { return anonymous("RATE_LIMITED") })
		eventually(t, "forgiveness", func() error { return anonymous("") })
	}
	set(0)
	s.recovers(t, around.callers[0])
	asked.more(t, 200)
	asked.onlyCodes(t, "TOKEN_EXPIRED", "RATE_LIMITED") // those that were verified before need not wait for the clock to catch up
	if fetches := around.issuer.Fetches(); fetches > 10 {
		t.Errorf("the keys were fetched %d times", fetches)
	}
	s.letsGo(t, before)
}
