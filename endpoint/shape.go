package endpoint

import (
	"math"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// shape is how large a document is. It is found in one pass over what was parsed, each fragment once, before the
// document is validated: validation of a hostile document costs far more than its size.
type shape struct {
	bytes              int
	tokens             int
	depth              int
	introspectionDepth int
	rootFields         int
	fields             int
	aliases            int
	directives         int
	spreads            int
	introspects        bool
}

// check returns the first bound that a shape exceeds. A document of the cache is checked for each caller who sends it.
func (s *shape) check(b *Bounds) *gqlerror.Error {
	for _, limit := range []struct {
		what       string
		is, atMost int
		code       string
	}{
		{"bytes", s.bytes, b.DocumentBytes, CodeDocumentLimit},
		{"tokens", s.tokens, b.Tokens, CodeTokenLimit},
		{"nested fields", s.depth, b.Depth, CodeDepthLimit},
		{"nested lists of introspection", s.introspectionDepth, b.IntrospectionDepth, CodeIntrospectionDepth},
		{"root fields", s.rootFields, b.RootFields, CodeRootFieldLimit},
		{"fields", s.fields, b.Fields, CodeFieldLimit},
		{"aliases", s.aliases, b.Aliases, CodeAliasLimit},
		{"directives", s.directives, b.Directives, CodeDirectiveLimit},
		{"fragment spreads", s.spreads, b.Spreads, CodeFragmentLimit},
	} {
		if limit.is > limit.atMost {
			return refusef(limit.code, "the document has too many %s: at most %d are allowed", limit.what, limit.atMost)
		}
	}
	return nil
}

// part is the shape of a selection set where it stands, fragments expanded. Its numbers stop at maxNumber.
type part struct {
	depth      int // nested fields, not counting those below __schema and __type
	lists      int // nested fields with the name of one of introspection's lists
	fields     int // all fields
	rootFields int // fields that are not nested in another
}

// measurer walks a document. Fragments that are being walked are in open, those that were in done.
type measurer struct {
	shape
	fragments map[string]*ast.FragmentDefinition
	open      map[string]bool
	done      map[string]part
	refusal   *gqlerror.Error // what is wrong with the document, besides its size
}

// measure finds the shape of a document, or an error if fragments form a cycle or parts of the answer should come later.
func measure(text string, document *ast.QueryDocument) (shape, *gqlerror.Error) {
	m := measurer{shape: shape{bytes: len(text), tokens: countTokens(text)}}
	if len(document.Fragments) > 0 {
		m.fragments = make(map[string]*ast.FragmentDefinition, len(document.Fragments))
		m.open, m.done = map[string]bool{}, map[string]part{}
	}
	for _, fragment := range document.Fragments {
		if m.fragments[fragment.Name] != nil {
			return m.shape, at(fragment.Position, refusef(CodeValidationFailed, "there can be only one fragment of a name"))
		}
		m.fragments[fragment.Name] = fragment
	}
	for _, fragment := range document.Fragments {
		m.fragment(fragment.Name)
	}
	for _, operation := range document.Operations {
		m.count(operation.Directives)
		for _, variable := range operation.VariableDefinitions {
			m.count(variable.Directives)
		}
		root := m.selections(operation.SelectionSet)
		m.depth = max(m.depth, root.depth)
		m.rootFields = max(m.rootFields, root.rootFields)
		m.fields = max(m.fields, root.fields)
	}
	return m.shape, m.refusal
}

// count counts directives. gqlparser knows @defer, and gqlgen leaves a goroutine behind for whoever does not fetch what
// it defers: no transport here does.
func (m *measurer) count(list ast.DirectiveList) {
	m.directives += len(list)
	if directive := list.ForName("defer"); directive != nil {
		m.refusal = at(directive.Position, refusef(CodeValidationFailed, "this server does not know the directive @defer"))
	}
}

func (m *measurer) selections(set ast.SelectionSet) part {
	var whole part
	for _, selection := range set {
		var one part
		switch s := selection.(type) {
		case *ast.Field:
			one = m.field(s)
		case *ast.InlineFragment:
			m.count(s.Directives)
			one = m.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			m.count(s.Directives)
			m.spreads++
			one = m.fragment(s.Name)
		}
		whole.depth = max(whole.depth, one.depth)
		whole.lists = max(whole.lists, one.lists)
		whole.fields = addCapped(whole.fields, one.fields)
		whole.rootFields = addCapped(whole.rootFields, one.rootFields)
	}
	return whole
}

func (m *measurer) field(field *ast.Field) part {
	m.count(field.Directives)
	if field.Alias != field.Name {
		m.aliases++
	}
	below := m.selections(field.SelectionSet)
	whole := part{depth: below.depth + 1, lists: below.lists, fields: addCapped(below.fields, 1), rootFields: 1}
	switch field.Name {
	case "__schema", "__type":
		m.introspects = true
		m.introspectionDepth = max(m.introspectionDepth, below.lists)
		whole.depth, whole.lists = 1, 0
	case "types", "fields", "args", "interfaces", "possibleTypes", "enumValues", "inputFields", "directives":
		whole.lists++
	}
	return whole
}

func (m *measurer) fragment(name string) part {
	if whole, ok := m.done[name]; ok {
		return whole
	}
	fragment := m.fragments[name]
	if fragment == nil { // validation says so
		return part{}
	}
	if m.open[name] {
		m.refusal = at(fragment.Position, refusef(CodeValidationFailed, "fragments may not contain themselves"))
		return part{}
	}
	m.open[name] = true
	m.count(fragment.Directives)
	whole := m.selections(fragment.SelectionSet)
	delete(m.open, name)
	m.done[name] = whole
	return whole
}

// maxNumber is where counting stops: two such numbers can be added and multiplied.
const maxNumber = math.MaxInt32

func addCapped(a, b int) int { return min(a+b, maxNumber) }

func timesCapped(a, b int) int { return min(a*b, maxNumber) }

// countTokens counts the tokens of a document that was parsed, as the parser does: comments too.
func countTokens(text string) (count int) {
	lexed := lexer.New(&ast.Source{Input: text})
	for {
		if token, err := lexed.ReadToken(); err != nil || token.Kind == lexer.EOF {
			return count
		}
		count++
	}
}
