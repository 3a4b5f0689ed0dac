package apitest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usergraph/auth"
	"usergraph/database"
)

// stateTimeout bounds the wait for a state of a subscription. One comes within milliseconds.
const stateTimeout = 30 * time.Second

// listen returns the changes of a test's database, when they arrive.
func listen(t *testing.T, d *Database) *database.Changes {
	t.Helper()
	arrive := make(chan error, 1)
	changes, err := database.Listen(d.pg.URL, func(err error) {
		select {
		case arrive <- err:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(changes.Close)
	if err := <-arrive; err != nil {
		t.Fatal(err)
	}
	return changes
}

// states sends a subscription, and returns a function that waits for its next state.
func states(t *testing.T, handler http.Handler, q question) (next func() string) {
	t.Helper()
	root := handler
	if q.caller != "" {
		claims := claimsOf(t, q)
		root = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), claims)))
		})
	}
	server := httptest.NewServer(root)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), stateTimeout)
	t.Cleanup(cancel) // before the server closes
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, bytes.NewReader(q.body(t)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	answer, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	return func() string {
		for lines.Scan() {
			state, isState := strings.CutPrefix(lines.Text(), "data: ")
			if isState && state != "" {
				return indented(t, []byte(state))
			}
		}
		t.Fatalf("the stream ended, or no state came within %v: %v", stateTimeout, lines.Err())
		return ""
	}
}

func indented(t *testing.T, answer []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, answer, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return b.String() + "\n"
}
