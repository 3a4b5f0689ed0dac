package testapi_test

import (
	"testing"

	"usergraph/apitest"
	"usergraph/app"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

var api = app.API{Schema: testapi.New, Migrations: pgtest.Migrations, Seed: pgtest.Seed}

// Each document of testdata is one behaviour.
func TestDocuments(t *testing.T) { apitest.Documents(t, api, "testdata/*.txtar") }

// The schema keeps the rules of the house.
func TestSchema(t *testing.T) { apitest.Schema(t, api) }
