package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"usergraph/internal/catalog"
	"usergraph/internal/doctor"
	"usergraph/internal/dsn"
	"usergraph/internal/telemetry"
	"usergraph/mcp"
)

// The errors of `usergraph doctor` and `usergraph check` if something is wrong.
var (
	errWarnings = errors.New("there are warnings")
	errErrors   = errors.New("there are errors")
)

// maxPasted bounds the bytes read of a token from standard input.
const maxPasted = 64 << 10

// runDoctor checks what the server depends on, in the way the server uses it.
func (p *application) runDoctor(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "doctor", "Looks at the Supabase project, the database and, with --token, an access token, as the server would, and says what to do.\n"+
		"It changes nothing. It exits with 0 if all is well, 3 for warnings, 1 for errors.",
		"pbpaste | usergraph doctor --token -")
	asJSON := flags.Bool("json", false, "print a line of JSON for each finding")
	token := flags.String("token", "", "an access token to explain; - reads it from standard input, where the shell does not remember it")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *token == "-" {
		pasted, err := io.ReadAll(io.LimitReader(p.Stdin, maxPasted))
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		*token = string(pasted)
	}

	worst := doctor.OK
	report := func(f doctor.Finding) {
		if f.Severity == doctor.Error || (f.Severity == doctor.Warning && worst != doctor.Error) {
			worst = f.Severity
		}
		printFinding(p.Stdout, *asJSON, f)
	}
	cfg, problems := p.readValid(p.Getenv)
	for _, problem := range problems {
		if errors.Is(problem, errNothingSet) {
			return usageError{problem}
		}
		report(doctor.Finding{Check: "settings", Severity: doctor.Error, Message: problem.Error(), Advice: "usergraph serve --help lists them"})
	}
	if len(problems) == 0 {
		report(doctor.Finding{Check: "settings", Severity: doctor.OK, Message: "all are possible"})
	}
	quiet, err := telemetry.New(ctx, telemetry.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return usageError{err}
	}
	defer quiet.Close(context.WithoutCancel(ctx))
	needs, err := p.needs()
	if err != nil {
		report(doctor.Finding{Check: "schema", Severity: doctor.Warning, Message: err.Error(), Advice: "its tables are not checked: compare them by hand"})
	}
	needs.Sessions = cfg.sessionCheck == "always"
	checks := doctor.Config{
		SupabaseURL: cfg.supabaseURL, JWKSURL: cfg.jwksURL, HasSecret: cfg.jwtSecret != "", AcceptsNoIssuer: cfg.acceptNoIssuer, Issuers: cfg.issuers,
		DatabaseURL: cfg.databaseURL, ListenURL: cfg.databaseListenURL, Migrations: migrationVersions(p.Migrations),
		ReadURL: cfg.databaseReadURL, MaxLag: cfg.databaseMaxLag, SharesWrites: cfg.redisURL != "",
		Agents: cfg.mcp, Needs: needs,
		Origins: slices.Concat(splitList(p.Getenv("ALLOWED_ORIGINS")), cfg.sessionCookieOrigins),
	}
	if verifier, err := newVerifier(cfg, nil, quiet); err != nil && len(problems) > 0 {
		report(doctor.Finding{Check: "token", Severity: doctor.Note, Message: "not looked at", Advice: "mend the settings first"})
	} else if err != nil {
		report(doctor.Finding{Check: "settings", Severity: doctor.Error, Message: err.Error(), Advice: "usergraph serve --help lists them"})
	} else {
		defer verifier.Close()
		checks.Token, checks.Verify = *token, verifier.Verify
		if cfg.mcp {
			resource := ""
			if cfg.publicURL != "" {
				resource = mcp.Resource(cfg.publicURL)
			}
			door, err := verifier.Agents(resource)
			if err != nil {
				return err
			}
			checks.VerifyAgent = door.Verify
		}
	}
	doctor.Examine(ctx, checks, report)
	for _, f := range p.drift(ctx, cfg.databaseURL) {
		report(f)
	}
	switch worst {
	case doctor.Error:
		return errErrors
	case doctor.Warning:
		return errWarnings
	}
	return nil
}

// driftTimeout bounds the comparison of the API with its tables: one statement over the catalog.
const driftTimeout = 10 * time.Second

// drift returns what `usergraph check` says of the database. It is silent about one that cannot be reached, as the other
// checks say it.
func (p *application) drift(ctx context.Context, databaseURL string) []doctor.Finding {
	if databaseURL == "" {
		return nil
	}
	config, err := dsn.Postgres(databaseURL)
	if err != nil {
		return nil
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // without prepared statements, for poolers
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil
	}
	defer conn.Close(context.WithoutCancel(ctx))
	found, err := catalog.Read(ctx, conn)
	if err == nil {
		var findings []doctor.Finding
		if findings, err = p.compare(found); err == nil {
			return findings
		}
	}
	return []doctor.Finding{{Check: "check", Severity: doctor.Warning, Message: err.Error(), Advice: "run `go run . check`"}}
}

// migrationVersions returns the versions at the start of the migrations' names, none if the team has no migrations.
func migrationVersions(migrations fs.FS) []string {
	if migrations == nil {
		return nil
	}
	files, _ := fs.Glob(migrations, "migrations/*.sql")
	var versions []string
	for _, file := range files {
		version, _, _ := strings.Cut(path.Base(file), "_")
		versions = append(versions, version)
	}
	return versions
}

// printFinding writes one line.
func printFinding(w io.Writer, asJSON bool, f doctor.Finding) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(f)
		return
	}
	advice := ""
	if f.Advice != "" {
		advice = "  -> " + f.Advice
	}
	fmt.Fprintf(w, "%-8s %-11s %s%s\n", f.Severity, f.Check, f.Message, advice)
}
