package rowjson_test

import (
	"reflect"
	"slices"
	"testing"

	"usergraph/endpoint"
	"usergraph/internal/rowjson"
	"usergraph/internal/testapi"
)

// All columns, relations and pages are known. What counts rows, and resolvers of one row, are not.
func TestKnownFields(t *testing.T) {
	schema := testapi.New(new(endpoint.Engine))
	resolvers := reflect.Indirect(reflect.ValueOf(schema)).FieldByName("Resolvers")
	unknown := []string{"ProjectConnection.totalCount", "TodoLabelConnection.totalCount", "User.email", "User.todos"}
	if got := rowjson.New(schema, resolvers, []string{"Authenticated", "Public"}).Unknown(); !slices.Equal(got, unknown) {
		t.Errorf("unknown are %v, want %v", got, unknown)
	}
}
