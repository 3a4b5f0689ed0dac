package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"usergraph/app"
	"usergraph/auth/authtest"
	"usergraph/endpoint"
)

// Server is a running server of an API, as in production, with a database and an issuer of tokens of its own. It is for tests
// of a team's own routes.
type Server struct {
	*Database
	URL string

	issuer *authtest.Issuer
	stop   func()
}

// Serve starts the server with further settings, such as RATE_LIMIT=2/1h, on a new database that has the API's seed. It ends with the
// test.
func Serve(t *testing.T, api app.API, settings ...string) *Server {
	t.Helper()
	needs, err := endpoint.Needs(api.Schema(new(endpoint.Engine)))
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Database: postgres(t, api.Migrations, needs.Announced...), issuer: authtest.New(t)}
	s.Exec(t, api.Seed)
	environment := map[string]string{
		"DATABASE_URL": s.pg.URL, "SUPABASE_URL": strings.TrimSuffix(s.issuer.URL(), "/auth/v1"),
		"HOST": "127.0.0.1", "PORT": "0", "DRAIN_DELAY": "0s", "LOG_FORMAT": "json",
	}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		environment[name] = value
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := app.Run(ctx, api, app.Env{Args: []string{"serve"}, Getenv: func(name string) string { return environment[name] }, Stdout: in})
		in.CloseWithError(errors.Join(err, io.EOF))
		ended <- err
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("the server:", err)
		}
	})
	t.Cleanup(s.stop)
	for decoder := json.NewDecoder(out); ; {
		var line struct{ Msg, URL string }
		if err := decoder.Decode(&line); err != nil {
			t.Fatal("the server does not start: ", err)
		}
		if line.Msg == "listening" {
			s.URL = line.URL
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return s
		}
	}
}

// Token returns an access token of a user.
func (s *Server) Token(user uuid.UUID) string { return s.issuer.Token(user) }

// Stop stops the server as SIGTERM does: requests may finish.
func (s *Server) Stop() { s.stop() }
