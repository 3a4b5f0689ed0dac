//go:build linux

package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// contender is a server that answers with the row of the user whose token it gets.
type contender struct {
	name string
	// does says what it is made of, for the table.
	does string
	// rls: it logs in as authenticator and becomes the caller. Otherwise it logs in as a role that sees all rows.
	rls bool
	// database is another than the one of the comparison.
	database string
	// env is added to what all get; see (*bench).environment.
	env []string
	// build makes it ready to run and returns its command.
	build func(ctx context.Context, dir string) (command []string, err error)
	// packages are those whose versions the table shows.
	packages []string
	request  func(address string, c caller) request
	// verify compares the answers to its requests with what the database says, before it is measured. Where it is set, the run
	// ends with a contender that fails.
	verify func(ctx context.Context, s *score) error
}

const meDocument = `{"query":"query Me { me { id fullName avatarUrl } }","operationName":"Me"}`

// staticAnswer is what floor A says to everybody.
var staticAnswer = fmt.Sprintf(`{"id":"%s","fullName":"%s","avatarUrl":"https://example.com/avatars/0000000.png"}`, userID(0), userName(0))

var contenders = []contender{
	{
		name: "usergraph", rls: true,
		does:  "this server: ES256, GraphQL, row-level security; no line in the log for each request",
		env:   []string{"LOG_LEVEL=warn"},
		build: buildServer,
		request: func(address string, c caller) request {
			return post(address, c.es256, meDocument, c)
		},
		packages: []string{"github.com/99designs/gqlgen", "github.com/uptrace/bun", "github.com/jackc/pgx/v5"},
	},
	{
		name: "usergraph-log", rls: true,
		does:  "the same with that line, as it comes",
		build: buildServer,
		request: func(address string, c caller) request {
			return post(address, c.es256, meDocument, c)
		},
	},
	{
		name: "usergraph-open", rls: true, database: openName,
		does:  "usergraph on a table without row-level security",
		env:   []string{"LOG_LEVEL=warn"},
		build: buildServer,
		request: func(address string, c caller) request {
			return post(address, c.es256, meDocument, c)
		},
	},
	{
		name: "usergraph-unbatched", rls: true,
		does:  "usergraph without statements of several callers in one write",
		env:   []string{"LOG_LEVEL=warn"},
		build: buildUnbatched,
		request: func(address string, c caller) request {
			return post(address, c.es256, meDocument, c)
		},
	},
	{
		name:  "static",
		does:  "floor A: net/http, the same JSON for all; no token, no database",
		env:   []string{"ANSWER=" + staticAnswer},
		build: buildGo(".", "./bench/peers/static"),
		request: func(address string, c caller) request {
			c.name = userName(0)
			return get(address, "/me", c.hs256, c)
		},
	},
	{
		name:  "handwritten",
		does:  "floor B: net/http, golang-jwt (HS256), pgx prepared, JSON by hand",
		build: buildGo(".", "./bench/peers/handwritten"),
		request: func(address string, c caller) request {
			return get(address, "/me", c.hs256, c)
		},
		packages: []string{"github.com/golang-jwt/jwt/v5", "github.com/jackc/pgx/v5"},
	},
	{
		name:  "tutorial",
		does:  "gqlgen + bun + golang-jwt (HS256), GraphQL; pool set",
		build: buildGo("bench/peers/tutorial", "."),
		request: func(address string, c caller) request {
			return post(address, c.hs256, meDocument, c)
		},
		packages: []string{"github.com/99designs/gqlgen", "github.com/uptrace/bun", "github.com/uptrace/bun/driver/pgdriver"},
	},
	{
		name:  "tutorial-pool",
		does:  "the same with database/sql's own pool: two idle connections",
		env:   []string{"POOL="},
		build: buildGo("bench/peers/tutorial", "."),
		request: func(address string, c caller) request {
			return post(address, c.hs256, meDocument, c)
		},
	},
	{
		name:  "fastapi",
		does:  "FastAPI + PyJWT (HS256) + Peewee, REST; one process",
		build: buildPython,
		request: func(address string, c caller) request {
			return get(address, "/me", c.hs256, c)
		},
		packages: []string{"fastapi", "uvicorn", "PyJWT", "peewee", "psycopg2"},
	},
	{
		name: "supabase", rls: true,
		does:  "withRequiredClaims (ES256) + withPostgresClient, REST, row-level security",
		build: buildNode("supabase"),
		request: func(address string, c caller) request {
			return get(address, "/me", c.es256, c)
		},
		packages: []string{"@supabase/server", "hono", "pg"},
	},
	{
		name: "postgraphile", rls: true,
		does:  "PostGraphile 5 + jsonwebtoken (HS256), GraphQL, row-level security",
		build: buildNode("postgraphile"),
		request: func(address string, c caller) request {
			document := `{"query":"query Me($id: UUID!) { userByRowId(rowId: $id) { rowId fullName avatarUrl } }","operationName":"Me","variables":{"id":"` + c.id + `"}}`
			return post(address, c.hs256, document, c)
		},
		packages: []string{"postgraphile", "pg"},
	},
	{
		name:  "yoga",
		does:  "GraphQL Yoga + its JWT plugin (HS256) + JIT, GraphQL",
		build: buildNode("yoga"),
		request: func(address string, c caller) request {
			return post(address, c.hs256, meDocument, c)
		},
		packages: []string{"graphql-yoga", "@graphql-yoga/plugin-jwt", "postgres"},
	},
	{
		name:  "apollo",
		does:  "Apollo Server standalone + jsonwebtoken (HS256), GraphQL",
		build: buildNode("apollo"),
		request: func(address string, c caller) request {
			return post(address, c.hs256, meDocument, c)
		},
		packages: []string{"@apollo/server", "jsonwebtoken", "postgres"},
	},
	{
		name:  "mercurius",
		does:  "Mercurius with JIT + @fastify/jwt with its cache (HS256), GraphQL",
		build: buildNode("mercurius"),
		request: func(address string, c caller) request {
			return post(address, c.hs256, meDocument, c)
		},
		packages: []string{"mercurius", "fastify", "@fastify/jwt", "postgres"},
	},
}

