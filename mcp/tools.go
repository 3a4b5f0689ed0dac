package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
	"usergraph/endpoint"
)

// maxNameBytes bounds the name of a tool (MCP, section "Tool Names").
const maxNameBytes = 128

// tool is a document that agents may call.
type tool struct {
	*endpoint.Prepared
	listed     *sdk.Tool
	encoded    []byte // listed, as JSON
	restricted bool   // not every signed-in caller may use it
}

// tools are all tools, in the order of their files.
type tools struct {
	endpoint *endpoint.Handler
	all      []*tool
	byName   map[string]*tool
	bytes    int // of the list of all, about
}

// newTools validates the documents with a description, and makes tools of the queries and, where they are on, of the mutations.
func newTools(handler *endpoint.Handler, documents []endpoint.Document, mutations bool) (tools, error) {
	made := tools{endpoint: handler, byName: map[string]*tool{}}
	var problems []error
	for _, document := range documents {
		if document.Description == "" || document.Kind == ast.Subscription || document.Kind == ast.Mutation && !mutations {
			continue
		}
		prepared, err := handler.Prepare(document)
		if err == nil && len(document.Name) > maxNameBytes {
			err = fmt.Errorf("%s: the name of a tool has at most %d bytes", document.Place(prepared.Operation.Position.Line), maxNameBytes)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		listed := listedTool(handler.Schema(), prepared)
		t := &tool{prepared, listed, encodeJSON(listed), prepared.Restricted()}
		made.all = append(made.all, t)
		made.byName[document.Name] = t
		made.bytes += len(t.encoded) + len(",")
	}
	if len(made.all) == 0 && len(problems) == 0 {
		return made, errNoTools
	}
	return made, errors.Join(problems...)
}

// of returns the tools that a caller may use.
func (t *tools) of(claims *auth.Claims) []*sdk.Tool {
	listed := make([]*sdk.Tool, 0, len(t.all))
	for _, tool := range t.all {
		if !tool.restricted || tool.Allows(claims) {
			listed = append(listed, tool.listed)
		}
	}
	return listed
}

// listedTool describes a document as a tool.
func listedTool(schema *ast.Schema, p *endpoint.Prepared) *sdk.Tool {
	writes := p.Operation.Operation == ast.Mutation
	destructive, idempotent := effects(p)
	closed := false
	annotations := &sdk.ToolAnnotations{ReadOnlyHint: !writes, OpenWorldHint: &closed}
	if writes {
		annotations.DestructiveHint, annotations.IdempotentHint = &destructive, idempotent
	}
	return &sdk.Tool{
		Name: p.Name, Title: p.Title(), Description: p.Description, Annotations: annotations,
		InputSchema: json.RawMessage(encodeJSON(inputSchema(schema, p.Operation))), OutputSchema: json.RawMessage(encodeJSON(outputSchema(schema, p.Operation))),
	}
}

// effects returns what @effect says of the fields of a mutation. It is destructive if one of them is, and idempotent if
// all are. A field without the directive counts as destructive and not idempotent, as in MCP.
func effects(p *endpoint.Prepared) (destructive, idempotent bool) {
	idempotent = true
	for _, field := range p.RootFields() {
		effect := field.Directives.ForName("effect")
		if effect == nil {
			return true, false
		}
		said := effect.ArgumentMap(nil)
		destructive = destructive || said["destructive"] == true
		idempotent = idempotent && said["idempotent"] == true
	}
	return destructive, idempotent
}

// result is the result of a call: data, or what went wrong.
type result struct {
	data  json.RawMessage // nil if it is an error
	texts []string
}

// run runs a tool as the caller. Its errors are for a model to act on.
func (t *tools) run(ctx context.Context, tool *tool, current *call) *result {
	if problem := tool.checkArguments(t.endpoint.Schema(), current.arguments); problem != "" {
		return &result{texts: []string{problem}}
	}
	current.writes = tool.Operation.Operation == ast.Mutation
	response := t.endpoint.Run(ctx, tool.Prepared, current.arguments, current.request.Header)
	text := string(response.Data)
	if len(response.Errors) == 0 {
		return &result{response.Data, []string{text}}
	}
	failed := &result{texts: []string{describe(response.Errors)}}
	if text != "" && text != "null" {
		failed.texts = append(failed.texts, "The rest of the answer: "+text)
	}
	return failed
}

// ofSDK returns the result as the SDK has it.
func (r *result) ofSDK() *sdk.CallToolResult {
	of := &sdk.CallToolResult{IsError: r.data == nil}
	for _, text := range r.texts {
		of.Content = append(of.Content, &sdk.TextContent{Text: text})
	}
	if r.data != nil {
		of.StructuredContent = r.data
	}
	return of
}

// describe writes errors, one a line: CODE at path: message.
func describe(errs gqlerror.List) string {
	var lines []string
	for _, err := range errs {
		line := fmt.Sprint(err.Extensions["code"])
		if path := err.Path.String(); path != "" {
			line += " at " + path
		}
		line += ": " + err.Message
		if id, ok := err.Extensions["requestId"]; ok {
			line += fmt.Sprintf(" (request %v)", id)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// checkArguments returns what is wrong with arguments that GraphQL itself would not refuse: unknown names, and custom
// scalars of another type than the tool's schema says. The executor checks the rest before anything runs.
func (t *tool) checkArguments(schema *ast.Schema, arguments map[string]any) string {
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		variable := t.Operation.VariableDefinitions.ForName(name)
		if variable == nil {
			return endpoint.CodeBadUserInput + ": there is an argument that the tool does not have. " + t.usage()
		}
		if problem := misfit(schema, variable.Type, arguments[name], name); problem != "" {
			return endpoint.CodeBadUserInput + ": " + problem
		}
	}
	return ""
}

// usage names the tool's arguments.
func (t *tool) usage() string {
	var names []string
	for _, variable := range t.Operation.VariableDefinitions {
		names = append(names, variable.Variable)
	}
	if len(names) == 0 {
		return "It has none."
	}
	return "It has: " + strings.Join(names, ", ") + "."
}
