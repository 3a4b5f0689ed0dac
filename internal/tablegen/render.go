package tablegen

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

//go:embed templates
var forms embed.FS

var parsed = template.Must(template.New("").Funcs(template.FuncMap{
	"quote":    quoteDescription,
	"goQuote":  goQuote,
	"rawQuote": rawQuote,
	"goName":   goName,
}).ParseFS(forms, "templates/*.tmpl"))

// execute writes a form with what it is made of.
func execute(form string, of any, project Project) ([]byte, error) {
	var b bytes.Buffer
	if err := parsed.ExecuteTemplate(&b, form+".tmpl", of); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(form, ".go") {
		return append(bytes.TrimSpace(b.Bytes()), '\n'), nil
	}
	source := withImports(b.String(), project)
	formatted, err := format.Source([]byte(source))
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", form, err, source)
	}
	return formatted, nil
}

// withImports adds the imports of the packages whose names a file uses.
func withImports(source string, project Project) string {
	groups := [][]struct{ name, path string }{
		{{"context", "context"}, {"errors", "errors"}, {"io", "io"}, {"json", "encoding/json"}, {"testing", "testing"}, {"time", "time"}},
		{{"uuid", "github.com/google/uuid"}, {"bun", "github.com/uptrace/bun"}},
		{
			{"apitest", project.Engine + "/apitest"}, {"rows", project.Engine + "/database/rows"}, {"endpoint", project.Engine + "/endpoint"},
			{"generated", project.Module + "/graph/generated"}, {"models", project.Module + "/models"}, {"supabase", project.Module + "/supabase"},
		},
	}
	code := comments.ReplaceAllString(source, "")
	var b strings.Builder
	for _, group := range groups {
		var lines []string
		for _, imported := range group {
			if regexp.MustCompile(`\b` + imported.name + `\.[A-Z]`).MatchString(code) {
				lines = append(lines, strconv.Quote(imported.path))
			}
		}
		slices.Sort(lines)
		if len(lines) > 0 {
			b.WriteString(strings.Join(lines, "\n") + "\n\n")
		}
	}
	head, body, _ := strings.Cut(source, "\n\n")
	return head + "\n\nimport (\n" + strings.TrimSpace(b.String()) + "\n)\n\n" + body
}

var comments = regexp.MustCompile(`(?m)//.*$`)

// quoteDescription writes a description of one paragraph or more.
func quoteDescription(paragraphs ...string) string {
	paragraphs = slices.DeleteFunc(paragraphs, func(text string) bool { return text == "" })
	if text := paragraphs[0]; len(paragraphs) == 1 && !strings.ContainsAny(text, "\"\\") {
		return `"` + text + `"`
	}
	return "\"\"\"\n  " + strings.Join(paragraphs, "\n\n  ") + "\n  \"\"\""
}

