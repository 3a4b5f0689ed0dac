package endpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
)

// Trust restricts which documents may run.
type Trust string

const (
	TrustOff     Trust = "off"     // every document within the limits
	TrustPrefer  Trust = "prefer"  // every document; trusted ones are exempt from the document limits
	TrustRequire Trust = "require" // only trusted documents
)

// Introspection restricts introspection and the suggestion of names in errors.
type Introspection string

const (
	IntrospectionOff           Introspection = "off"
	IntrospectionAuthenticated Introspection = "authenticated" // signed-in callers
	IntrospectionOn            Introspection = "on"            // everybody
)

func (i Introspection) allows(ctx context.Context) bool {
	if i == IntrospectionAuthenticated {
		_, signedIn := auth.FromContext(ctx)
		return signedIn
	}
	return i == IntrospectionOn
}

// documentIDKey is the key of a request's documentId in its extensions.
const documentIDKey = "documentId"

// readTrusted parses and validates the trusted documents, by id. An error about a document names its operations.
func (d *documents) readTrusted(texts map[string]string) (map[string]*document, error) {
	if d.trust == TrustOff {
		return nil, nil
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("endpoint: Trust is %q, but TrustedDocuments is empty", d.trust)
	}
	trusted := make(map[string]*document, len(texts))
	var problems []error
	for id, text := range texts {
		parsed, err := d.parseAndValidate(text, nil, true)
		if err != nil {
			problems = append(problems, fmt.Errorf("trusted document %s: %w", d.describe(id, text), err))
			continue
		}
		parsed.trusted = true
		trusted[id] = parsed
	}
	return trusted, errors.Join(problems...)
}

// describe returns the names of a document's operations and its id, or the id alone if it finds no name.
func (d *documents) describe(id, text string) string {
	var names []string
	for line := range strings.Lines(text) {
		words := strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune(" \t\r\n({@", c) })
		if len(words) > 1 && (words[0] == "query" || words[0] == "mutation" || words[0] == "subscription") {
			names = append(names, words[1])
		}
	}
	if len(names) == 0 {
		return id
	}
	return strings.Join(names, ", ") + " (" + id + ")"
}

// documentID returns the id of the requested document, or "". isHash reports whether it is the hash of an automatic
// persisted query.
func documentID(params *graphql.RawParams) (id string, isHash bool, refusal *gqlerror.Error) {
	if given, ok := params.Extensions[documentIDKey]; ok && given != nil {
		id, ok := given.(string)
		if !ok || id == "" {
			return "", false, refusef(CodeBadRequest, "documentId is not a text")
		}
		return strings.TrimPrefix(id, "sha256:"), false, nil
	}
	given, ok := params.Extensions["persistedQuery"]
	if !ok || given == nil {
		return "", false, nil
	}
	persisted, _ := given.(map[string]any)
	hash, _ := persisted["sha256Hash"].(string)
	if version, _ := persisted["version"].(int64); version != 1 || hash == "" {
		return "", false, refusef(CodeBadRequest, `extensions.persistedQuery is not of the form {"version": 1, "sha256Hash": "…"}`)
	}
	return hash, true, nil
}
