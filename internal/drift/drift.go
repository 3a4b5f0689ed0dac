// Package drift answers one question: does the API still say what the tables are?
//
// It compares the catalog with the bun models and the schema. Each finding says what differs, and the line to change.
package drift

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// Severity is the importance of a finding.
type Severity string

// The severities. An Error is something that fails for callers, or shows them other rows than the schema says; a Warning
// something that is slow or left over; a Note something that the API could have.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is a difference.
type Finding struct {
	Severity Severity
	// Table is the table as people write its name.
	Table   string
	Message string
	// Advice is the line to change, or the SQL.
	Advice string
}

// API is what is compared with the database.
type API struct {
	Schema *ast.Schema
	// Models are the structs of bun models.
	Models []reflect.Type
	// Place returns where a field of a struct is declared, as in models/todo.go:12, "" if that is not known. The field is
	// "" for the struct itself.
	Place func(model, field string) string
}

// Compare returns all differences, by model.
func Compare(database *catalog.Catalog, api API) (all []Finding) {
	for _, model := range api.Models {
		c := &comparison{API: api, database: database, model: modelOf(model)}
		c.run()
		all = append(all, c.found...)
	}
	return all
}

// comparison compares one model with its table.
type comparison struct {
	API
	database *catalog.Catalog
	model    model
	table    *catalog.Table
	access   access.Table
	found    []Finding
}

func (c *comparison) report(severity Severity, advice, format string, args ...any) {
	c.found = append(c.found, Finding{severity, c.model.tableName(), fmt.Sprintf(format, args...), advice})
}

// place is where a field of the struct is declared.
func (c *comparison) place(field string) string {
	name := c.model.name
	if field != "" {
		name += "." + field
	}
	if at := c.Place(c.model.name, field); at != "" {
		return at + " (" + name + ")"
	}
	return name
}

func (c *comparison) run() {
	c.table = c.database.Table(c.model.schema, c.model.table)
	if c.table == nil {
		c.report(Error, c.place("")+": take the type out, or name the table as it is now", "the table is gone")
		return
	}
	if !c.table.IsView() && !c.table.RLS {
		c.report(Error, fmt.Sprintf("alter table %s enable row level security;", c.table.SQL()), "row-level security is off: whoever may use the table sees all rows")
	}
	c.access = access.Of(c.table)
	c.columns()
	c.key()
	if !c.table.IsView() && c.table.RLS {
		c.readers()
		c.writers()
	}
	c.indexes()
}

// columns compares the fields of the struct with the columns.
func (c *comparison) columns() {
	definition := c.Schema.Types[c.model.name]
	for _, field := range c.model.fields {
		column := c.table.Column(field.column)
		if column == nil {
			c.report(Error, c.place(field.name)+": take the field out, and what the schema has of it", "the column %s is gone", field.column)
			continue
		}
		c.columnType(field, column)
		c.nullability(field, column, definition)
		c.enum(field, column, definition)
	}
	for _, column := range c.table.Columns {
		if !slices.ContainsFunc(c.model.fields, func(f field) bool { return f.column == column.Name }) && column.May(catalog.Authenticated, "select") {
			c.report(Note, fmt.Sprintf("go run . add %s.%s adds it", c.model.tableName(), column.Name), "the column %s is not in the API", column.Name)
		}
	}
}

func (c *comparison) columnType(f field, column *catalog.Column) {
	base := column.Base
	isArray := column.Element != ""
	if isArray {
		base = column.Element
	}
	accepted, known := goTypes[base]
	if column.Kind == "enum" {
		accepted, known = []string{"string"}, true
	}
	if !known {
		return // a team's own type
	}
	t := f.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	fits := holds(t, accepted)
	if isArray {
		fits = t.Kind() == reflect.Slice && holds(t.Elem(), accepted) || scans(t)
	}
	if !fits {
		c.report(Error, c.place(f.name)+": write "+suggestion(accepted[0], column), "the column %s is %s, and %s cannot hold it", f.column, column.Type, f.typ)
	}
}

// holds reports whether a type of Go is one of these, or has the kind of one, or reads the column by itself.
func holds(t reflect.Type, accepted []string) bool {
	return slices.Contains(accepted, t.String()) || slices.Contains(accepted, t.Kind().String()) || scans(t)
}

// suggestion is the type that a field should have.
func suggestion(goType string, column *catalog.Column) string {
	switch {
	case column.Element != "":
		return "[]" + goType
	case !column.NotNull && goType != "json.RawMessage":
		return "*" + goType
	}
	return goType
}

