package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"

	"usergraph/database"
	"usergraph/supabase"
)

//go:embed schema.graphqls
var schemaSDL string

// parseFlags reads the flags of a command that takes no other words.
func parseFlags(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError{fmt.Errorf("%s: %w", flags.Name(), err)}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("%s takes no %q", flags.Name(), flags.Arg(0))}
	}
	return nil
}

// runMigrate applies the migrations that the database does not have yet.
func runMigrate(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.Usage = func() {
		fmt.Fprintln(stdout, "usage: usergraph migrate\n\nIt logs in with DATABASE_MIGRATE_URL, or the file DATABASE_MIGRATE_URL_FILE, where the server's DATABASE_URL may not change the schema.")
	}
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
			break
		}
	}
	if url == "" {
		return usageError{errors.New("DATABASE_MIGRATE_URL is missing, or DATABASE_URL: migrations need a login that may change the schema, such as postgres")}
	}
	applied := 0
	err := database.Migrate(ctx, url, supabase.Migrations, func(name string) {
		applied++
		fmt.Fprintln(stdout, "applied", name)
	})
	if err == nil && applied == 0 {
		fmt.Fprintln(stdout, "nothing to apply")
	}
	return err
}

// runSchema prints what tools may read instead of asking a server.
func runSchema(_ context.Context, args []string, _ func(string) string, stdout io.Writer) error {
	flags := flag.NewFlagSet("schema", flag.ContinueOnError)
	flags.SetOutput(stdout)
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	_, err := io.WriteString(stdout, schemaSDL)
	return err
}

// runConfig prints the settings in use, and then complains as serve would.
func runConfig(_ context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := flag.NewFlagSet("config", flag.ContinueOnError)
	flags.SetOutput(stdout)
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	printConfig(stdout, getenv)
	if _, err := readConfig(getenv); err != nil {
		return usageError{err}
	}
	return nil
}
