package app

import (
	"cmp"
	"net/http"

	"usergraph/endpoint"
	"usergraph/internal/devauth"
	"usergraph/mcp"
	"usergraph/playground"
)

// mountPlayground serves the browser IDE at / and /playground, with the documents in the order of the file names. agents is nil if
// agents may call nothing.
func (p *application) mountPlayground(mux *http.ServeMux, cfg playground.Config, agents *mcp.Handler) error {
	documents, err := endpoint.ReadDocuments(p.Documents)
	if err != nil {
		return err
	}
	cfg.Endpoint = "/graphql"
	for _, d := range documents {
		operation := playground.Operation{
			Title: d.Title(), Name: d.Name, Kind: string(d.Kind), Description: cmp.Or(d.Comment, d.Description), Query: d.Text, Variables: d.Variables,
		}
		if agents != nil {
			if effect, ok := agents.EffectOf(d.Name); ok {
				operation.Tool = (*playground.Tool)(&effect)
			}
		}
		cfg.Operations = append(cfg.Operations, operation)
	}
	handler := playground.Handler(cfg)
	for _, pattern := range []string{"GET /{$}", "GET /playground", "GET /playground/"} {
		mux.Handle(pattern, handler)
	}
	return nil
}

// servePlayground lets users paste a token, or sign in with a password if the project and one of its keys are known, and
// the password cannot be read on the way.
func servePlayground(cfg config) playground.Config {
	var page playground.Config
	if !isInsecure(cfg.supabaseURL) {
		page.SupabaseURL = cfg.supabaseURL
	}
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
