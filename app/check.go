package app

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"usergraph/endpoint"
	"usergraph/internal/catalog"
	"usergraph/internal/doctor"
	"usergraph/internal/drift"
	"usergraph/mcp"
)

// runCheck validates the documents, and compares the API with the tables.
func (p *application) runCheck(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "check", "Compares models and schema with tables, policies and grants, and says what a migration has changed and which line to change.\n"+
		"It also validates the documents, as the server does when it starts with MCP=on.\n"+
		"It reads the migrations, applied to a PostgreSQL that is thrown away, or with --database a database as it is.\n"+
		"It exits with 0 if nothing differs, 3 for warnings, 1 for errors.",
		"usergraph check --database \"$DATABASE_URL\"")
	url := flags.String("database", "", "the `url` of a database to read, and not the migrations; any login may read it")
	asJSON := flags.Bool("json", false, "print a line of JSON for each finding")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	worst := doctor.OK
	report := func(findings []doctor.Finding) {
		for _, f := range findings {
			worst = worse(worst, f.Severity)
			printFinding(p.Stdout, *asJSON, f)
		}
	}
	report(p.examineDocuments())
	source, err := p.openCatalog(ctx, *url)
	if err != nil {
		return err
	}
	defer source.close()
	found, err := catalog.Read(ctx, source.conn)
	if err != nil {
		return err
	}
	findings, err := p.compare(found)
	if err != nil {
		return err
	}
	report(findings)
	switch worst {
	case doctor.Error:
		return errErrors
	case doctor.Warning:
		return errWarnings
	}
	return nil
}

// worse returns the more important of two severities; notes do not count.
func worse(a, b doctor.Severity) doctor.Severity {
	if b == doctor.Error || b == doctor.Warning && a != doctor.Error {
		return b
	}
	return a
}

// examineDocuments validates the documents against the schema, and those with a description as tools of agents too.
func (p *application) examineDocuments() (findings []doctor.Finding) {
	found := func(err error, advice string) {
		problems := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			problems = joined.Unwrap()
		}
		for _, problem := range problems {
			findings = append(findings, doctor.Finding{Check: "check", Severity: doctor.Error, Message: problem.Error(), Advice: advice})
		}
	}
	documents, err := endpoint.ReadDocuments(p.Documents)
	if err != nil {
		found(err, "mend the file: with MCP or PLAYGROUND on, the server does not start")
	}
	handler, err := endpoint.NewHandler(endpoint.Options{Schema: p.Schema, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		found(err, "mend the schema: the server does not start")
		return findings
	}
	var tools []endpoint.Document
	for _, document := range documents {
		if err := handler.Validate(document); err != nil {
			found(err, "change the operation, or the schema")
		} else if isTool(document) {
			tools = append(tools, document)
		}
	}
	if len(tools) > 0 {
		if _, err := mcp.NewTools(handler, tools, true); err != nil {
			found(err, "change the operation, or leave out its description, which makes it a tool of agents")
		}
	}
	slices.SortStableFunc(findings, func(a, b doctor.Finding) int { return strings.Compare(a.Message, b.Message) })
	return findings
}

// compare compares the API with a catalog. If nothing differs, it says so.
func (p *application) compare(found *catalog.Catalog) (findings []doctor.Finding, err error) {
	schema := p.Schema(new(endpoint.Engine))
	models, err := endpoint.Models(schema)
	if err != nil {
		return nil, err
	}
	api := drift.API{Schema: schema.Schema(), Place: places("models/*.go")}
	for _, model := range models {
		api.Models = append(api.Models, model.Type)
	}
	worst := doctor.OK
	for _, f := range drift.Compare(found, api) {
		severity := doctor.Severity(f.Severity)
		worst = worse(worst, severity)
		findings = append(findings, doctor.Finding{Check: "check", Severity: severity, Message: f.Table + ": " + f.Message, Advice: f.Advice})
	}
	if worst == doctor.OK {
		findings = append(findings, doctor.Finding{Check: "check", Severity: doctor.OK, Message: fmt.Sprintf("the API fits its tables; models: %d", len(models))})
	}
	return findings, nil
}

// places returns where the fields of structs are declared in the files of a pattern, if the sources are here.
func places(pattern string) func(model, field string) string {
	at := map[[2]string]string{}
	files, _ := filepath.Glob(pattern)
	set := token.NewFileSet()
	for _, name := range files {
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			at[[2]string{spec.Name.Name, ""}] = placeOf(set, spec.Pos())
			for _, field := range structure.Fields.List {
				for _, name := range field.Names {
					at[[2]string{spec.Name.Name, name.Name}] = placeOf(set, name.Pos())
				}
			}
			return false
		})
	}
	return func(model, field string) string { return at[[2]string{model, field}] }
}

func placeOf(set *token.FileSet, pos token.Pos) string {
	position := set.Position(pos)
	return fmt.Sprintf("%s:%d", filepath.ToSlash(position.Filename), position.Line)
}
