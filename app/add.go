package app

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/modfile"

	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/access"
	"usergraph/internal/catalog"
	"usergraph/internal/postgres"
	"usergraph/internal/tablegen"
)

// addOptions are the flags of `usergraph add`.
type addOptions struct {
	tablegen.Options
	tables                []string
	databaseURL           string
	dryRun, fix, skipTest bool
	agentsReadOnly        bool
}

// runAdd writes the API of tables into the project in the current folder.
func (p *application) runAdd(ctx context.Context, args []string) error {
	options, err := p.parseAdd(args)
	if err != nil {
		return err
	}
	project, err := p.project(".")
	if err != nil {
		return usageError{err}
	}
	source, err := p.openCatalog(ctx, options.databaseURL)
	if err != nil {
		return err
	}
	defer source.close()
	return (&adder{application: p, options: options, project: project, source: source}).run(ctx)
}

func (p *application) parseAdd(args []string) (*addOptions, error) {
	o := new(addOptions)
	flags := newFlags(p.Stdout, "add", "Writes the API of the tables that are named into the project of the current folder: schema, model, resolvers, tests, document.\n"+
		"Who may do what follows from the table's policies and grants. It reads the migrations, applied to a PostgreSQL that is\n"+
		"thrown away, or with --database a database as it is, and changes no database.",
		"usergraph add todos --fix")
	flags.StringVar(&o.databaseURL, "database", "", "the `url` of a database to read, and not the migrations; any login may read it")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print what would be written, and write nothing")
	flags.BoolVar(&o.fix, "fix", false, "write a migration for what is wrong with the table")
	flags.BoolVar(&o.agentsReadOnly, "agents-read-only", false, "with --fix, write policies too that let agents read and not write")
	flags.BoolVar(&o.skipTest, "no-test", false, "do not run the project's tests afterwards")
	flags.BoolVar(&o.ReadOnly, "read-only", false, "write no mutations")
	flags.BoolVar(&o.Last, "last", false, "let lists be read from their end too: last, before")
	flags.BoolVar(&o.TotalCount, "total-count", false, "let lists say how many rows they have; PostgreSQL counts them each time")
	flags.StringVar(&o.Newest, "newest", "", "a `TYPE.FIELD` that shows the newest row of what the type has a page of, as in User.subscription")
	flags.StringVar(&o.As, "as", "", "the `name` of the type, if it is not the table's")
	columns := flags.String("columns", "", "the `columns` to take, separated by commas; all if not given")
	key := flags.String("key", "", "the `columns` that are the key of a view")
	flags.StringVar(&o.Who, "who", "", "whose the rows of a view are: the owner's `column`, signed-in or everybody")
	help := flags.Usage
	flags.Usage = func() {} // flag also calls it for errors
	// Flags may come before the tables and after them.
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			help()
			return nil, err
		} else if err != nil {
			return nil, usageError{fmt.Errorf("add: %s", explainFlag(flags, err))}
		}
		if flags.NArg() == 0 {
			break
		}
		o.tables, args = append(o.tables, flags.Arg(0)), flags.Args()[1:]
	}
	o.Columns, o.Key = splitList(*columns), splitList(*key)
	if len(o.tables) == 0 {
		return nil, usageError{errors.New("add: name a table, as in `go run . add todos`")}
	}
	if o.agentsReadOnly && !o.fix {
		return nil, usageError{errors.New("add: --agents-read-only writes a migration, as --fix does: say both")}
	}
	if len(o.tables) > 1 && (o.As != "" || o.Newest != "" || len(o.Columns) > 0 || len(o.Key) > 0 || o.Who != "") {
		return nil, usageError{errors.New("add: --as, --newest, --columns, --key and --who speak of one table")}
	}
	return o, nil
}