// goQuote writes a string of Go: without escapes if possible.
func goQuote(text string) string {
	if strings.ContainsAny(text, "\"\\") && !strings.Contains(text, "`") {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}

// rawQuote writes a string of Go of several lines.
func rawQuote(text string) string {
	if strings.Contains(text, "`") {
		return strconv.Quote(text)
	}
	return "`\n" + text + "\n`"
}

func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// ANounUpper and NounsUpper begin sentences.
func (p *Plan) ANounUpper() string { return upperFirst(p.ANoun) }
func (p *Plan) NounsUpper() string { return upperFirst(p.Nouns) }

// OneSentence and ManySentence describe the fields that read.
func (p *Plan) OneSentence() string {
	if p.Owned("select") {
		return p.ANounUpper() + " of the caller."
	}
	return p.ANounUpper() + "."
}

func (p *Plan) ManySentence() string {
	if p.Owned("select") {
		return "The caller's " + p.Nouns + "."
	}
	return "The " + p.Nouns + " that the caller may see."
}

// AgentsReadOnly reports whether policies stop agents from writing what their users may write.
func (p *Plan) AgentsReadOnly() bool {
	return slices.ContainsFunc([]string{"insert", "update", "delete"}, func(command string) bool { return !access.AgentsMay(p.Table, command) })
}

// NewMutation reports whether the schema has no type Mutation yet, as that of a project whose users cannot change themselves.
func (p *Plan) NewMutation() bool { return p.Project.Schema.Mutation == nil }

// Live reports whether the list can be subscribed to: changes of tables are announced, those of views are not.
func (p *Plan) Live() bool { return p.Table.Kind == "table" && p.Project.Schema.Subscription != nil }

// LiveForAll reports whether one read serves all subscribers: everybody sees all rows.
func (p *Plan) LiveForAll() bool { return p.Access.Select.Who == access.Everybody }

// ReadDirective and ReadAccess say who may read, as the engine's directives do.
func (p *Plan) ReadDirective() string {
	if p.Public() {
		return "@public"
	}
	return "@authenticated"
}

// The description ends with the sentence of endpoint.Access: the tests of the house compare them.
func (p *Plan) ReadAccess() string {
	if p.Public() {
		return "Access: everybody."
	}
	return p.whose("select") + "Access: signed-in callers."
}

// WriteAccess says who may change rows.
func (p *Plan) WriteAccess(command string) string {
	return p.whose(command) + "Access: signed-in callers."
}

// whose says whose rows a command reaches, where no word of the sentence before does.
func (p *Plan) whose(command string) string {
	if p.Access.Access(command).Who == access.Member {
		return "Only rows of what the caller is a member of. "
	}
	return ""
}

// Access returns the sentence that the description of a guarded relation ends with.
func (r Relation) Access() string {
	if r.Guarded {
		return "Access: signed-in callers."
	}
	return ""
}

// TypeDescription is the comment of the table, or a sentence.
func (p *Plan) TypeDescription() string {
	if text := strings.Join(strings.Fields(p.Table.Comment), " "); text != "" {
		return sentence(text)
	}
	return "A row of " + p.Table.String() + "."
}

// RelationsOn returns the relations whose fields a type has.
func (p *Plan) RelationsOn(name string) (all []Relation) {
	for _, r := range p.Relations {
		if r.On == name {
			all = append(all, r)
		}
	}
	return all
}

// Extended returns the types of the project that get fields.
func (p *Plan) Extended() (names []string) {
	for _, r := range p.Relations {
		if r.On != p.Entity && !slices.Contains(names, r.On) {
			names = append(names, r.On)
		}
	}
	return names
}

// CreateFields and UpdateFields are the fields of the inputs.
func (p *Plan) CreateFields() []*Field {
	return slices.DeleteFunc(slices.Clone(p.Fields), func(f *Field) bool { return !f.Created })
}

func (p *Plan) UpdateFields() []*Field {
	return slices.DeleteFunc(slices.Clone(p.Fields), func(f *Field) bool { return !f.Updated })
}

// NotNullHint says that an input does not take null.
func (f *Field) NotNullHint() string {
	if f.Null() {
		return ""
	}
	return " It cannot be null."
}

// NewEnums are the enums that the schema does not have.
func (p *Plan) NewEnums() []Enum {
	return slices.DeleteFunc(slices.Clone(p.Enums), func(e Enum) bool { return e.Known })
}

// Var is the name of the variable that holds the names of the values.
func (e Enum) Var() string { return strings.ToLower(e.Name[:1]) + e.Name[1:] + "Names" }

// Description is the label of a value.
func (v EnumValue) Description() string {
	if strings.TrimSpace(v.Label) == "" {
		return "An empty text"
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(v.Label, `"""`, `'''`)), " ")
}

// Pointer is what makes the field nullable in Go; a slice and raw JSON are nil by themselves.
func (f *Field) Pointer() string {
	if strings.HasPrefix(f.GoType, "[]") || f.GoType == "json.RawMessage" {
		return ""
	}
	return "*"
}

// Tag is the struct tag.
func (f *Field) Tag() string {
	tag := f.Column.Name
	if f.IsKey {
		tag += ",pk"
		if f.Column.Identity || f.Column.Default != "" {
			tag += ",autoincrement"
		}
	}
	if f.Column.Element != "" {
		tag += ",array"
	}
	text := "bun:" + strconv.Quote(tag)
	if f.IsOwner {
		text += ` usergraph:"owner"`
	}
	return "`" + text + "`"
}

