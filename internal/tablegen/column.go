package tablegen

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"
)

// WithColumn adds the field of one column to the files of a table that the project has already: struct, schema, inputs and
// document. present returns what a file holds now. The plan is that of the project without the table.
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
	model, schema, document := "models/"+p.ModelFile()+".go", "schema/"+p.File()+".graphqls", "documents/"+p.File()+".graphql"
	files := map[string][]byte{}
	for _, name := range []string{model, schema, document} {
		text, err := present(name)
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
		if !block.in {
			continue
		}
		if files[schema], err = inBlock(files[schema], block.head, block.lines); err != nil {
			return nil, fmt.Errorf("%s: %w", schema, err)
		}
	}
	if f.Shown && f.Enum == nil {
		files[document] = []byte(strings.Replace(string(files[document]), "      id\n", "      id\n      "+f.GraphQL+"\n", 1))
	}
	if f.Enum != nil && !f.Enum.Known {
		return nil, fmt.Errorf("%s.%s is of the enum %s, which the schema does not have: write it by hand, as other enums are", p.Table, column, f.Enum.Type)
	}
	return files, nil
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
