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
	restricted bool // not every signed-in caller may use it
}

// tools are all tools, in the order of their files.
type tools struct {
	all    []*tool
	byName map[string]*tool
	listed []*sdk.Tool // of all
	open   bool        // no tool is restricted
}

// newTools validates the documents with a description, and makes tools of the queries and, where they are on, of the mutations.
func newTools(options Options) (tools, error) {
	made := tools{byName: map[string]*tool{}, open: true}
	var problems []error
	for _, document := range options.Documents {
		if document.Description == "" || document.Kind == ast.Subscription || document.Kind == ast.Mutation && !options.Mutations {
			continue
		}
		prepared, err := options.Endpoint.Prepare(document)
		if err == nil && len(document.Name) > maxNameBytes {
			err = fmt.Errorf("documents/%s: the name of a tool has at most %d bytes", document.File, maxNameBytes)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		t := &tool{prepared, listedTool(options.Endpoint.Schema(), prepared), prepared.Restricted()}
		made.all, made.listed = append(made.all, t), append(made.listed, t.listed)
		made.byName[document.Name] = t
		made.open = made.open && !t.restricted
	}
	if len(made.all) == 0 && len(problems) == 0 {
		return made, ErrNoTools
	}
	return made, errors.Join(problems...)
}

// of returns the tools that a caller may use.
func (t *tools) of(claims *auth.Claims) []*sdk.Tool {
	if t.open {
		return t.listed
	}
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
		InputSchema: encode(inputSchema(schema, p.Operation)), OutputSchema: encode(outputSchema(schema, p.Operation)),
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

func encode(s *schema) json.RawMessage {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a default of the schema is JSON
	}
	return text
}

// run runs a tool as the caller. Its errors are for a model to act on.
func (h *Handler) run(ctx context.Context, t *tool, current *call) *sdk.CallToolResult {
	if problem := t.checkArguments(h.Endpoint.Schema(), current.arguments); problem != "" {
		return failed(problem)
	}
	current.writes = t.Operation.Operation == ast.Mutation
	response := h.Endpoint.Run(ctx, t.Prepared, current.arguments, current.request.Header)
	if len(response.Errors) == 0 {
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: string(response.Data)}}, StructuredContent: response.Data}
	}
	result := failed(describe(response.Errors))
	if text := string(response.Data); text != "" && text != "null" {
		result.Content = append(result.Content, &sdk.TextContent{Text: "The rest of the answer: " + text})
	}
	return result
}

func failed(text string) *sdk.CallToolResult {
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: text}}}
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
