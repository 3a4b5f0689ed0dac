package graph_test

import (
	"testing"

	"usergraph/apitest"
	"usergraph/app"
	"usergraph/graph"
	"usergraph/supabase"
)

var api = app.API{Schema: graph.New, Migrations: supabase.Migrations, Seed: supabase.Seed}

// Each document of testdata is one behaviour.
func TestDocuments(t *testing.T) { apitest.Documents(t, api, "testdata/*.txtar") }

// The schema keeps the rules of the house.
func TestSchema(t *testing.T) { apitest.Schema(t, api) }
