package tablegen

import (
	"fmt"
	"slices"
	"strings"
)

// Config adds to gqlgen.yml the fields that need a resolver for many rows at once. Everything else stays as it is, comments
// too.
func (p *Plan) Config(config []byte) ([]byte, error) {
	lines := strings.Split(strings.TrimRight(string(config), "\n"), "\n")
	for _, r := range p.Relations {
		var err error
		if lines, err = withBatch(lines, r.On, r.Field); err != nil {
			return nil, err
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n"), nil
}

// withBatch adds one field of a type below models.
func withBatch(lines []string, typeName, field string) ([]string, error) {
	models := slices.Index(lines, "models:")
	if models < 0 {
		return nil, fmt.Errorf("gqlgen.yml has no line %q", "models:")
	}
	end := blockEnd(lines, models, 0)
	entry := fmt.Sprintf("      %s: {resolver: true, batch: true}", field)
	at := slices.Index(lines[models:end], "  "+typeName+":")
	if at < 0 {
		return slices.Insert(lines, end, "  "+typeName+":", "    fields:", entry), nil
	}
	at += models
	ofType := blockEnd(lines, at, 2)
	fields := slices.Index(lines[at:ofType], "    fields:")
	if fields < 0 {
		return slices.Insert(lines, ofType, "    fields:", entry), nil
	}
	fields += at
	last := blockEnd(lines, fields, 4)
	if slices.ContainsFunc(lines[fields:last], func(line string) bool { return strings.HasPrefix(line, "      "+field+":") }) {
		return lines, nil
	}
	return slices.Insert(lines, last, entry), nil
}

// blockEnd returns the line after the last one that is indented by more than indent, from the line after start on.
func blockEnd(lines []string, start, indent int) int {
	end := start + 1
	for i := start + 1; i < len(lines); i++ {
		text := strings.TrimLeft(lines[i], " ")
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if len(lines[i])-len(text) <= indent {
			break
		}
		end = i + 1
	}
	return end
}
