package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"usergraph/internal/devauth"
	"usergraph/playground"
)

// mountPlayground serves the browser IDE at / and /playground.
func (p *application) mountPlayground(mux *http.ServeMux, cfg playground.Config) error {
	operations, err := readOperations(p.Documents)
	if err != nil {
		return err
	}
	cfg.Endpoint, cfg.Operations = "/graphql", operations
	handler := playground.Handler(cfg)
	for _, pattern := range []string{"GET /{$}", "GET /playground", "GET /playground/"} {
		mux.Handle(pattern, handler)
	}
	return nil
}

// readOperations makes a tab of each document, in the order of the file names. The tab's name is the operation's, in
// words; its description is the document's first comment.
func readOperations(documents fs.FS) ([]playground.Operation, error) {
	if documents == nil {
		return nil, nil
	}
	files, err := fs.Glob(documents, "*.graphql")
	if err != nil {
		return nil, err
	}
	var operations []playground.Operation
	for _, file := range files {
		text, err := fs.ReadFile(documents, file)
		if err != nil {
			return nil, err
		}
		parsed, err := parser.ParseQuery(&ast.Source{Name: file, Input: string(text)})
		if err != nil {
			return nil, fmt.Errorf("documents/%s: %w", file, err)
		}
		if len(parsed.Operations) != 1 || parsed.Operations[0].Name == "" {
			return nil, fmt.Errorf("documents/%s: a file holds one operation, with a name", file)
		}
		description, query := cutComment(string(text))
		variablesFile := strings.TrimSuffix(file, ".graphql") + ".json"
		variables, err := fs.ReadFile(documents, variablesFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a document may have none to try
			return nil, err
		}
		if err == nil && json.Unmarshal(variables, new(map[string]any)) != nil {
			return nil, fmt.Errorf("documents/%s is not a JSON object with the variables of %s", variablesFile, file)
		}
		operations = append(operations, playground.Operation{
			Name: inWords(parsed.Operations[0].Name), Description: description, Query: query, Variables: strings.TrimSpace(string(variables)),
		})
	}
	return operations, nil
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

// inWords turns WhoAmI into Who am I.
func inWords(name string) string {
	var words strings.Builder
	for i, c := range name {
		switch upper := c >= 'A' && c <= 'Z'; {
		case i == 0 || !upper:
			words.WriteRune(c)
		case i == len(name)-1: // the word I
			words.WriteString(" " + string(c))
		default:
			words.WriteString(" " + strings.ToLower(string(c)))
		}
	}
	return words.String()
}

// servePlayground lets users paste a token, or sign in with a password if the project and one of its keys are known.
func servePlayground(cfg config) playground.Config {
	page := playground.Config{SupabaseURL: cfg.supabaseURL}
	if len(cfg.publishableKeys) > 0 {
		page.PublishableKey = cfg.publishableKeys[0]
		page.Headers = map[string]string{"apikey": page.PublishableKey}
	}
	return page
}

// The identities of the playground that are not users.
const (
	signedOut = "signed-out"
	expired   = "expired" // the first user with an expired token
)

// devPlayground lets the playground act as any of the users. The first is the default.
func devPlayground(users []devauth.User) playground.Config {
	cfg := playground.Config{TokenEndpoint: devTokenPath}
	for _, user := range users {
		cfg.Identities = append(cfg.Identities, playground.Identity{Name: user.ID.String(), Label: user.Label()})
	}
	cfg.Identities = append(cfg.Identities, playground.Identity{Name: signedOut, Label: "Signed out"})
	if len(users) > 0 {
		cfg.Identities = append(cfg.Identities, playground.Identity{Name: expired, Label: users[0].Label() + ", token expired"})
	}
	return cfg
}
