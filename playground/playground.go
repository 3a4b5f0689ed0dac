// Package playground answers one question: how do people try the API in a browser?
//
// By GraphiQL, with what this API needs around it. It is built from app, embedded, and loads nothing from elsewhere.
package playground

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// Config is what the page is told. All of it is public.
type Config struct {
	// Title is the title of the page and of the document. Default: GraphQL Playground.
	Title string `json:"title"`
	// Endpoint is where operations are posted. It may be relative to the page.
	Endpoint string `json:"endpoint"`
	// SubscriptionEndpoint is where the websocket is opened. Default: Endpoint.
	SubscriptionEndpoint string `json:"subscriptionEndpoint"`
	// Headers are sent with each operation and in connection_init. What the user types as headers wins over them.
	Headers map[string]string `json:"headers,omitempty"`
	// Operations are examples, one a tab.
	Operations []Operation `json:"operations"`

	// Identities are whom a developer can act as. The page opens as the first. There are none in production.
	Identities []Identity `json:"identities"`
	// TokenEndpoint answers the JSON {"identity": name} with {"token": "…"}, or {"token": null} for nobody.
	TokenEndpoint string `json:"tokenEndpoint"`

	// SupabaseURL and PublishableKey let the user sign in with a password if both are set and there are no Identities.
	// A URL that is not http or https counts as unset, and so does a key that must stay secret.
	SupabaseURL    string `json:"supabaseURL"`
	PublishableKey string `json:"publishableKey"`
}

// Operation is an example. Name and Description become comments above Query; Variables is JSON, or empty.
type Operation struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Query       string `json:"query"`
	Variables   string `json:"variables"`
}

// Identity is somebody for whom TokenEndpoint has tokens.
type Identity struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// How long a browser may keep a file without asking again.
const (
	cacheNever   = "no-cache"
	cacheForever = "public, max-age=31536000, immutable"
)

// Handler serves the page at / and /playground, and its configuration and files below /playground/. Every link between
// them is relative, so that a proxy may put a path in front.
func Handler(cfg Config) http.Handler {
	cfg = withDefaults(cfg)
	mux := http.NewServeMux()
	for _, f := range embedded() {
		switch {
		case f.name == "index.html":
			mux.Handle("GET /{$}", f.handler(cacheNever))
			mux.Handle("GET /playground", f.handler(cacheNever))
		case f.name == licences:
			mux.Handle("GET /"+f.name, f.handler(cacheNever))
		default:
			// These names hold a hash of the content.
			mux.Handle("GET /"+f.name, f.handler(cacheForever))
		}
	}
	mux.Handle("GET /playground/config.json", configFile(cfg).handler(cacheNever))
	// The links of the page would be off by one folder here.
	mux.HandleFunc("GET /playground/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "../playground")
		w.WriteHeader(http.StatusPermanentRedirect)
	})
	return secure(cfg.SupabaseURL, mux)
}

func withDefaults(cfg Config) Config {
	cfg.Title = cmp.Or(cfg.Title, "GraphQL Playground")
	cfg.SubscriptionEndpoint = cmp.Or(cfg.SubscriptionEndpoint, cfg.Endpoint)
	cfg.Operations = append([]Operation{}, cfg.Operations...) // never null in JSON
	cfg.Identities = append([]Identity{}, cfg.Identities...)
	cfg.SupabaseURL = strings.TrimSuffix(cfg.SupabaseURL, "/")
	if originOf(cfg.SupabaseURL) == "" || !IsPublishable(cfg.PublishableKey) {
		cfg.SupabaseURL, cfg.PublishableKey = "", ""
	}
	return cfg
}

func configFile(cfg Config) file {
	// Strings, and slices and maps of them, can always be written as JSON.
	text, _ := json.Marshal(cfg)
	return newFile("config.json", compress(text))
}