// FilterGo is the type of conditions in Go.
func (f *Field) FilterGo() string {
	if f.Enum != nil {
		return f.Filter
	}
	return rowsPackage + f.Filter
}

// BunTable is the table in bun's tag.
func (p *Plan) BunTable() string {
	if p.Table.Schema == "public" {
		return p.Table.Name
	}
	return p.Table.Schema + "." + p.Table.Name
}

// IsComposite reports whether the key has several columns.
func (p *Plan) IsComposite() bool { return len(p.Keys) > 1 }

// Var is the name of a variable that holds a row.
func (p *Plan) Var() string { return variable(p.One) }

// variable returns a name that means nothing else where it is used.
func variable(name string) string {
	if token.IsKeyword(name) || slices.Contains([]string{"context", "json", "time", "uuid", "bun", "rows", "models", "endpoint", "generated", "ctx", "db", "id", "owner", "page", "filter", "columns", "err", "input", "caller", "r",
		"new", "append", "nil", "len", "string", "bool", "int64", "int32", "int16", "float64", "error", "true", "false"}, name) {
		return name + "Row"
	}
	return name
}

// OnVar is the name of a variable that holds the rows that have the field.
func (r Relation) OnVar() string { return variable(graphQLName(plural(words(r.On)))) }

// Receiver is gqlgen's name for the resolver of the type.
func (r Relation) Receiver() string { return strings.ToLower(r.On[:1]) + r.On[1:] + "Resolver" }

// ColumnList writes the columns as arguments.
func (r Relation) ColumnList() string {
	quoted := make([]string, len(r.Columns))
	for i, column := range r.Columns {
		quoted[i] = goQuote(column)
	}
	return strings.Join(quoted, ", ")
}

// OwnerCondition is the condition on the owner, as a string of Go.
func (p *Plan) OwnerCondition() string {
	return goQuote(p.Alias + "." + catalog.Quote(p.Owner.Column.Name) + " = ?")
}

// ListFunc is the name of the function that reads a page.
func (p *Plan) ListFunc() string {
	if p.Owned("select") {
		return p.Entities + "Of"
	}
	return p.Entities
}

// DocumentFields are what the document of the list asks for.
func (p *Plan) DocumentFields() (fields []string) {
	for _, f := range p.Fields {
		if f.Shown {
			fields = append(fields, f.GraphQL)
		}
	}
	for _, r := range p.Relations {
		if r.On == p.Entity && r.Kind == BelongsTo {
			fields = append(fields, r.Field+" { id }")
		}
	}
	return fields
}

// Files returns the files to write, by their names in the project, without those of which others have a part.
func (p *Plan) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for form, name := range map[string]string{
		"schema.graphqls":  p.schemaFile(),
		"model.go":         "models/" + p.ModelFile() + ".go",
		"resolvers.go":     "graph/" + p.File() + ".resolvers.go",
		"document.graphql": "documents/" + p.File() + ".graphql",
	} {
		text, err := execute(form, p, p.Project)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	return files, nil
}

// File and ModelFile are the names of files, without their endings.
func (p *Plan) File() string { return safeFile(words(p.Many)) }

// ModelFile is that of the model.
func (p *Plan) ModelFile() string { return safeFile(words(p.One)) }

// safeFile keeps Go from reading a name as that of a test, or as a build constraint.
func safeFile(named []string) string {
	last := named[len(named)-1]
	if constraints[last] {
		named = append(slices.Clone(named), "table")
	}
	return strings.Join(named, "_")
}

// constraints are the last words of names that Go reads in another way: "test", systems and architectures.
var constraints = func() map[string]bool {
	all := map[string]bool{}
	for _, word := range strings.Fields(`test aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos unix
		386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x sparc64 wasm armbe arm64be amd64p32 ppc riscv s390 sparc`) {
		all[word] = true
	}
	return all
}()