// nullability compares what the column, the struct and the schema say of null.
func (c *comparison) nullability(f field, column *catalog.Column, definition *ast.Definition) {
	if column.NotNull || slices.Contains(c.table.PrimaryKey, column.Name) || c.table.IsView() {
		return
	}
	if k := f.typ.Kind(); k != reflect.Pointer && k != reflect.Slice && k != reflect.Map && k != reflect.Interface && !scans(f.typ) || f.typ.String() == "uuid.UUID" || f.typ.String() == "time.Time" {
		c.report(Error, fmt.Sprintf("%s: write *%s; or alter table %s alter column %s set not null;", c.place(f.name), f.typ, c.table.SQL(), catalog.Quote(f.column)), "the column %s may be null, and %s cannot hold null", f.column, f.typ)
	}
	if shown := fieldNamed(definition, f.name); shown != nil && shown.Type.NonNull {
		c.report(Error, fmt.Sprintf("%s: write %s: %s, without !; or alter table %s alter column %s set not null;", position(shown.Position), shown.Name, strings.TrimSuffix(shown.Type.String(), "!"), c.table.SQL(), catalog.Quote(f.column)),
			"the column %s may be null, and %s.%s may not", f.column, c.model.name, shown.Name)
	}
}

// enum compares the labels of an enum with the values in the schema.
func (c *comparison) enum(f field, column *catalog.Column, definition *ast.Definition) {
	shown := fieldNamed(definition, f.name)
	if column.Kind != "enum" || shown == nil {
		return
	}
	enum := c.Schema.Types[shown.Type.Name()]
	if enum == nil || enum.Kind != ast.Enum {
		return
	}
	var labels []string
	for _, value := range column.Enum {
		name := nameOfLabel(f.typ, value.Value)
		labels = append(labels, name)
		if enum.EnumValues.ForName(name) == nil {
			advice := fmt.Sprintf("%s: add the value %s, with its description", position(enum.Position), name)
			if !plainName.MatchString(name) {
				advice = fmt.Sprintf("%s: add a value, with its description, and its name for %q to the rows.EnumNames of %s", position(enum.Position), value.Value, enum.Name)
			}
			c.report(Error, advice, "the enum %s has the value %q, and %s has not: a row with it is an error", column.Type, value.Value, enum.Name)
		}
	}
	for _, value := range enum.EnumValues {
		if !slices.Contains(labels, value.Name) {
			c.report(Warning, fmt.Sprintf("%s: take the value %s out", position(enum.Position), value.Name), "%s has the value %s, and the enum %s has not", enum.Name, value.Name, column.Type)
		}
	}
}

// plainName matches what may be the name of a value.
var plainName = regexp.MustCompile(`^[_A-Z][_0-9A-Z]*$`)

// nameOfLabel returns the name that a field's type gives to a label, in capitals if the type says nothing.
func nameOfLabel(t reflect.Type, label string) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.String {
		value := reflect.New(t)
		value.Elem().SetString(label)
		if named, ok := value.Interface().(interface{ MarshalGQL(io.Writer) }); ok {
			var text bytes.Buffer
			var name string
			named.MarshalGQL(&text)
			if json.Unmarshal(text.Bytes(), &name) == nil {
				return name
			}
		}
	}
	return strings.ToUpper(strings.NewReplacer(" ", "_", "-", "_").Replace(label))
}

// key compares the fields with the tag pk with the primary key. Another order of the same columns is what ids, relations and
// lists have, and wants an index of its own.
func (c *comparison) key() {
	key, own := c.table.PrimaryKey, c.model.keys
	if c.table.IsView() || len(own) == 0 || slices.Equal(own, key) {
		return
	}
	keyIs, ownIs := strings.Join(key, ", "), strings.Join(own, ", ")
	sorted := func(names []string) []string { return slices.Sorted(slices.Values(names)) }
	switch {
	case !slices.Equal(sorted(own), sorted(key)):
		c.report(Error, c.place("")+": the fields with the tag pk are "+keyIs, "the key is (%s), and that of the struct is (%s)", keyIs, ownIs)
	case !slices.ContainsFunc(c.table.Indexes, func(index catalog.Index) bool {
		return index.Ordered && !index.Partial && len(index.Columns) >= len(own) && slices.Equal(index.Columns[:len(own)], own)
	}):
		c.report(Warning, fmt.Sprintf("create index on %s (%s); or give the struct's fields the order of the key, which changes ids, and see that relations to it name their columns in the order of the struct", c.table.SQL(), catalog.QuoteAll(own)),
			"the key is (%s), and the struct has its fields in the order (%s), by which lists are ordered and no index is", keyIs, ownIs)
	}
}

// position is where the schema declares something. gqlgen names files from the folder of what it generates.
func position(at *ast.Position) string {
	if at == nil || at.Src == nil {
		return "the schema"
	}
	return fmt.Sprintf("%s:%d", strings.TrimLeft(at.Src.Name, "./"), at.Line)
}

// fieldNamed returns the field of a type that gqlgen binds to a field of the struct.
func fieldNamed(definition *ast.Definition, name string) *ast.FieldDefinition {
	if definition == nil {
		return nil
	}
	for _, field := range definition.Fields {
		if sameName(field.Name, name) {
			return field
		}
	}
	return nil
}

// sameName reports whether gqlgen takes a name of the schema and one of Go for the same.
func sameName(name, goName string) bool {
	return strings.EqualFold(strings.ReplaceAll(name, "_", ""), strings.ReplaceAll(goName, "_", ""))
}
