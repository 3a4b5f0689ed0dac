package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
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
// has no documents.
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
		read, err := readDocument(folder, file)
		if err != nil {
			problems = append(problems, fmt.Errorf("documents/%s: %w", file, err))
			continue
		}
		if other := seen[read.Name]; other != "" {
			problems = append(problems, fmt.Errorf("documents/%s: the operation %s is in %s already", file, read.Name, other))
			continue
		}
		seen[read.Name] = file
		documents = append(documents, read)
	}
	return documents, errors.Join(problems...)
}

func readDocument(folder fs.FS, file string) (Document, error) {
	text, err := fs.ReadFile(folder, file)
	if err != nil {
		return Document{}, err
	}
	parsed, err := parser.ParseQuery(&ast.Source{Name: file, Input: string(text)})
	if err != nil {
		return Document{}, err
	}
	if len(parsed.Operations) != 1 || parsed.Operations[0].Name == "" {
		return Document{}, errors.New("a file holds one operation, with a name")
	}
	operation := parsed.Operations[0]
	read := Document{File: file, Name: operation.Name, Kind: operation.Operation, Description: strings.TrimSpace(operation.Description)}
	read.Comment, read.Text = cutComment(string(text))
	variablesFile := strings.TrimSuffix(file, ".graphql") + ".json"
	variables, err := fs.ReadFile(folder, variablesFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a document may have none to try
		return Document{}, err
	}
	if err == nil && json.Unmarshal(variables, new(map[string]any)) != nil {
		return Document{}, fmt.Errorf("documents/%s is not a JSON object with the variables of %s", variablesFile, read.Name)
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

// Prepare validates a document against the schema. The team trusts its own documents: the limits for documents do not
// hold for them, those for what they cost and return do.
func (h *Handler) Prepare(d Document) (*Prepared, error) {
	parsed, refusal := h.exec.documents.parseAndValidate(d.Text, nil, true)
	if refusal != nil {
		return nil, fmt.Errorf("documents/%s: %w", d.File, refusal)
	}
	parsed.trusted = true
	operation := parsed.parsed.Operations[0]
	if operation.Operation == ast.Subscription {
		return nil, fmt.Errorf("documents/%s: a subscription has no answer", d.File)
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