// project reads what the project in a folder has.
func (p *application) project(dir string) (tablegen.Project, error) {
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return tablegen.Project{}, errors.New("there is no go.mod here: run it in the folder of a project, such as `usergraph init` makes")
	}
	for _, name := range []string{"gqlgen.yml", "schema", "models", "graph"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return tablegen.Project{}, fmt.Errorf("there is no %s here: run it in the folder of a project, such as `usergraph init` makes", name)
		}
	}
	config, err := os.ReadFile(filepath.Join(dir, "gqlgen.yml"))
	if err != nil {
		return tablegen.Project{}, err
	}
	if !strings.Contains(string(config), "schema/*.graphqls") {
		return tablegen.Project{}, errors.New("gqlgen.yml does not read the files that add writes: put `- schema/*.graphqls` below `schema:`")
	}
	schema := p.Schema(new(endpoint.Engine))
	models, err := endpoint.Models(schema)
	if err != nil {
		return tablegen.Project{}, err
	}
	project := tablegen.Project{
		Module: modfile.ModulePath(goMod),
		Engine: engineModule(),
		Schema: schema.Schema(),
	}
	for _, model := range models {
		project.Models = append(project.Models, tablegen.ModelOf(model.Type))
	}
	return project, nil
}

// engineModule is the module path of the engine.
func engineModule() string {
	return strings.TrimSuffix(reflect.TypeFor[endpoint.Engine]().PkgPath(), "/endpoint")
}

// catalogSource is a database to read the catalog of.
type catalogSource struct {
	conn *pgx.Conn
	// temporary reports whether the database is thrown away, so that it may be written to.
	temporary bool
	close     func()
}

