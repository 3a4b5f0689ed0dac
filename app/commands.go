package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/database"
	"usergraph/endpoint"
)

// runMigrate brings the database up to date.
func (p *application) runMigrate(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "migrate", "Brings the database up to date: the engine's own SQL, in the schema usergraph; the migrations of supabase/migrations; and\n"+
		"triggers on the tables that subscriptions watch. It logs in with DATABASE_MIGRATE_URL, or the file DATABASE_MIGRATE_URL_FILE,\n"+
		"where the server's DATABASE_URL may not change the schema. docs/uninstall.sql removes what it has added.",
		"DATABASE_MIGRATE_URL='postgres://postgres:…@db.<ref>.supabase.co:5432/postgres' usergraph migrate --dry-run")
	dryRun := flags.Bool("dry-run", false, "list what would be done, and change nothing")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	var url string
	for _, name := range []string{"DATABASE_MIGRATE_URL", "DATABASE_URL"} {
		var err error
		if url, err = p.catalogue().lookUp(p.Getenv, name); err != nil {
			return usageError{err}
		}
		if url != "" {
			if err := setDatabase(new(string), url); err != nil {
				return usageError{fmt.Errorf("%s %w", p.catalogue().givenAs(p.Getenv, name), err)}
			}
			break
		}
	}
	if url == "" {
		return usageError{errors.New("DATABASE_MIGRATE_URL is missing, or DATABASE_URL: migrations need a login that may change the schema, such as postgres")}
	}
	migration, err := p.migration(url)
	if err != nil {
		return err
	}
	done := 0
	migration.Report = func(name string) {
		done++
		fmt.Fprintln(p.Stdout, "done:", name)
	}
	migration.Warn = func(text string) { fmt.Fprintln(p.Stdout, "warning:", text) }
	if !*dryRun {
		err = migration.Apply(ctx)
	} else {
		var pending []string
		pending, err = migration.Pending(ctx)
		for _, name := range pending {
			done++
			fmt.Fprintln(p.Stdout, "would do:", name)
		}
	}
	if err == nil && done == 0 {
		fmt.Fprintln(p.Stdout, "nothing to do")
	}
	return err
}

// migration returns what a database needs for the API.
func (p *application) migration(url string) (database.Migration, error) {
	needs, err := p.needs()
	return database.Migration{URL: url, Files: p.Migrations, Watched: needs.Announced}, err
}

// needs returns what the schema needs of a database.
func (p *application) needs() (database.Needs, error) {
	return endpoint.Needs(p.Schema(new(endpoint.Engine)))
}

// runSchema prints the schema for tools, which then need no server.
func (p *application) runSchema(_ context.Context, args []string) error {
	flags := newFlags(p.Stdout, "schema", "Prints the GraphQL schema with its descriptions, for code generators and editors.", "usergraph schema > schema.graphqls")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	_, err := io.WriteString(p.Stdout, sourceOf(p.Schema(new(endpoint.Engine)).Schema()))
	return err
}

// sourceOf returns the SDL files of a schema, concatenated.
func sourceOf(schema *ast.Schema) string {
	var files []string
	for _, source := range sourceFiles(schema) {
		files = append(files, source.Input)
	}
	return strings.Join(files, "\n")
}

// sourceFiles returns the SDL files of a schema, by name.
func sourceFiles(schema *ast.Schema) []*ast.Source {
	sources := map[string]*ast.Source{}
	add := func(position *ast.Position) {
		if position != nil && !position.Src.BuiltIn {
			sources[position.Src.Name] = position.Src
		}
	}
	for _, directive := range schema.Directives {
		add(directive.Position)
	}
	for _, definition := range schema.Types {
		add(definition.Position)
		// A file may do no more than extend a type.
		for _, field := range definition.Fields {
			add(field.Position)
		}
		for _, value := range definition.EnumValues {
			add(value.Position)
		}
		for _, directive := range definition.Directives {
			add(directive.Position)
		}
	}
	var files []*ast.Source
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		files = append(files, sources[name])
	}
	return files
}

// runConfig prints the settings in use, and then fails with the problems that serve would report.
func (p *application) runConfig(_ context.Context, args []string) error {
	flags := newFlags(p.Stdout, "config", "Prints the settings in use, secrets hidden, and says what is wrong with them as `usergraph serve` would. It connects to nothing.",
		"usergraph config")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	p.catalogue().printConfig(p.Stdout, p.Getenv)
	if _, err := p.readConfig(p.Getenv); err != nil {
		return usageError{err}
	}
	return nil
}
