package tablegen

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"maps"
	"strings"

	"golang.org/x/tools/txtar"

	"usergraph/internal/catalog"
)

// WithColumn adds the field of one column to the files of a table that the project has already: struct, schema, inputs and
// document. present returns what a file holds now. The plan is that of the project without the table. Files that stay as they
// are are not returned: a column that refers to another row is in struct and inputs, and shown by relations.
func (p *Plan) WithColumn(column string, present func(name string) ([]byte, error)) (map[string][]byte, error) {
	var f *Field
	for _, field := range p.Fields {
		if field.Column.Name == column {
			f = field
		}
	}
	if f == nil {
		for _, out := range p.LeftOut {
			if out.What == column {
				return nil, fmt.Errorf("%s.%s cannot be added: %s", p.Table, column, out.Why)
			}
		}
		return nil, fmt.Errorf("%s has no column %s", p.Table, column)
	}
	model, schema, document := "models/"+p.ModelFile()+".go", p.schemaFile(), "documents/"+p.File()+".graphql"
	files := map[string][]byte{}
	for _, name := range []string{model, schema, document} {
		text, err := present(name)
		if name == document && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	pointer := ""
	if f.Null() {
		pointer = f.Pointer()
	}
	field := fmt.Sprintf("\t%s %s%s %s\n", f.Go, pointer, f.GoType, f.Tag())
	if bytes.Contains(files[model], []byte(f.Tag())) {
		return nil, fmt.Errorf("%s has the column %s already", model, column)
	}
	var err error
	if files[model], err = inBlock(files[model], "type "+p.Entity+" struct {", field); err != nil {
		return nil, fmt.Errorf("%s: %w", model, err)
	}
	files[model] = importing(files[model], f.GoType)
	if files[model], err = format.Source(files[model]); err != nil {
		return nil, fmt.Errorf("%s: %w", model, err)
	}
	required := func(is bool) string {
		if is {
			return "!"
		}
		return ""
	}
	for _, block := range []struct {
		in          bool
		head, lines string
	}{
		{f.Shown, "type " + p.Entity + " {", fmt.Sprintf("\n  %s\n  %s: %s%s\n", quoteDescription(f.Description), f.GraphQL, f.Type, required(!f.Null()))},
		{f.Created && p.Create, "input Create" + p.Entity + "Input {", fmt.Sprintf("\n  %s\n  %s: %s%s\n", quoteDescription(f.Description), f.GraphQL, f.Type, required(!f.HasDefault()))},
		{f.Updated && p.Update, "input Update" + p.Entity + "Input {", fmt.Sprintf("\n  %s\n  %s: %s\n", quoteDescription(f.Description+f.NotNullHint()), f.GraphQL, f.Type)},
	} {
		if !block.in || strings.HasPrefix(block.head, "input ") && !bytes.Contains(files[schema], []byte("\n"+block.head+"\n")) {
			continue
		}
		if files[schema], err = inBlock(files[schema], block.head, block.lines); err != nil {
			return nil, fmt.Errorf("%s: %w", schema, err)
		}
	}
	if f.Shown && files[document] != nil {
		files[document] = []byte(strings.Replace(string(files[document]), "      id\n", "      id\n      "+f.GraphQL+"\n", 1))
	}
	if f.Enum != nil && !f.Enum.Known {
		if err := p.addEnum(f.Enum, files, model, schema); err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(files, func(name string, text []byte) bool {
		before, err := present(name)
		return err == nil && bytes.Equal(before, text)
	})
	return files, nil
}

// schemaFile is the name of the file that has the table's part of the schema.
func (p *Plan) schemaFile() string { return "schema/" + p.File() + ".graphqls" }

// addEnum adds an enum to the files of a table.
func (p *Plan) addEnum(e *Enum, files map[string][]byte, model, schema string) error {
	var inSchema, inGo bytes.Buffer
	if err := parsed.ExecuteTemplate(&inSchema, "enumSchema", e); err != nil {
		return err
	}
	files[schema] = append(files[schema], inSchema.String()+"\n"...)
	if e.Lower {
		fmt.Fprintf(&inGo, "\n// %s is a value of %s.\ntype %[1]s = rows.Enum\n", e.Name, e.Type)
	} else if err := parsed.ExecuteTemplate(&inGo, "enumType", e); err != nil {
		return err
	}
	source := append(files[model], inGo.Bytes()...)
	if !e.Lower {
		source = importing(source, "io.")
	}
	formatted, err := format.Source(source)
	if err != nil {
		return fmt.Errorf("%s: %w", model, err)
	}
	files[model] = formatted
	return nil
}

// ColumnTest returns the name and the text of a document that reads the field of a column, and changes it. The text is nil
// if its values have no one form in an answer, or if it is not known who sees which rows.
func (p *Plan) ColumnTest(database *catalog.Catalog, column string, files map[string][]byte, refusedBy func(sql string) error) (name string, text []byte) {
	for _, f := range p.Fields {
		if f.Column.Name == column {
			p.only = f
		}
	}
	f := p.fixture(database, false)
	if len(f.given) == 0 || !isPlain(p.Access.Select) || refusedBy(strings.Join(f.statements, "\n")) != nil {
		return "", nil
	}
	d := f.document(fmt.Sprintf("The field %s of %s.", p.only.GraphQL, p.Nouns))
	d.as(ownerID)
	d.ask(fmt.Sprintf("{ %s(id: %s) { %s } }", p.One, f.id(f.own[0]), f.selection()), fmt.Sprintf(`{"data":{%q:%s}}`, p.One, f.answer(f.own[0])))
	if p.only.Updated && isPlain(p.Access.Update) && bytes.Contains(files[p.schemaFile()], []byte("\ninput Update"+p.Entity+"Input {\n")) {
		change := f.update()
		d.ask(change.query, change.answer)
	}
	return fmt.Sprintf("graph/testdata/%s_%s.txtar", p.File(), strings.Join(words(column), "_")), txtar.Format(&d.archive)
}

// inBlock adds lines to the end of a block, which begins with head and ends with a brace at the beginning of a line.
func inBlock(text []byte, head, lines string) ([]byte, error) {
	start := bytes.Index(text, []byte("\n"+head+"\n"))
	if start < 0 {
		return nil, fmt.Errorf("there is no line %q", head)
	}
	end := bytes.Index(text[start+1:], []byte("\n}"))
	if end < 0 {
		return nil, fmt.Errorf("%q has no end", head)
	}
	at := start + 1 + end + 1
	return bytes.Join([][]byte{text[:at], []byte(lines), text[at:]}, nil), nil
}

// importing adds the import that a type needs, if the file has it not.
func importing(source []byte, goType string) []byte {
	path := ""
	switch {
	case goType == "io.":
		path = "io"
	case strings.Contains(goType, "time."):
		path = "time"
	case strings.Contains(goType, "json."):
		path = "encoding/json"
	case strings.Contains(goType, "uuid."):
		path = "github.com/google/uuid"
	}
	if path == "" || bytes.Contains(source, []byte(`"`+path+`"`)) {
		return source
	}
	return bytes.Replace(source, []byte("import (\n"), []byte("import (\n\t\""+path+"\"\n"), 1)
}