// openCatalog connects to a database, or to a PostgreSQL of its own with the migrations applied.
func (p *application) openCatalog(ctx context.Context, url string) (*catalogSource, error) {
	stop := func() {}
	temporary := url == ""
	if temporary {
		server, err := p.startTemporary(ctx)
		if err != nil {
			return nil, err
		}
		stop = func() { _ = server.Stop() }
		url = server.URL("postgres", "postgres")
	} else if err := setDatabase(new(string), url); err != nil {
		return nil, usageError{fmt.Errorf("--database %w", err)}
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		stop()
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return &catalogSource{conn, temporary, func() {
		_ = conn.Close(context.WithoutCancel(ctx))
		stop()
	}}, nil
}

// missingExtension matches PostgreSQL's error for an extension that is not installed on the machine.
var missingExtension = regexp.MustCompile(`extension "([^"]+)" is not available`)

// startPostgres runs a PostgreSQL that is deleted when it stops.
func (p *application) startPostgres(ctx context.Context) (*postgres.Server, error) {
	return postgres.Start(ctx, postgres.Config{
		DataDir:   filepath.Join(os.TempDir(), "usergraph-add-"+rand.Text()),
		Temporary: true,
		Mirror:    p.Getenv("POSTGRES_MIRROR"),
		Progress:  func(message string) { fmt.Fprintln(p.Stdout, message) },
		Settings:  map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
	})
}

// startTemporary runs one with the migrations applied.
func (p *application) startTemporary(ctx context.Context) (*postgres.Server, error) {
	server, err := p.startPostgres(ctx)
	if err != nil {
		return nil, err
	}
	if err := (database.Migration{URL: server.URL("postgres", "postgres"), Files: p.Migrations}).Apply(ctx); err != nil {
		if name := missingExtension.FindStringSubmatch(err.Error()); name != nil {
			err = fmt.Errorf("the migrations need the extension %s, which the PostgreSQL of this machine does not have: name a database that has it, with --database URL", name[1])
		} else {
			err = fmt.Errorf("the migrations cannot be applied to an empty PostgreSQL; mend them, or name a database that has the table, with --database URL: %w", err)
		}
		return nil, errors.Join(err, server.Stop())
	}
	return server, nil
}

// adder adds tables to a project.
type adder struct {
	*application
	options *addOptions
	project tablegen.Project
	source  *catalogSource
	files   map[string][]byte
	fixes   []string
	byHand  []string
}

func (a *adder) run(ctx context.Context) error {
	found, err := catalog.Read(ctx, a.source.conn)
	if err != nil {
		return err
	}
	a.files = map[string][]byte{}
	if a.files["gqlgen.yml"], err = os.ReadFile("gqlgen.yml"); err != nil {
		return err
	}
	config := string(a.files["gqlgen.yml"])
	if found, err = a.fix(ctx, found); err != nil {
		return err
	}
	for _, name := range a.options.tables {
		add := a.table
		if _, err := tableNamed(found, name); err != nil && strings.Contains(name, ".") {
			add = a.column
		}
		if err := add(ctx, found, name); err != nil {
			return err
		}
	}
	if string(a.files["gqlgen.yml"]) == config {
		delete(a.files, "gqlgen.yml")
	}
	if len(a.fixes) > 0 && a.options.fix {
		name, err := newMigration(a.options.tables)
		if err != nil {
			return err
		}
		a.files[name] = []byte(strings.Join(a.fixes, "\n") + "\n")
	}
	if len(a.files) == 0 {
		return nil
	}
	if a.options.dryRun {
		for _, name := range slices.Sorted(maps.Keys(a.files)) {
			fmt.Fprintf(a.Stdout, "\nwould write %s:\n\n%s", name, a.files[name])
		}
		return nil
	}
	return a.write(ctx)
}

// tableNamed finds a table by its name, with or without its schema.
func tableNamed(found *catalog.Catalog, name string) (*catalog.Table, error) {
	if table := found.Table("public", name); table != nil {
		return table, nil
	}
	if schema, rest, ok := strings.Cut(name, "."); ok {
		if table := found.Table(schema, rest); table != nil {
			return table, nil
		}
	}
	hint := ""
	if names := found.Closest("public", name); len(names) > 0 {
		hint = ", there are " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("there is no table %s%s: a file of supabase/migrations makes it, or --database names a database that has it", name, hint)
}

// fix looks for what is wrong with the tables. With --fix, a temporary database is mended at once, so that what is written
// is for the tables as they will be.
func (a *adder) fix(ctx context.Context, found *catalog.Catalog) (*catalog.Catalog, error) {
	for _, name := range a.options.tables {
		table, err := tableNamed(found, name)
		column := ""
		if of, last, ok := cutLast(name); err != nil && ok {
			table, err = tableNamed(found, of)
			column = last
		}
		if err != nil {
			return nil, err
		}
		if !table.RLS {
			continue // it is refused
		}
		findings := append(access.ColumnGrants(table, column, a.options.ReadOnly), access.Findings(table, access.Of(table))...)
		if sql := access.AgentsReadOnly(table); sql != "" && a.options.agentsReadOnly {
			findings = append(findings, access.Finding{Message: "agents may write what their users may", SQL: sql})
		}
		for _, finding := range findings {
			fmt.Fprintf(a.Stdout, "%s: %s\n", table, finding.Message)
			if finding.SQL != "" {
				fmt.Fprintf(a.Stdout, "    %s\n", strings.ReplaceAll(finding.SQL, "\n", "\n    "))
				a.fixes = append(a.fixes, fmt.Sprintf("-- %s: %s.\n", table, finding.Message)+finding.SQL)
			}
		}
		if len(findings) > 0 && !a.options.fix {
			fmt.Fprintf(a.Stdout, "--fix writes a migration for this.\n\n")
		}
	}
	if !a.options.fix || len(a.fixes) == 0 || !a.source.temporary {
		return found, nil
	}
	if _, err := a.source.conn.Exec(ctx, strings.Join(a.fixes, "\n")); err != nil {
		return nil, fmt.Errorf("the SQL of --fix fails: %w", err)
	}
	return catalog.Read(ctx, a.source.conn)
}

// table decides what to write for one table, and says what it has understood.
func (a *adder) table(ctx context.Context, found *catalog.Catalog, name string) error {
	table, err := tableNamed(found, name)
	if err != nil {
		return err
	}
	if model, ok := a.project.ModelFor(table); ok {
		return a.again(ctx, found, table, model)
	}
	plan, err := tablegen.NewPlan(a.project, found, table, a.options.Options)
	if err != nil {
		return err
	}
	a.explain(plan)
	files, byHand, err := a.filesOf(ctx, found, plan)
	if err != nil {
		return err
	}
	a.byHand = append(a.byHand, byHand...)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if _, err := os.Stat(name); err == nil || a.files[name] != nil {
			return fmt.Errorf("there is a file %s already, which add does not overwrite: give the table another name with --as Name", name)
		}
	}
	maps.Copy(a.files, files)
	if a.files["gqlgen.yml"], err = plan.Config(a.files["gqlgen.yml"]); err != nil {
		return err
	}
	a.project = plan.Added()
	return nil
}

// filesOf returns what a plan writes, tests included, and what in it must be finished by hand.
func (a *adder) filesOf(ctx context.Context, found *catalog.Catalog, plan *tablegen.Plan) (files map[string][]byte, byHand []string, err error) {
	if files, err = plan.Files(); err != nil {
		return nil, nil, err
	}
	tests, err := plan.Tests(found, func(sql string) error { return a.source.try(ctx, sql) })
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(files, tests.Files)
	return files, tests.ByHand, nil
}

// cutLast cuts the column off table.column or schema.table.column.
func cutLast(name string) (table, column string, ok bool) {
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return "", "", false
	}
	return name[:at], name[at+1:], true
}

