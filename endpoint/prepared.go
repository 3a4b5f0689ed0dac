package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"usergraph/auth"
)

// Document is a named operation of the team's, a file of its documents.
type Document struct {
	File string // 1_who_am_i.graphql
	Name string // of the operation: WhoAmI
	Kind ast.Operation
	// Description is the description of the operation (GraphQL of September 2025, section 2.3), or "".
	Description string
	// Comment is the first comment of the file, without the marks, and Text the rest of the file.
	Comment, Text string
	// Variables is a JSON object with variables to try the operation with, or "".
	Variables string

	commentLines int // of the file, before Text
}

// Place names a line of Text in its file: documents/1_who_am_i.graphql:3.
func (d *Document) Place(line int) string { return placeIn(d.File, d.commentLines+line) }

func placeIn(file string, line int) string { return fmt.Sprintf("documents/%s:%d", file, line) }

// located returns an error about a file with its place, if err is gqlparser's: so many lines of the file come before the
// text that it has read.
func located(file string, before int, err error) error {
	found := (*gqlerror.Error)(nil)
	switch {
	case !errors.As(err, &found):
		return fmt.Errorf("documents/%s: %w", file, err)
	case len(found.Locations) == 0:
		return fmt.Errorf("documents/%s: %s", file, found.Message)
	}
	return fmt.Errorf("%s: %s", placeIn(file, before+found.Locations[0].Line), found.Message)
}

// Title returns the name in words: Who am I.
func (d *Document) Title() string {
	var words strings.Builder
	for i, c := range d.Name {
		switch upper := c >= 'A' && c <= 'Z'; {
		case i == 0 || !upper:
			words.WriteRune(c)
		case i == len(d.Name)-1: // the word I
			words.WriteString(" " + string(c))
		default:
			words.WriteString(" " + strings.ToLower(string(c)))
		}
	}
	return words.String()
}

// ReadDocuments reads the files *.graphql of a folder in the order of their names. Each holds one operation, with a name
// that no other has. The file of the same name with the ending .json, if there is one, holds variables. A nil folder
// has no documents. With an error, which joins one for each file, it returns the other documents.
func ReadDocuments(folder fs.FS) ([]Document, error) {
	if folder == nil {
		return nil, nil
	}
	files, err := fs.Glob(folder, "*.graphql")
	if err != nil {
		return nil, err
	}
	var documents []Document
	var problems []error
	seen := map[string]string{}
	for _, file := range files {
		read, err := readDocument(folder, file, seen)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		seen[read.Name] = file
		documents = append(documents, read)
	}
	return documents, errors.Join(problems...)
}

// readDocument reads a file. seen has the files of the operations that have been read, by name.
func readDocument(folder fs.FS, file string, seen map[string]string) (Document, error) {
	text, err := fs.ReadFile(folder, file)
	if err != nil {
		return Document{}, located(file, 0, err)
	}
	parsed, err := parser.ParseQuery(&ast.Source{Input: string(text)})
	if err != nil {
		return Document{}, located(file, 0, cmp.Or(unreadable(string(text)), err))
	}
	const rule = "a file holds one operation, with a name"
	if len(parsed.Operations) == 0 {
		return Document{}, located(file, 0, errors.New(rule))
	}
	operation := parsed.Operations[len(parsed.Operations)-1]
	if len(parsed.Operations) > 1 || operation.Name == "" {
		return Document{}, located(file, 0, gqlerror.ErrorPosf(operation.Position, rule))
	}
	if other := seen[operation.Name]; other != "" {
		return Document{}, located(file, 0, gqlerror.ErrorPosf(operation.Position, "the operation %s is in %s already", operation.Name, other))
	}
	read := Document{File: file, Name: operation.Name, Kind: operation.Operation, Description: strings.TrimSpace(operation.Description)}
	read.Comment, read.Text = cutComment(string(text))
	read.commentLines = bytes.Count(text[:len(text)-len(read.Text)], []byte("\n"))
	variablesFile := strings.TrimSuffix(file, ".graphql") + ".json"
	variables, err := fs.ReadFile(folder, variablesFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a document may have none to try
		return Document{}, located(variablesFile, 0, err)
	}
	if err == nil && json.Unmarshal(variables, new(map[string]any)) != nil {
		return Document{}, fmt.Errorf("documents/%s: it is not a JSON object with the variables of %s", variablesFile, read.Name)
	}
	read.Variables = strings.TrimSpace(string(variables))
	return read, nil
}

