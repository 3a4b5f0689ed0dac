package tablegen

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"usergraph/internal/catalog"
)

// describe returns the description of a column: its comment, or a sentence made of its name. A schema without descriptions
// is refused by the tests of the house, and most tables have no comments; add lists the columns whose sentence says no more
// than their names.
func describe(column *catalog.Column) string {
	if text := strings.Join(strings.Fields(column.Comment), " "); text != "" {
		return sentence(text)
	}
	named := words(column.Name)
	text := phrase(named)
	last := ""
	if len(named) > 0 {
		last = named[len(named)-1]
	}
	switch {
	case column.Base == "boolean" && len(named) > 1 && (named[0] == "is" || named[0] == "has"):
		return "Whether it " + text + "."
	case column.Base == "boolean":
		return "Whether it is " + text + "."
	case len(named) > 1 && last == "at":
		return "When it was " + phrase(named[:len(named)-1]) + "."
	case len(named) > 1 && last == "on" && column.Base == "date":
		return "The " + phrase(named[:len(named)-1]) + " date."
	case len(named) > 1 && last == "id":
		return "The id of the " + phrase(named[:len(named)-1]) + "."
	}
	return "The " + text + "."
}

// sentence ends a text with a full stop, and keeps it from ending a description.
func sentence(text string) string {
	text = strings.ReplaceAll(text, `"""`, `'''`)
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "!") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
