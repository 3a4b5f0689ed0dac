//go:build services

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/app"
	"usergraph/auth/authtest"
	"usergraph/database"
	"usergraph/internal/pgtest"
	"usergraph/supabase"
)

// said collects what a program prints while it runs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// firstHour is the surroundings of somebody who begins: a project with one user, and a database.
type firstHour struct {
	*testing.T
	issuer *authtest.Issuer
	pg     *pgtest.Database
}

var beginner = uuid.MustParse("a0000000-0000-4000-8000-000000000001")

const projectURL = "https://abcdefghijklmnopqrst.supabase.co"

func (h *firstHour) settings(changes ...string) map[string]string {
	environment := map[string]string{
		"SUPABASE_URL": strings.TrimSuffix(h.issuer.URL(), "/auth/v1"), "DATABASE_URL": h.pg.URL,
		"HOST": "127.0.0.1", "PORT": "0", "DRAIN_DELAY": "0s", "LOG_FORMAT": "json",
	}
	for i := 0; i < len(changes); i += 2 {
		environment[changes[i]] = changes[i+1]
	}
	return environment
}

// refused runs a command that has to fail, and returns what it says.
func (h *firstHour) refused(environment map[string]string, args ...string) string {
	h.Helper()
	out, err := usergraph(h.T, environment, args...)
	if err == nil {
		h.Fatalf("%q works: %s", args, out)
	}
	return out + err.Error()
}

// starts is the problem of a setting.
func (h *firstHour) starts(changes ...string) string {
	return h.refused(h.settings(append([]string{"SUPABASE_URL", projectURL}, changes...)...), "serve")
}

// runs runs the program until the test ends, or it says until, and returns what it says.
func (h *firstHour) runs(environment map[string]string, until string, args ...string) *said {
	h.Helper()
	out, ended := new(said), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- app.Run(ctx, api, app.Env{Args: args, Getenv: func(name string) string { return environment[name] }, Stdout: out})
	}()
	h.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			h.Error(err)
		}
	})
	for deadline := time.Now().Add(time.Minute); !strings.Contains(out.String(), until); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.Fatalf("it does not say %q:\n%s", until, out)
		}
	}
	return out
}

var served = regexp.MustCompile(`"msg":"listening","url":"([^"]+)"`)

// asked starts the server, sends one request, and returns the answer and the log.
func (h *firstHour) asked(environment map[string]string, path, token string, change func(*http.Request)) string {
	h.Helper()
	log := h.runs(environment, `"msg":"listening"`, "serve")
	return h.ask(served.FindStringSubmatch(log.String())[1]+path, token, change) + log.String()
}

func (h *firstHour) ask(address, token string, change func(*http.Request)) string {
	h.Helper()
	r := must(http.NewRequestWithContext(h.Context(), http.MethodPost, address, strings.NewReader(`{"query":"{ me { fullName } }"}`)))
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if change != nil {
		change(r)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	return string(must(io.ReadAll(answer.Body)))
}

// unready is what the log and `usergraph doctor` say of settings that are possible and wrong.
func (h *firstHour) unready(until string, changes ...string) []string {
	log := h.runs(h.settings(changes...), until, "serve")
	return []string{log.String(), h.refused(h.settings(changes...), "doctor")}
}

// command runs a command of somebody's shell that has to fail.
func (h *firstHour) command(dir string, environment []string, name string, args ...string) string {
	h.Helper()
	c := exec.CommandContext(h.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), environment...)
	out, err := c.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		h.Fatal(name, args, err, string(out))
	}
	return string(out)
}

// login is the database's address with another user, password, host or name.
func (h *firstHour) login(change func(*url.URL)) string {
	u := must(url.Parse(h.pg.URL))
	change(u)
	return u.String()
}

func (h *firstHour) dev(args ...string) []string {
	return append([]string{"dev", "--port", "0", "--auth-port", "0"}, args...)
}

