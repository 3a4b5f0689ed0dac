package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"usergraph/internal/devauth"
	"usergraph/playground"
)

// devIdentities are those whom the playground of `usergraph dev` can act as; it opens as the first.
var devIdentities = []struct {
	name, label string
	user        *devauth.User // nil for nobody
	life        time.Duration
}{
	{"ada", "Ada", &devUsers[0], devTokenLife},
	{"bob", "Bob", &devUsers[1], devTokenLife},
	{"noname", "User without a name", &devUsers[2], devTokenLife},
	{"anonymous", "Anonymous user", &devauth.User{ID: uuid.MustParse("d0000000-0000-4000-8000-000000000004"), IsAnonymous: true}, devTokenLife},
	{"none", "Signed out", nil, 0},
	{"expired", "Ada, token expired", &devUsers[0], -5 * time.Minute},
}

// exampleOperations are the tabs of the playground. The first is asked at once in development.
var exampleOperations = []playground.Operation{
	{
		Name:        "Who am I?",
		Description: "The signed-in user, as row-level security lets them see themself.",
		Query:       "query WhoAmI {\n  me {\n    id\n    fullName\n    avatarUrl\n    email\n  }\n}\n",
	},
	{
		Name:        "Change my name",
		Description: "The new name is among the variables below. Null clears it.",
		Query:       "mutation ChangeMyName($input: UpdateMeInput!) {\n  updateMe(input: $input) {\n    fullName\n  }\n}\n",
		Variables:   "{\n  \"input\": { \"fullName\": \"Ada King\" }\n}",
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

// devPlayground lets the user of the browser IDE choose among the identities.
func devPlayground() playground.Config {
	cfg := playground.Config{TokenEndpoint: "/dev/token"}
	for _, identity := range devIdentities {
		cfg.Identities = append(cfg.Identities, playground.Identity{Name: identity.name, Label: identity.label})
	}
	return cfg
}

// devTokens answers {"identity": name} with a fresh token for one of the identities. A page of another site cannot ask:
// a JSON body needs a preflight that nobody answers, and a host name that is not loopback is refused.
func devTokens(issuer *devauth.Issuer) http.Handler {
	type answer struct {
		Token     *string `json:"token"`
		ExpiresAt *int64  `json:"expiresAt"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !isLoopback("http://" + r.Host) {
			http.Error(w, "development tokens are for this machine only", http.StatusForbidden)
			return
		}
		if r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "send JSON", http.StatusUnsupportedMediaType)
			return
		}
		var request struct {
			Identity string `json:"identity"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&request); err != nil {
			http.Error(w, `send {"identity": "ada"}`, http.StatusBadRequest)
			return
		}
		for _, identity := range devIdentities {
			if identity.name != request.Identity {
				continue
			}
			var given answer
			if identity.user != nil {
				expiry := time.Now().Add(identity.life)
				token, err := issuer.Token(*identity.user, expiry)
				if err != nil {
					http.Error(w, "the token could not be signed", http.StatusInternalServerError)
					return
				}
				seconds := expiry.Unix()
				given = answer{&token, &seconds}
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(given)
			return
		}
		http.Error(w, "there is no such identity", http.StatusNotFound)
	})
}
