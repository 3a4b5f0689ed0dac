package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/catalog"
	"usergraph/internal/scaffold"
	"usergraph/internal/tablegen"
)

// initDatabase is `usergraph init --database`: `me` shows the table of users that a database has, not the template's.
type initDatabase struct {
	*application
	// url names the database, users the table, "" for the only one.
	url, users string
	plan       *tablegen.Me
	found      *catalog.Catalog
	byHand     []string
}

// write makes the project in the folder target, generates and builds. It leaves nothing behind if it fails.
func (d *initDatabase) write(ctx context.Context, target, modulePath string, engine scaffold.Engine) error {
	if err := d.read(ctx, modulePath); err != nil {
		return err
	}
	_, err := os.Stat(target)
	isNew := errors.Is(err, os.ErrNotExist)
	if err := scaffold.Write(target, modulePath, engine, func(files map[string][]byte) error { return d.replaceUsers(ctx, files) }); err != nil {
		return usageError{err}
	}
	fmt.Fprint(d.Stdout, d.plan.Explain())
	for _, step := range [][]string{{"generate", "."}, {"vet", "./..."}} {
		if err := goTool(ctx, d.Stdout, target, step...); err != nil {
			return errors.Join(fmt.Errorf("`go %s` failed, and what was written is taken back: %w", strings.Join(step, " "), err), removeAll(target, isNew))
		}
	}
	fmt.Fprintln(d.Stdout)
	for _, text := range d.byHand {
		fmt.Fprintf(d.Stdout, "to finish by hand: %s\n", text)
	}
	return nil
}

// read decides what `me` is, by the catalog of the database.
func (d *initDatabase) read(ctx context.Context, modulePath string) error {
	source, err := d.openCatalog(ctx, d.url)
	if err != nil {
		return err
	}
	defer source.close()
	if d.found, err = catalog.Read(ctx, source.conn); err != nil {
		return err
	}
	table, err := tablegen.MeTable(d.found, d.users)
	if err != nil {
		return err
	}
	d.plan, err = tablegen.NewMe(tablegen.Project{Module: modulePath, Engine: engineModule(), Schema: &ast.Schema{Types: map[string]*ast.Definition{}}}, table)
	return err
}

// replaceUsers replaces what the template has for its own table of users.
func (d *initDatabase) replaceUsers(ctx context.Context, files map[string][]byte) error {
	server, err := d.startPostgres(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	conn, err := pgx.Connect(ctx, server.URL("postgres", "postgres"))
	if err != nil {
		return fmt.Errorf("connect to the PostgreSQL of this machine: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	try := (&catalogSource{conn: conn, temporary: true}).try

	migration, byHand := tablegen.Existing(d.plan.Table, func(sql string) error { return try(ctx, sql) })
	seed, rest, ok := strings.Cut(string(files["supabase/seed.sql"]), " The trigger on\n-- auth.users makes their rows in public.users.")
	if !ok {
		return errors.New("the template's seed.sql does not say who makes the rows of its users")
	}
	tests, err := d.plan.Files(d.found, seed+rest, func(sql string) error { return try(ctx, migration+sql) })
	if err != nil {
		return err
	}
	d.byHand = append(byHand, tests.ByHand...)
	for name := range files {
		for _, ofUsers := range []string{"models/user", "documents/1_", "documents/2_", "documents/3_", "graph/testdata/", "graph/generated/", "supabase/migrations/2"} {
			if strings.HasPrefix(name, ofUsers) {
				delete(files, name)
			}
		}
	}
	for name, text := range tests.Files {
		files[name] = text
	}
	files["supabase/migrations/"+time.Now().UTC().Format("20060102150405")+"_existing_"+d.plan.File()+".sql"] = []byte(migration)
	replace := func(name, old, text string) {
		files[name] = []byte(strings.ReplaceAll(string(files[name]), old, text))
	}
	replace("README.md", "models/user.go", "models/"+d.plan.ModelFile()+".go")
	if _, ok := tests.Files["documents/2_change_me.json"]; !ok {
		replace("documents/documents.go", "//go:embed *.graphql *.json", "//go:embed *.graphql")
	}
	return nil
}

// removeAll removes a folder, or all that is in it if it was there before.
func removeAll(dir string, isNew bool) error {
	if isNew {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}
