package graph_test

import (
	"testing"

	"example.com/assistant/graph"
	"example.com/assistant/supabase"
	"usergraph/apitest"
	"usergraph/app"
)

var api = app.API{Schema: graph.New, Migrations: supabase.Migrations, Seed: supabase.Seed}

// Each document of testdata is one behaviour.
func TestDocuments(t *testing.T) { apitest.Documents(t, api, "testdata/*.txtar") }

// The schema keeps the rules of the house.
func TestSchema(t *testing.T) { apitest.Schema(t, api) }