// column adds one field to a table that the project has already.
func (a *adder) column(ctx context.Context, found *catalog.Catalog, name string) error {
	tableName, column, _ := cutLast(name)
	table, err := tableNamed(found, tableName)
	if err != nil {
		return err
	}
	model, ok := a.project.ModelFor(table)
	if !ok {
		return fmt.Errorf("%s is not in the API yet: `go run . add %s` adds it with all its columns", table, table)
	}
	project, err := a.project.Without(model)
	if err != nil {
		return fmt.Errorf("%s: %w: add the field by hand, as README.md says", table, err)
	}
	options := a.options.Options
	options.As = model.Name
	plan, err := tablegen.NewPlan(project, found, table, options)
	if err != nil {
		return err
	}
	files, err := plan.WithColumn(column, func(name string) ([]byte, error) {
		if a.files[name] != nil {
			return a.files[name], nil
		}
		return os.ReadFile(name)
	})
	if err != nil {
		return err
	}
	maps.Copy(a.files, files)
	for _, r := range plan.Relations {
		if r.Child == plan.Entity && slices.Equal(r.Columns, []string{column}) {
			fmt.Fprintf(a.Stdout, "%s: %s.%s would show %s, and is written by hand: `go run . add %[1]s` prints it, docs/tables.md explains it\n", table, r.On, r.Field, r.Shows())
		}
	}
	test, text := plan.ColumnTest(found, column, files, func(sql string) error { return a.source.try(ctx, sql) })
	if _, err := os.Stat(test); text != nil && errors.Is(err, os.ErrNotExist) {
		a.files[test] = text
	}
	return nil
}

// again shows how what add would write now differs from what is there. Resolvers are not compared: gqlgen writes their files
// in an order of its own.
func (a *adder) again(ctx context.Context, found *catalog.Catalog, table *catalog.Table, model tablegen.Model) error {
	project, err := a.project.Without(model)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	options := a.options.Options
	options.As = model.Name
	plan, err := tablegen.NewPlan(project, found, table, options)
	if err != nil {
		return err
	}
	files, _, err := a.filesOf(ctx, found, plan)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "%s is there already, as %s; nothing of it is written. What add would write now differs in:\n", table, model.Name)
	differs := false
	for _, name := range slices.Sorted(maps.Keys(files)) {
		present, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if text := tablegen.Diff(string(present), string(files[name])); text != "" && !strings.HasSuffix(name, ".resolvers.go") {
			differs = true
			fmt.Fprintf(a.Stdout, "\n%s\n%s", name, text)
		}
	}
	if !differs {
		fmt.Fprintln(a.Stdout, "  nothing")
	}
	return nil
}

