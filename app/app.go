// Package app answers one question: how does the program run?
//
// A team's main is one call of Main, with the team's schema, migrations, documents and additions. Settings, commands,
// life cycle, probes and telemetry are in this package.
package app

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/99designs/gqlgen/graphql"
	"github.com/uptrace/bun"

	"usergraph/endpoint"
)

// API holds the team's half of the program. Schema is required.
type API struct {
	// Schema returns the schema with its resolvers, which hold the engine. Commands that only print the schema pass an
	// engine without a database.
	Schema func(*endpoint.Engine) graphql.ExecutableSchema
	// Migrations holds migrations/<version>_<name>.sql, in the layout of the Supabase CLI.
	Migrations fs.FS
	// Seed is SQL that fills the database of `usergraph dev`. It runs at each start, so a second run must change
	// nothing.
	Seed string
	// Documents holds named operations, *.graphql. The playground lists them in the order of the file names, the
	// first five as tabs.
	Documents fs.FS
	// Errors says what clients learn of the team's own errors. They are looked up before the engine's.
	Errors []endpoint.PublicError
	// Settings are the team's own environment variables, added to the engine's.
	Settings []Setting
	// Models are structs that bun has to know before a query names them: the tables between two others of an m2m relation.
	Models []any
	// QueryHooks are bun's. They are called for each statement of each caller, arguments included.
	QueryHooks []bun.QueryHook
	// Commands are the team's own, added to the engine's.
	Commands []Command
	// Routes, if set, adds HTTP routes. The guards of /graphql apply to them: cross-site requests, tokens, rate limits. Pages of
	// ALLOWED_ORIGINS may send GET, HEAD and POST. The engine's own paths, such as /livez, never come here. A replica is not
	// told of what a route writes: a query soon after may lack it.
	Routes func(*http.ServeMux, *endpoint.Engine)
	// Middleware, if set, wraps every handler of the server except those of the admin listener.
	Middleware func(http.Handler) http.Handler
}

// Command is a command of the program: usergraph NAME.
type Command struct {
	Name string
	// Doc describes the command in the list of commands.
	Doc string
	// Run runs the command. An error ends the program with exit code 1, or 2 if it was made by Usage.
	Run func(ctx context.Context, env Env, args []string) error
}

// Env holds the surroundings of the program.
type Env struct {
	// Args are the command-line arguments after the program's name.
	Args []string
	// Getenv looks up an environment variable. The files .env.local and .env add to it.
	Getenv func(string) string
	Stdin  io.Reader
	Stdout io.Writer
}

// The exit codes: 1 for a failure, 2 for a wrong command line or setting, 3 if `usergraph doctor` found only warnings.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitWarnings = 3
)

// Main runs the program with the arguments and the environment of the process, and exits with its code if it fails.
func Main(api API) {
	tuneGC()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)

	p := &application{api, Env{Args: os.Args[1:], Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout}}
	names := variableNames(os.Environ())
	for _, hint := range p.catalogue().misspelled(names) {
		warn(hint)
	}
	err := p.catalogue().checkNames(names)
	if err == nil {
		err = p.run(ctx)
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "usergraph:", err)
	var usage usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	if errors.Is(err, errWarnings) {
		os.Exit(exitWarnings)
	}
	os.Exit(exitFailed)
}

// warn writes a warning to standard error. Standard output may be a log or a schema.
func warn(text string) { fmt.Fprintln(os.Stderr, "usergraph:", text) }

// usageError is an error to correct on the command line or in the settings.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage marks an error to correct on the command line or in the settings.
func Usage(err error) error { return usageError{err} }

// application holds an API and its surroundings.
type application struct {
	API
	Env
}

// command is one of the engine's commands.
type command struct {
	name, meaning string
	run           func(ctx context.Context, args []string) error
}

