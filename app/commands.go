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

// runMigrate applies the pending migrations.
func (p *application) runMigrate(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "migrate", "Applies the migrations that the database does not have yet. It logs in with DATABASE_MIGRATE_URL, or the file\n"+
		"DATABASE_MIGRATE_URL_FILE, where the server's DATABASE_URL may not change the schema.",
		"DATABASE_MIGRATE_URL='postgres://postgres:…@db.<ref>.supabase.co:5432/postgres' usergraph migrate")
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
	applied := 0
	err := database.MigrateAndWarn(ctx, url, p.Migrations, func(name string) {
		applied++
		fmt.Fprintln(p.Stdout, "applied", name)
	}, func(text string) { fmt.Fprintln(p.Stdout, "warning:", text) })
	if err == nil && applied == 0 {
		fmt.Fprintln(p.Stdout, "nothing to apply")
	}
	return err
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
	var files []string
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		files = append(files, sources[name].Input)
	}
	return strings.Join(files, "\n")
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
