package main

import (
	"net/http"

	"usergraph/playground"
)

// devIdentities are those whom the playground of `usergraph dev` can act as; it opens as the first.
var devIdentities = []struct {
	name, label string
	user        string // an address or id in supabase/seed.sql, "" for nobody
	expired     bool
}{
	{"ada", "Ada", "ada@example.com", false},
	{"bob", "Bob", "bob@example.com", false},
	{"noname", "User without a name", "noname@example.com", false},
	{"anonymous", "Anonymous user", "e0000000-0000-4000-8000-000000000005", false},
	{"none", "Signed out", "", false},
	{"expired", "Ada, token expired", "ada@example.com", true},
}

// exampleOperations are the tabs of the playground. The first is asked at once in development.
var exampleOperations = []playground.Operation{
	{
		Name:        "Who am I?",
		Description: "You, as row-level security shows you.",
		Query:       "query WhoAmI {\n  me {\n    id\n    fullName\n    avatarUrl\n    email\n  }\n}\n",
	},
	{
		Name:        "Change my name",
		Description: "The name is among the variables below; null clears it.",
		Query:       "mutation ChangeMyName(\n  $input: UpdateMeInput!\n) {\n  updateMe(input: $input) {\n    fullName\n  }\n}\n",
		Variables:   "{\n  \"input\": { \"fullName\": \"Ada King\" }\n}",
	},
	{
		Name:        "Watch my name",
		Description: "Leave it running, and change the name in another window.",
		Query:       "subscription WatchMyName {\n  me {\n    fullName\n  }\n}\n",
	},
}

// mountPlayground serves the browser IDE at / and /playground.
func mountPlayground(mux *http.ServeMux, cfg playground.Config) {
	cfg.Endpoint, cfg.Operations = "/graphql", exampleOperations
	handler := playground.Handler(cfg)
	for _, pattern := range []string{"GET /{$}", "GET /playground", "GET /playground/"} {
		mux.Handle(pattern, handler)
	}
}

// servePlayground lets people paste a token, or sign in with a password if the project and one of its keys are known.
func servePlayground(cfg config) playground.Config {
	page := playground.Config{SupabaseURL: cfg.supabaseURL}
	if len(cfg.publishableKeys) > 0 {
		page.PublishableKey = cfg.publishableKeys[0]
	}
	return page
}

// devPlayground lets the user of the browser IDE choose among the identities.
func devPlayground() playground.Config {
	cfg := playground.Config{TokenEndpoint: "/dev/token"}
	for _, identity := range devIdentities {
		cfg.Identities = append(cfg.Identities, playground.Identity{Name: identity.name, Label: identity.label})
	}
	return cfg
}
