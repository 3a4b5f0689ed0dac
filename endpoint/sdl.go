package endpoint

import (
	_ "embed"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// SDL defines the engine's own directives and types. A schema includes it, as schema/engine.graphqls.
//
//go:embed engine.graphqls
var SDL string

// checkSDL refuses a schema that declares a directive or a type of the engine's in another way.
func checkSDL(schema *ast.Schema) error {
	own, err := gqlparser.LoadSchema(&ast.Source{Name: "engine.graphqls", Input: SDL + "\ntype Query { none: Int }"})
	if err != nil {
		return err
	}
	var errs []error
	for name, want := range own.Directives {
		if want.Position.Src.BuiltIn {
			continue
		}
		got := schema.Directives[name]
		if got != nil && (signature(got.Arguments) != signature(want.Arguments) || !slices.Equal(got.Locations, want.Locations)) {
			errs = append(errs, fmt.Errorf("@%s is not the engine's own", name))
		}
	}
	for name, want := range own.Types {
		if want.BuiltIn || want == own.Query {
			continue
		}
		got := schema.Types[name]
		if got != nil && (got.Kind != want.Kind || fmt.Sprint(valuesOf(got)) != fmt.Sprint(valuesOf(want))) {
			errs = append(errs, fmt.Errorf("%s is not the engine's own", name))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: run `go generate .`, which writes schema/engine.graphqls", errors.Join(errs...))
	}
	return nil
}

// signature writes arguments as name: type.
func signature(arguments ast.ArgumentDefinitionList) (text string) {
	for _, argument := range arguments {
		text += argument.Name + ": " + argument.Type.String() + "; "
	}
	return text
}

func valuesOf(definition *ast.Definition) (values []string) {
	for _, value := range definition.EnumValues {
		values = append(values, value.Name)
	}
	return values
}

// checkDirectives refuses a schema with a directive that has no implementation: fields with it would fail, one by one.
// The generated code has the implementations in a struct of functions.
func checkDirectives(schema graphql.ExecutableSchema) error {
	generated := reflect.Indirect(reflect.ValueOf(schema))
	if generated.Kind() != reflect.Struct {
		return nil // not of gqlgen's code
	}
	directives := generated.FieldByName("Directives")
	if !directives.IsValid() {
		return nil
	}
	var errs []error
	for i := range directives.NumField() {
		if directives.Field(i).IsNil() {
			errs = append(errs, fmt.Errorf("the directive %s has no implementation: give one to generated.DirectiveRoot", directives.Type().Field(i).Name))
		}
	}
	return errors.Join(errs...)
}