// try runs SQL in a database that is thrown away, and takes it back.
func (s *catalogSource) try(ctx context.Context, sql string) error {
	if !s.temporary {
		return nil
	}
	tx, err := s.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	_, err = tx.Exec(ctx, sql)
	return err
}

// explain prints what was understood of a table, a sentence an operation.
func (a *adder) explain(plan *tablegen.Plan) {
	fmt.Fprintf(a.Stdout, "%s is %s:\n", plan.Table, plan.Entity)
	for i, command := range access.Commands {
		fmt.Fprintf(a.Stdout, "  %-7s %s\n", []string{"read:", "create:", "update:", "delete:"}[i], plan.Access.Access(command))
	}
	if plan.AgentsReadOnly() {
		fmt.Fprintln(a.Stdout, "  agents: they only read")
	}
	for _, r := range plan.Relations {
		fmt.Fprintf(a.Stdout, "  %s.%s shows %s\n", r.On, r.Field, r.Shows())
	}
	for _, out := range plan.LeftOut {
		fmt.Fprintf(a.Stdout, "  left out: %s, because %s\n", out.What, out.Why)
	}
	if len(plan.Undescribed) > 0 {
		fmt.Fprintf(a.Stdout, "  no comment, so that the description is made of the name: %s\n", strings.Join(plan.Undescribed, ", "))
	}
	fmt.Fprintln(a.Stdout)
}

// newMigration returns the name of a migration that is newer than all others.
func newMigration(tables []string) (string, error) {
	about := "tables"
	if len(tables) == 1 {
		about = notInFileNames.ReplaceAllString(strings.ToLower(tables[0]), "_")
	}
	version := time.Now().UTC().Format("20060102150405")
	files, err := filepath.Glob("supabase/migrations/*.sql")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		newest, _, _ := strings.Cut(filepath.Base(file), "_")
		if len(newest) == len(version) && newest >= version {
			at, err := time.Parse("20060102150405", newest)
			if err != nil {
				return "", fmt.Errorf("%s is newer than now: name a migration after it by hand", file)
			}
			version = at.Add(time.Second).Format("20060102150405")
		}
	}
	return "supabase/migrations/" + version + "_fix_" + about + ".sql", nil
}

var notInFileNames = regexp.MustCompile(`[^a-z0-9]+`)

// write writes the files, generates and builds. If that fails, everything is as it was.
func (a *adder) write(ctx context.Context) error {
	before, err := tablegen.Snapshot(".", append(slices.Collect(maps.Keys(a.files)), generatedFiles()...))
	if err != nil {
		return err
	}
	if err := tablegen.Write(".", a.files); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(a.files)) {
		fmt.Fprintf(a.Stdout, "wrote %s\n", name)
	}
	for _, step := range [][]string{{"generate", "."}, {"vet", "./..."}} {
		if err := goTool(ctx, a.Stdout, ".", step...); err != nil {
			return errors.Join(fmt.Errorf("`go %s` failed, and what was written is taken back: %w", strings.Join(step, " "), err), before.Restore())
		}
	}
	if !a.options.skipTest {
		if err := goTool(ctx, a.Stdout, ".", "test", "./..."); err != nil && len(a.byHand) == 0 {
			return fmt.Errorf("the tests fail: %w", err)
		}
	}
	for _, text := range a.byHand {
		fmt.Fprintf(a.Stdout, "to finish by hand: %s\n", text)
	}
	return nil
}

// generatedFiles are the files that `go generate .` writes.
func generatedFiles() (names []string) {
	for _, pattern := range []string{"graph/*.resolvers.go", "graph/generated/*.go", "schema/engine.graphqls"} {
		found, _ := filepath.Glob(pattern)
		names = append(names, found...)
	}
	return names
}

// goTool runs the go command in the project of a folder, and shows what it prints.
func goTool(ctx context.Context, out io.Writer, dir string, args ...string) error {
	fmt.Fprintf(out, "\n$ go %s\n", strings.Join(args, " "))
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Stdout, command.Stderr = dir, out, out
	return command.Run()
}
