// Package playground answers one question: how do people try the API in a browser?
//
// It serves GraphiQL with additions for this API. The page is built from app, embedded, and loads nothing from other
// hosts.
package playground

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
)

// Config is the configuration of the page. All of it is public.
type Config struct {
	// Title is the title of the page. Defaults to usergraph playground.
	Title string `json:"title"`
	// Endpoint is the URL of operations. It may be relative to the page.
	Endpoint string `json:"endpoint"`
	// SubscriptionEndpoint is the URL of the websocket. Defaults to Endpoint.
	SubscriptionEndpoint string `json:"subscriptionEndpoint"`
	// Headers are sent with each operation and in connection_init. The user's headers override them.
	Headers map[string]string `json:"headers,omitempty"`
	// Operations are listed in this order. The first five are the tabs of the first visit.
	Operations []Operation `json:"operations"`

	// Identities are the identities that a developer can act as. The first is the default. There are none in
	// production.
	Identities []Identity `json:"identities"`
	// TokenEndpoint answers the JSON {"identity": name} with {"token": "…"}, or {"token": null} for the anonymous
	// identity.
	TokenEndpoint string `json:"tokenEndpoint"`

	// SupabaseURL and PublishableKey let the user sign in with a password if both are set and there are no Identities.
	// A URL that is not http or https counts as unset, and so does a key that is not publishable.
	SupabaseURL    string `json:"supabaseURL"`
	PublishableKey string `json:"publishableKey"`
}

// Operation is a named operation. Title and Description become comments above Query; Variables is JSON, or empty.
type Operation struct {
	Title       string `json:"title"`
	Name        string `json:"name"`
	Kind        string `json:"kind"` // query, mutation or subscription
	Description string `json:"description"`
	Query       string `json:"query"`
	Variables   string `json:"variables"`
	// Tool is set if agents may call the operation.
	Tool *Tool `json:"tool"`
}

// Tool is what a call of an operation does, as agents are told.
type Tool struct {
	ReadOnly    bool `json:"readOnly"`
	Destructive bool `json:"destructive"`
	Idempotent  bool `json:"idempotent"`
}

// Identity is a name for which TokenEndpoint issues tokens.
type Identity struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// The times for which a browser may cache a file.
const (
	cacheNever   = "no-cache"
	cacheForever = "public, max-age=31536000, immutable"
)

// Handler serves the page at / and /playground, and its configuration and files below /playground/. All links between
// them are relative, so that a proxy may add a path prefix.
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
			// The file name holds a hash of the content.
			mux.Handle("GET /"+f.name, f.handler(cacheForever))
		}
	}
	mux.Handle("GET /playground/config.json", configFile(cfg).handler(cacheNever))
	// With this trailing slash the page's relative links would be wrong.
	mux.HandleFunc("GET /playground/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "../playground")
		w.WriteHeader(http.StatusPermanentRedirect)
	})
	return secure(cfg.SupabaseURL, mux)
}

func withDefaults(cfg Config) Config {
	cfg.Title = cmp.Or(cfg.Title, "usergraph playground")
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
	// Strings, and slices and maps of them, can always be marshalled to JSON.
	text, _ := json.Marshal(cfg)
	return newFile("config.json", compress(text))
}