// In each case somebody makes a mistake for real. All of what is returned has the message.
var mistakes = map[string]func(h *firstHour) []string{
	"go: go.mod requires go >= … (running go …": func(h *firstHour) []string {
		dir := h.TempDir()
		text := regexp.MustCompile(`(?m)^go .*$`).ReplaceAll(must(os.ReadFile("go.mod")), []byte("go 1.999"))
		_ = must(0, os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o600))
		return []string{h.command(dir, []string{"GOTOOLCHAIN=local"}, "go", "run", ".")}
	},
	"… dial tcp … connection refused": func(h *firstHour) []string {
		environment := []string{"GOPROXY=http://127.0.0.1:1", "GOMODCACHE=" + h.TempDir(), "GOFLAGS=-mod=mod -modcacherw"}
		return []string{h.command(".", environment, "go", "list", "-deps", ".")}
	},
	"go: go.mod file not found in current directory or any parent directory": func(h *firstHour) []string {
		return []string{h.command(h.TempDir(), nil, "go", "run", ".")}
	},
	"no Go files in …":                func(h *firstHour) []string { return []string{h.command("docs", nil, "go", "run", ".", "dev")} },
	"package … is not a main package": func(h *firstHour) []string { return []string{h.command("graph", nil, "go", "run", ".", "dev")} },

	"no settings: DATABASE_URL and SUPABASE_URL are neither in the environment nor in .env.local or .env of this folder": func(h *firstHour) []string {
		return []string{h.refused(nil), h.refused(nil, "doctor")}
	},
	"SUPABASE_URL is missing: https://<ref>.supabase.co, from Supabase's dashboard, Connect": func(h *firstHour) []string {
		return []string{h.starts("SUPABASE_URL", "")}
	},
	"SUPABASE_URL is the address of the dashboard: write that of the project, https://abcdefghijklmnopqrst.supabase.co": func(h *firstHour) []string {
		return []string{h.starts("SUPABASE_URL", "https://supabase.com/dashboard/project/abcdefghijklmnopqrst/settings/api")}
	},
	"SUPABASE_URL is the address of the database: write that of the project, https://abcdefghijklmnopqrst.supabase.co": func(h *firstHour) []string {
		return []string{h.starts("SUPABASE_URL", "https://db.abcdefghijklmnopqrst.supabase.co")}
	},
	"SUPABASE_URL is not the address of a project alone: write https://abcdefghijklmnopqrst.supabase.co, …": func(h *firstHour) []string {
		return []string{h.starts("SUPABASE_URL", projectURL+"/rest/v1/")}
	},
	"SUPABASE_URL must be https: keys fetched over http can be anybody's…": func(h *firstHour) []string {
		return []string{h.starts("SUPABASE_URL", "http://abcdefghijklmnopqrst.supabase.co")}
	},
	"DATABASE_URL is missing: take host and port from Supabase's dashboard, Connect; …": func(h *firstHour) []string {
		return []string{h.starts("DATABASE_URL", "")}
	},
	"DATABASE_URL is the address of a web server: the database's begins with postgres://, …": func(h *firstHour) []string {
		return []string{h.starts("DATABASE_URL", projectURL)}
	},
	"DATABASE_URL still has a placeholder such as [YOUR-PASSWORD] or <ref>: put the value in its place": func(h *firstHour) []string {
		return []string{h.starts("DATABASE_URL", "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefghijklmnopqrst.supabase.co:5432/postgres")}
	},
	"DATABASE_URL has a password, or another part, with characters that must be percent-encoded: …": func(h *firstHour) (said []string) {
		for _, password := range []string{"p#ss", "p@ss/word", "100%", "p ss"} {
			said = append(said, h.starts("DATABASE_URL", "postgres://postgres:"+password+"@127.0.0.1:5432/postgres"))
		}
		return said
	},
	"SUPABASE_PUBLISHABLE_KEYS holds a key that is not publishable: it would be shown to everybody": func(h *firstHour) []string {
		return []string{h.starts("SUPABASE_PUBLISHABLE_KEYS", "sb_secret_abcdefghijklmnop")}
	},
	"… is in use, perhaps by another usergraph: stop what listens there, or choose another port, as with …": func(h *firstHour) []string {
		taken := must(net.Listen("tcp", "127.0.0.1:0"))
		defer taken.Close()
		_, port, _ := net.SplitHostPort(taken.Addr().String())
		data := pgtest.Dir(h)
		return []string{
			h.refused(h.settings("PORT", port), "serve"),
			h.refused(nil, "dev", "--port", port, "--data", data),
			h.refused(nil, "dev", "--port", "0", "--auth-port", port, "--data", data),
		}
	},
	"… is in use by process …: stop that one first, or choose another folder": func(h *firstHour) []string {
		data := pgtest.Dir(h)
		h.runs(nil, "listening", h.dev("--data", data)...)
		return []string{h.refused(nil, h.dev("--data", data)...)}
	},
	"schema.graphqls is not what this program was compiled from: run …": func(h *firstHour) []string {
		text := string(must(os.ReadFile("schema.graphqls")))
		h.Chdir(h.TempDir())
		text = strings.Replace(text, "fullName:", "nickname: String\n  fullName:", 1)
		_ = must(0, os.WriteFile("schema.graphqls", []byte(text), 0o600))
		return []string{h.runs(nil, "listening", h.dev("--data", pgtest.Dir(h))...).String()}
	},
	"no usergraph dev at …: start it, or name its address with --url": func(h *firstHour) []string {
		return []string{h.refused(nil, "token", "--url", "http://127.0.0.1:1")}
	},
	"there is no go.mod here: run it in the folder of a project, such as …": func(h *firstHour) []string {
		h.Chdir(h.TempDir())
		return []string{h.refused(nil, "add", "todos")}
	},
	"the login … may not change the schema usergraph, …": func(h *firstHour) []string {
		return []string{h.refused(h.settings(), "migrate")}
	},

	"password authentication failed for user …": func(h *firstHour) []string {
		return h.unready("advice", "DATABASE_URL", h.login(func(u *url.URL) { u.User = url.UserPassword("authenticator", "wrong") }))
	},
	"no such host": func(h *firstHour) []string {
		return h.unready("advice", "DATABASE_URL", h.login(func(u *url.URL) { u.Host = "db.invalid:5432" }))
	},
	"connect: connection refused": func(h *firstHour) []string {
		return h.unready("advice", "DATABASE_URL", h.login(func(u *url.URL) { u.Host = "127.0.0.1:1" }))
	},
	"permission denied to set role …": func(h *firstHour) []string {
		h.pg.Exec(h, "create role first_hour login noinherit password 'first'")
		h.Cleanup(func() { h.pg.Exec(h, "drop role first_hour") })
		return h.unready("advice", "DATABASE_URL", h.login(func(u *url.URL) { u.User = url.UserPassword("first_hour", "first") }))
	},
	"danger: postgres bypasses row-level security": func(h *firstHour) []string {
		return []string{h.refused(h.settings("DATABASE_URL", h.pg.AdminURL), "doctor")}
	},
	"public.users does not exist, and models.User reads it: run usergraph migrate, …": func(h *firstHour) []string {
		h.pg = pgtest.Bare(h)
		return h.unready("lacks what the API needs", "DATABASE_URL", h.pg.URL)[:1]
	},
	"changes are not announced: …": func(h *firstHour) []string {
		return []string{h.runs(h.settings("DATABASE_URL", pgtest.PgBouncer(h, h.pg.URL)), "subscriptions are refused", "serve").String()}
	},
	"port … is a pooler: statements are not prepared, and in transaction mode notifications are lost": func(h *firstHour) []string {
		return []string{h.refused(h.settings("DATABASE_URL", pgtest.PgBouncer(h, h.pg.URL)), "doctor")}
	},
	"keys could not be fetched, so that nobody can sign in: see whether SUPABASE_URL is the project's, …": func(h *firstHour) []string {
		return []string{h.runs(h.settings("SUPABASE_URL", "http://127.0.0.1:1"), "keys could not be fetched", "serve").String()}
	},
	"a page may not use the API: its origin is not in ALLOWED_ORIGINS": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql", "", func(r *http.Request) {
			r.Method = http.MethodOptions
			r.Header.Set("Origin", "https://app.example.com")
			r.Header.Set("Access-Control-Request-Method", "POST")
		})}
	},

	"sign in to use this field": func(h *firstHour) []string { return []string{h.asked(h.settings(), "/graphql", "", nil)} },
	"token expired … ago": func(h *firstHour) []string {
		expired := h.issuer.Token(beginner, func(claims jwt.MapClaims) { claims["exp"] = time.Now().Add(-5 * time.Minute).Unix() })
		return []string{h.asked(h.settings(), "/graphql", expired, nil)}
	},
	"token is from another issuer (iss) than this server accepts": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql", authtest.New(h).Token(beginner), nil)}
	},
	"token was issued … in the future (iat): a clock is wrong": func(h *firstHour) []string {
		early := h.issuer.Token(beginner, func(claims jwt.MapClaims) {
			claims["iat"], claims["exp"] = time.Now().Add(time.Hour).Unix(), time.Now().Add(2*time.Hour).Unix()
		})
		return []string{h.asked(h.settings(), "/graphql", early, nil)}
	},
	"a secret key bypasses row-level security and is never accepted here: …": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql", "sb_secret_abcdefghijklmnop", nil)}
	},
	"a service_role key bypasses row-level security and is never accepted here: …": func(h *firstHour) []string {
		key := h.issuer.Token(beginner, func(claims jwt.MapClaims) {
			clear(claims)
			claims["iss"], claims["ref"], claims["role"] = "supabase", "abcdefghijklmnopqrst", "service_role"
			claims["iat"], claims["exp"] = time.Now().Unix(), time.Now().Add(time.Hour).Unix()
		})
		return []string{h.asked(h.settings(), "/graphql", key, nil)}
	},
	"token is the word undefined: the client has no session": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql", "undefined", nil)}
	},
	"the header Authorization is not of the form: Bearer …": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql", "", func(r *http.Request) { r.Header.Set("Authorization", h.issuer.Token(beginner)) })}
	},
	"send JSON in UTF-8: Content-Type: application/json": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql", "", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") })}
	},
	"there is nothing at this address: the API is at /graphql, without a slash at its end. …": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql/", "", nil), h.asked(h.settings("PLAYGROUND", "on"), "/", "", nil), h.asked(h.settings(), "/auth/v1/token", "", nil)}
	},
	"The local stand-in for Supabase Auth has no such endpoint…": func(h *firstHour) []string {
		out := h.runs(nil, "listening", h.dev("--data", pgtest.Dir(h))...).String()
		standIn := regexp.MustCompile(`SUPABASE_URL +(\S+)`).FindStringSubmatch(out)[1]
		return []string{h.ask(standIn+"/graphql", "", func(r *http.Request) { r.Header.Set("apikey", "sb_publishable_usergraph_dev") })}
	},
	"the row is there, but row-level security hides it: …": func(h *firstHour) []string {
		h.pg.Exec(h, "alter policy \"users read their own row\" on public.users using (false)")
		out := h.runs(nil, "listening", h.dev("--data", h.TempDir(), "--database", h.pg.AdminURL)...).String()
		sent := regexp.MustCompile(`curl -s (\S+) .*Bearer ([^']+)'`).FindStringSubmatch(out)
		return []string{h.ask(sent[1], sent[2], nil)}
	},
	"Cannot query field … on type …": func(h *firstHour) []string {
		return []string{h.asked(h.settings(), "/graphql", "", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"query":"{ me { nickname } }"}`))
			r.ContentLength = -1
		})}
	},
	"the database cannot be reached, try again": func(h *firstHour) []string {
		return []string{h.asked(h.settings("DATABASE_URL", h.login(func(u *url.URL) { u.Host = "127.0.0.1:1" })), "/graphql", h.issuer.Token(beginner), nil)}
	},
	"internal error": func(h *firstHour) []string {
		h.pg.Exec(h, "drop table public.users")
		return []string{h.asked(h.settings(), "/graphql", h.issuer.Token(beginner), nil)}
	},
}

// provokedElsewhere has messages that only a test of another package can provoke.
var provokedElsewhere = map[string]bool{
	"PostgreSQL 15 or newer is not on this machine and could not be downloaded: …": true, // internal/postgres
}

var messageRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// docs/first-hour.md has the messages that people get, and no others.
func TestFirstHour(t *testing.T) {
	page := string(must(os.ReadFile("docs/first-hour.md")))
	listed := map[string]bool{}
	for _, row := range messageRow.FindAllStringSubmatch(page, -1) {
		if listed[row[1]] {
			t.Errorf("listed twice: %s", row[1])
		}
		listed[row[1]] = true
		if mistakes[row[1]] == nil && !provokedElsewhere[row[1]] {
			t.Errorf("nobody provokes: %s", row[1])
		}
	}
	for message, provoke := range mistakes {
		t.Run(message, func(t *testing.T) {
			if !listed[message] {
				t.Error("docs/first-hour.md does not list it")
			}
			pg := pgtest.With(t, supabase.Migrations, database.Announcement{Schema: "public", Table: "users", Keys: []string{"id"}, Owner: "id"})
			pg.Exec(t, "insert into auth.users (id, email, raw_user_meta_data) values ($1, 'ada@example.com', '{\"full_name\":\"Ada\"}')", beginner)
			pattern := regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(message), "…", ".*"))
			for _, text := range provoke(&firstHour{t, authtest.New(t), pg}) {
				if plain := strings.NewReplacer(`\"`, `"`, `\u003c`, "<", `\u003e`, ">").Replace(text); !pattern.MatchString(plain) {
					t.Errorf("it says:\n%s", plain)
				}
			}
		})
	}
}
