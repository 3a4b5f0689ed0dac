package mcp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"usergraph/auth"
	"usergraph/endpoint"
)

// Tools are the tools of a team's documents for a model that the team's own code asks, without the protocol: those of /mcp,
// run by the same executor as the same caller.
type Tools struct{ tools tools }

// Tool describes a tool to a model.
type Tool struct {
	Name, Description string
	// InputSchema is the JSON Schema of the arguments.
	InputSchema json.RawMessage
}

// NewTools validates the documents that have a description. Mutations are tools only if that is said.
func NewTools(handler *endpoint.Handler, documents []endpoint.Document, mutations bool) (*Tools, error) {
	made, err := newTools(handler, documents, mutations)
	if err != nil {
		return nil, err
	}
	return &Tools{made}, nil
}

// Of returns the tools that the caller of a request may use, in the order of their files.
func (t *Tools) Of(r *http.Request) (allowed []Tool) {
	claims, ok := auth.FromContext(r.Context())
	if !ok {
		return nil
	}
	for _, tool := range t.tools.of(claims) {
		allowed = append(allowed, Tool{tool.Name, tool.Description, tool.InputSchema.(json.RawMessage)})
	}
	return allowed
}

// Call runs a tool as the caller of a request. The arguments are a JSON object, as a model has written it. The answer is
// for the model; ok is false if it says what was wrong.
func (t *Tools) Call(r *http.Request, name string, arguments []byte) (answer string, ok bool) {
	if _, signedIn := auth.FromContext(r.Context()); !signedIn {
		return endpoint.CodeUnauthenticated + ": nobody is signed in", false
	}
	tool := t.tools.byName[name]
	if tool == nil {
		return endpoint.CodeBadUserInput + ": there is no tool of this name", false
	}
	decoded := map[string]any{}
	if len(bytes.TrimSpace(arguments)) > 0 { // some models leave out what is empty
		var err error
		if decoded, err = t.tools.endpoint.Decode(r.Context(), arguments); err != nil {
			return endpoint.CodeBadUserInput + ": the arguments are not a JSON object of acceptable size. " + tool.usage(), false
		}
	}
	result := t.tools.run(r.Context(), tool, &call{request: r, arguments: decoded})
	return strings.Join(result.texts, "\n"), result.data != nil
}