// cutComment splits a document into its first comment, without the marks, and the rest.
func cutComment(document string) (comment, rest string) {
	for line := range strings.Lines(document) {
		text, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		comment += " " + strings.TrimSpace(text)
		document = document[len(line):]
	}
	return strings.TrimSpace(comment), document
}

// Schema returns the schema of the endpoint. It must not be modified.
func (h *Handler) Schema() *ast.Schema { return h.exec.schema.Schema() }

// Prepared is a document that has been validated, for callers who do not send it themselves.
type Prepared struct {
	Document
	// Operation is the validated operation, with the definitions of its fields, fragments and variables.
	Operation *ast.OperationDefinition

	document *document
	fields   []*ast.FieldDefinition // that the operation selects, each once
}

// Validate validates a document against the schema, as Prepare does. It takes subscriptions too.
func (h *Handler) Validate(d Document) error {
	_, err := h.validate(d)
	return err
}

func (h *Handler) validate(d Document) (*document, error) {
	parsed, refusal := h.exec.documents.parseAndValidate(d.Text, nil, true)
	if refusal != nil {
		return nil, located(d.File, d.commentLines, refusal)
	}
	return parsed, nil
}

// Prepare validates a document against the schema. The team trusts its own documents: the limits for documents do not
// hold for them, those for what they cost and return do.
func (h *Handler) Prepare(d Document) (*Prepared, error) {
	parsed, err := h.validate(d)
	if err != nil {
		return nil, err
	}
	parsed.trusted = true
	operation := parsed.parsed.Operations[0]
	if operation.Operation == ast.Subscription {
		return nil, fmt.Errorf("%s: a subscription has no answer", d.Place(operation.Position.Line))
	}
	prepared := &Prepared{Document: d, Operation: operation, document: parsed}
	seen := map[*ast.FieldDefinition]bool{}
	eachField(operation.SelectionSet, func(field *ast.Field) {
		if !seen[field.Definition] {
			seen[field.Definition] = true
			prepared.fields = append(prepared.fields, field.Definition)
		}
	})
	return prepared, nil
}

// eachField calls visit for each field of a selection set, those within other fields and fragments too.
func eachField(selections ast.SelectionSet, visit func(*ast.Field)) {
	eachRoot(selections, func(field *ast.Field) {
		visit(field)
		eachField(field.SelectionSet, visit)
	})
}

// eachRoot calls visit for each field of a selection set, those within fragments too.
func eachRoot(selections ast.SelectionSet, visit func(*ast.Field)) {
	for _, selection := range selections {
		switch selection := selection.(type) {
		case *ast.Field:
			visit(selection)
		case *ast.InlineFragment:
			eachRoot(selection.SelectionSet, visit)
		case *ast.FragmentSpread:
			eachRoot(selection.Definition.SelectionSet, visit)
		}
	}
}

// RootFields returns the definitions of the operation's root fields.
func (p *Prepared) RootFields() []*ast.FieldDefinition {
	var fields []*ast.FieldDefinition
	eachRoot(p.Operation.SelectionSet, func(field *ast.Field) { fields = append(fields, field.Definition) })
	return fields
}

// Allows reports whether a signed-in caller may use all fields of the operation, as far as the engine's directives say.
// Directives of the team's own are not asked.
func (p *Prepared) Allows(claims *auth.Claims) bool {
	caller := newCaller(claims)
	for _, field := range p.fields {
		if caller.mayUse(field) != nil {
			return false
		}
	}
	return true
}

// Restricted reports whether Allows differs between signed-in callers.
func (p *Prepared) Restricted() bool {
	for _, field := range p.fields {
		for _, name := range []string{"requires", "denyAnonymousUsers", "hasRole"} {
			if field.Directives.ForName(name) != nil {
				return true
			}
		}
	}
	return false
}

// Run runs a prepared document as the caller of ctx, with the steps of a request to /graphql: variables, cost, quotas, time
// limit, errors, observer. Headers are those that resolvers see. Variables have the types of encoding/json, but for
// whole numbers, which are int64.
func (h *Handler) Run(ctx context.Context, p *Prepared, variables map[string]any, headers http.Header) *graphql.Response {
	operation, refusal := h.exec.prepareDocument(ctx, p.document, &graphql.RawParams{
		OperationName: p.Name, Variables: variables, Headers: headers,
	})
	if refusal != nil {
		return refusal
	}
	answers, ctx := h.exec.run(ctx, operation)
	return answers(ctx)
}
