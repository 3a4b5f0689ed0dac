package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"

	"usergraph/database"
	"usergraph/supabase"
)

//go:embed schema.graphqls
var schemaSDL string

// runMigrate applies the migrations that the database does not have yet.
func runMigrate(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := newFlags(stdout, "migrate", "Applies the migrations that the database does not have yet. It logs in with DATABASE_MIGRATE_URL, or the file\n"+
		"DATABASE_MIGRATE_URL_FILE, where the server's DATABASE_URL may not change the schema.",
		"DATABASE_MIGRATE_URL='postgres://postgres:…@db.<ref>.supabase.co:5432/postgres' usergraph migrate")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	var url string
	for _, name := range []string{"DATABASE_MIGRATE_URL", "DATABASE_URL"} {
		var err error
		if url, err = lookUp(getenv, name); err != nil {
			return usageError{err}
		}
		if url != "" {
			if err := setDatabase(new(string), url); err != nil {
				return usageError{fmt.Errorf("%s %w", givenAs(getenv, name), err)}
			}
			break
		}
	}
	if url == "" {
		return usageError{errors.New("DATABASE_MIGRATE_URL is missing, or DATABASE_URL: migrations need a login that may change the schema, such as postgres")}
	}
	applied := 0
	err := database.MigrateAndWarn(ctx, url, supabase.Migrations, func(name string) {
		applied++
		fmt.Fprintln(stdout, "applied", name)
	}, func(text string) { fmt.Fprintln(stdout, "warning:", text) })
	if err == nil && applied == 0 {
		fmt.Fprintln(stdout, "nothing to apply")
	}
	return err
}

// runSchema prints what tools may read instead of asking a server.
func runSchema(_ context.Context, args []string, _ func(string) string, stdout io.Writer) error {
	flags := newFlags(stdout, "schema", "Prints the GraphQL schema with its descriptions, for code generators and editors.", "usergraph schema > schema.graphqls")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	_, err := io.WriteString(stdout, schemaSDL)
	return err
}

// runConfig prints the settings in use, and then complains as serve would.
func runConfig(_ context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := newFlags(stdout, "config", "Prints the settings in use, secrets hidden, and says what is wrong with them as `usergraph serve` would. It connects to nothing.",
		"usergraph config")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	printConfig(stdout, getenv)
	if _, err := readConfig(getenv); err != nil {
		return usageError{err}
	}
	return nil
}