// buildServer compiles this server as a release is compiled.
var buildServer = buildGo(".", ".", "-pgo=bench/default.pgo")

// buildGo compiles a package of the module in a folder.
func buildGo(module, pkg string, flags ...string) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, dir string) ([]string, error) {
		binary := filepath.Join(dir, strings.ReplaceAll(filepath.Join(module, pkg), "/", "-")+".bin")
		err := output(ctx, module, "go", slices.Concat([]string{"build", "-o", binary}, flags, []string{pkg})...)
		return []string{binary}, err
	}
}

// buildUnbatched compiles this server with one statement in a batch.
func buildUnbatched(ctx context.Context, dir string) ([]string, error) {
	source, err := filepath.Abs("internal/pgwire/pool.go")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	changed := strings.Replace(string(text), "maxBatch = 16\n", "maxBatch = 1\n", 1)
	if changed == string(text) {
		return nil, errors.New("maxBatch is not 16 in " + source)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: filepath.Join(dir, "pool.go")}})
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "unbatched.bin")
	return []string{binary}, errors.Join(
		os.WriteFile(filepath.Join(dir, "pool.go"), []byte(changed), 0o600),
		os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600),
		output(ctx, ".", "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "."))
}

const peers = "bench/peers"

// buildNode installs the packages of peers/package-lock.json, once. They bring their own Node; where that is not to be
// had, the machine's is taken.
func buildNode(name string) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, _ string) ([]string, error) {
		if _, err := exec.LookPath("npm"); err != nil {
			return nil, errors.New("npm is not installed")
		}
		if err := installNode(ctx); err != nil {
			return nil, err
		}
		script, err := filepath.Abs(filepath.Join(peers, name, "server.mjs"))
		return []string{nodeBinary(), script}, err
	}
}

func installNode(ctx context.Context) error {
	lock, err := os.ReadFile(filepath.Join(peers, "package-lock.json"))
	if err != nil {
		return err
	}
	// npm leaves no copy of the lock; so we do.
	mark := filepath.Join(peers, "node_modules", ".installed-lock.json")
	if installed, err := os.ReadFile(mark); err == nil && string(installed) == string(lock) {
		return nil
	}
	if err := output(ctx, peers, "npm", "ci", "--ignore-scripts", "--loglevel=error"); err != nil {
		return err
	}
	return os.WriteFile(mark, lock, 0o644)
}

func nodeBinary() string {
	architecture := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	binary, err := filepath.Abs(filepath.Join(peers, "node_modules", "node-linux-"+architecture, "bin", "node"))
	if err != nil {
		return "node"
	}
	if _, err := os.Stat(binary); err != nil {
		return "node"
	}
	return binary
}

// buildPython finds Debian's packages, which belong to Debian's Python.
func buildPython(ctx context.Context, _ string) ([]string, error) {
	const python = "/usr/bin/python3"
	if err := output(ctx, ".", python, "-c", "import fastapi, httptools, jwt, peewee, psycopg2, uvicorn, uvloop"); err != nil {
		return nil, errors.New("apt-get install python3-fastapi python3-jwt python3-peewee python3-psycopg2 python3-uvloop python3-httptools uvicorn")
	}
	app, err := filepath.Abs(filepath.Join(peers, "fastapi"))
	return []string{python, "-m", "uvicorn", "--app-dir", app, "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools",
		"--no-access-log", "--log-level", "warning", "main:app"}, err
}

// output runs a command and puts what it says into the error.
func output(ctx context.Context, dir, command string, args ...string) error {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%.2000s", strings.Join(cmd.Args, " "), err, said)
	}
	return nil
}

// versions lists the versions of what a contender is made of.
func (c contender) versions(ctx context.Context, command []string) []string {
	var all []string
	switch {
	case strings.HasSuffix(command[0], ".bin"):
		info, err := buildinfo.ReadFile(command[0])
		if err != nil {
			return nil
		}
		for _, dependency := range info.Deps {
			for _, pkg := range c.packages {
				if dependency.Path == pkg {
					all = append(all, pkg+" "+dependency.Version)
				}
			}
		}
	case strings.HasSuffix(command[0], "node"):
		for _, pkg := range c.packages {
			var meta struct{ Version string }
			text, err := os.ReadFile(filepath.Join(peers, "node_modules", pkg, "package.json"))
			if err == nil && json.Unmarshal(text, &meta) == nil {
				all = append(all, pkg+" "+meta.Version)
			}
		}
	default:
		const script = "import sys\nfrom importlib.metadata import version\nfor p in sys.argv[1:]: print(p, version(p))"
		said, err := exec.CommandContext(ctx, command[0], append([]string{"-c", script}, c.packages...)...).Output()
		if err == nil {
			all = strings.Split(strings.TrimSpace(string(said)), "\n")
		}
	}
	return all
}