// commands returns the engine's and the team's commands. The default is serve.
func (p *application) commands() []command {
	all := []command{
		{"serve", "run the server with the settings of the environment (the default)", p.runServe},
		{"dev", "try it here: a PostgreSQL, users and tokens of its own, and the server", p.runDev},
		{"init", "write an API of your own, with its tests, into a new folder", p.runInit},
		{"add", "write the API of a table: schema, model, resolvers and tests, from its policies", p.runAdd},
		{"check", "compare models and schema with the tables, and say what a migration has changed", p.runCheck},
		{"token", "print a token for a user of `usergraph dev`", p.runToken},
		{"migrate", "apply supabase/migrations to DATABASE_MIGRATE_URL or DATABASE_URL", p.runMigrate},
		{"schema", "print the GraphQL schema", p.runSchema},
		{"doctor", "look at the project, a token and the database, and say what to do", p.runDoctor},
		{"config", "print the settings in use, secrets hidden, and what is wrong with them", p.runConfig},
		{"version", "print the version", p.runVersion},
		{"health", "ask the server on this machine whether it lives, or with --ready whether it can answer", p.runHealth},
	}
	for _, own := range p.Commands {
		all = append(all, command{own.Name, own.Doc, func(ctx context.Context, args []string) error { return own.Run(ctx, p.Env, args) }})
	}
	return all
}

// check refuses what a team has added that nobody would reach, or that would mean two things.
func (p *application) check() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf("app.API: "+format, args...)) }
	if p.Schema == nil {
		refuse("Schema is missing")
	}
	known := engineSettings
	for _, own := range p.Settings {
		names := []string{own.Name}
		if own.Secret {
			names = append(names, own.Name+"_FILE")
		}
		switch {
		case own.Name == "" || own.Set == nil:
			refuse("the setting %q has no name, or no Set", own.Name)
		case slices.ContainsFunc(names, known.isSetting):
			refuse("the setting %s is read already: choose another name", own.Name)
		}
		known = known.and(catalogueOf([]Setting{own}))
	}
	taken := []string{"help"}
	for _, command := range (&application{}).commands() {
		taken = append(taken, command.name)
	}
	for _, own := range p.Commands {
		switch {
		case own.Name == "" || own.Run == nil:
			refuse("the command %q has no name, or no Run", own.Name)
		case strings.HasPrefix(own.Name, "-") || slices.Contains(taken, own.Name):
			refuse("the command %s is there already, or looks like a flag: choose another name", own.Name)
		}
		taken = append(taken, own.Name)
	}
	return errors.Join(errs...)
}

// Run runs the whole program until ctx is done, as a function of its surroundings.
func Run(ctx context.Context, api API, env Env) error { return (&application{api, env}).run(ctx) }

func (p *application) run(ctx context.Context) error {
	err := p.check()
	if err != nil {
		return err
	}
	if p.Migrations == nil {
		p.Migrations = embed.FS{}
	}
	if p.Getenv, err = p.catalogue().withDotenv(p.Getenv, ".", warn); err != nil {
		return usageError{err}
	}
	args := p.Args
	if len(args) == 0 {
		return p.runServe(ctx, nil)
	}
	switch args[0] {
	case "--version", "-version":
		return p.runVersion(ctx, nil)
	case "help", "-h", "-help", "--help":
		if len(args) == 1 {
			fmt.Fprintln(p.Stdout, p.usage())
			return nil
		}
		args = []string{args[1], "--help"}
	}
	var names []string
	for _, command := range p.commands() {
		if command.name == args[0] {
			return command.run(ctx, args[1:])
		}
		names = append(names, command.name)
	}
	hint := ""
	if meant := closest(args[0], names); meant != "" {
		hint = ", did you mean " + meant + "?"
	}
	return usageError{fmt.Errorf("there is no command %q%s\n%s", args[0], hint, p.usage())}
}

// usage lists the commands.
func (p *application) usage() string {
	text := "usage: usergraph [command] [flags]\n"
	for _, command := range p.commands() {
		text += fmt.Sprintf("\n  %-9s %s", command.name, command.meaning)
	}
	return text + "\n\n`usergraph <command> --help` says more of each. In the folder of a project, `usergraph` is `go run .`.\n\nExample:\n  go run . dev"
}
