package tablegen

import (
	"strings"
	"unicode"

	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/jinzhu/inflection"
	"golang.org/x/text/unicode/norm"
)

// words splits a name of the database: due_on, dueOn and "Due on" are the words due and on. GraphQL takes letters of ASCII
// only (GraphQL, section 2.1.9): accents are left out, and a name with another script's letters has no words.
func words(name string) (all []string) {
	name = norm.NFD.String(name)
	if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) }) {
		return nil
	}
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, name)
	var b strings.Builder
	end := func() {
		if b.Len() > 0 {
			all = append(all, strings.ToLower(b.String()))
			b.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) || unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end()
		}
		b.WriteRune(r)
	}
	end()
	return all
}

// graphQLName returns words as the name of a field: dueOn. It is "" if no name can be made of them.
func graphQLName(words []string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	name := b.String()
	if name != "" && unicode.IsDigit(rune(name[0])) {
		return "_" + name
	}
	return name
}

// typeName returns words as the name of a type, in Go and in GraphQL: OrderItem, APIKey.
func typeName(words []string) string { return goName(strings.Join(words, "_")) }

// goName returns the name that gqlgen gives to what has this name in GraphQL.
func goName(name string) string { return templates.ToGo(name) }

// singular and plural return words with the last one in that number.
func singular(words []string) []string { return withLast(words, inflection.Singular) }
func plural(words []string) []string   { return withLast(words, inflection.Plural) }

func withLast(words []string, change func(string) string) []string {
	if len(words) == 0 {
		return words
	}
	return append(append([]string{}, words[:len(words)-1]...), change(words[len(words)-1]))
}

// phrase returns words for a sentence: "order item".
func phrase(words []string) string { return strings.Join(words, " ") }

// withArticle returns words after "a" or "an".
func withArticle(words []string) string {
	text := phrase(words)
	if text != "" && strings.ContainsRune("aeio", rune(text[0])) || strings.HasPrefix(text, "un") && !strings.HasPrefix(text, "uni") {
		return "an " + text
	}
	return "a " + text
}

// aliasOf returns a short name for a table in SQL: its words' first letters.
func aliasOf(words []string, isReserved func(string) bool) string {
	var b strings.Builder
	for _, word := range words {
		b.WriteByte(word[0])
	}
	if alias := b.String(); !isReserved(alias) && !unicode.IsDigit(rune(alias[0])) {
		return alias
	}
	return strings.Join(words, "_") + "_row"
}

// enumValue returns the name of an enum's value in GraphQL, "" if it has none (GraphQL, section 3.9).
func enumValue(value string) string {
	name := strings.ToUpper(strings.Join(words(value), "_"))
	if name != "" && unicode.IsDigit(rune(name[0])) {
		name = "_" + name
	}
	return name
}
