//go:generate go run usergraph/endpoint/engine-sdl schema/engine.graphqls
//go:generate go tool gqlgen generate

// Command assistant is a GraphQL API in front of a Supabase project: it verifies who calls, and reads PostgreSQL as them.
// Its users talk with a model that reads what they may read.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"

	"example.com/assistant/chat"
	"example.com/assistant/documents"
	"example.com/assistant/graph"
	"example.com/assistant/llm"
	"example.com/assistant/standin"
	"example.com/assistant/supabase"
	"usergraph/app"
	"usergraph/endpoint"
)

func main() { app.Main(api(slices.Contains(os.Args[1:], "dev"))) }

// api is what this program is made of. In dev, a stand-in answers if LLM_URL names no model.
func api(dev bool) app.API {
	var address, model, key string
	defaultURL := "https://api.openai.com/v1"
	if dev {
		defaultURL = ""
	}
	return app.API{
		Schema:     graph.New,
		Migrations: supabase.Migrations,
		Seed:       supabase.Seed + supabase.Notes,
		Documents:  documents.FS,
		Errors:     chat.Errors,
		Settings: []app.Setting{
			{Name: "LLM_URL", Default: defaultURL, Doc: "the API of a model in the form of OpenAI's, such as http://localhost:11434/v1; in dev a stand-in", Set: func(value string) error {
				parsed, err := url.Parse(value)
				if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
					return errors.New("is not a URL with https or http")
				}
				address = value
				return nil
			}},
			{Name: "LLM_MODEL", Default: "gpt-4o-mini", Doc: "the model's name there", Set: func(value string) error { model = value; return nil }},
			{Name: "LLM_API_KEY", Doc: "the key of that API, if it wants one", Secret: true, Set: func(value string) error { key = value; return nil }},
		},
		Routes: func(mux *http.ServeMux, engine *endpoint.Engine) {
			if address == "" {
				url, err := standin.Start()
				if err != nil {
					panic(fmt.Sprint("the stand-in for a model does not start: ", err))
				}
				address = url
			}
			handler, err := chat.New(engine, documents.FS, llm.New(address, model, key))
			if err != nil {
				panic(err)
			}
			mux.Handle("POST /chat", handler)
		},
	}
}
