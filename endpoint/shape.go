package endpoint

import (
	"math"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// documentStats are the sizes of a document. They are computed in one pass, each fragment once, and before validation:
// the validation of a hostile document costs far more than its size.
type documentStats struct {
	bytes              int
	operations         int
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

// check returns an error for the first bound that is exceeded. A cached document is checked for each request, because
// callers have different bounds.
func (s *documentStats) check(b *Bounds) *gqlerror.Error {
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

// selectionStats are the sizes of a selection set, fragments expanded. The numbers are capped at maxNumber.
type selectionStats struct {
	depth      int // nested fields, not counting those below __schema and __type
	lists      int // nested fields with the name of one of introspection's lists
	fields     int // all fields
	rootFields int // fields that are not nested in another
}

// analyzer walks a document. open holds the fragments on the current path, done those that were analyzed.
type analyzer struct {
	documentStats
	fragments map[string]*ast.FragmentDefinition
	open      map[string]bool
	done      map[string]selectionStats
	refusal   *gqlerror.Error // a fault of the document other than its size
}

// analyze returns the sizes of a document. It refuses cycles of fragments and @defer.
func analyze(text string, document *ast.QueryDocument) (documentStats, *gqlerror.Error) {
	a := analyzer{documentStats: documentStats{bytes: len(text), operations: len(document.Operations), tokens: countTokens(text)}}
	if len(document.Fragments) > 0 {
		a.fragments = make(map[string]*ast.FragmentDefinition, len(document.Fragments))
		a.open, a.done = map[string]bool{}, map[string]selectionStats{}
	}
	for _, fragment := range document.Fragments {
		if a.fragments[fragment.Name] != nil {
			return a.documentStats, at(fragment.Position, refusef(CodeValidationFailed, "there can be only one fragment of a name"))
		}
		a.fragments[fragment.Name] = fragment
	}
	for _, fragment := range document.Fragments {
		a.fragment(fragment.Name)
	}
	for _, operation := range document.Operations {
		a.count(operation.Directives)
		for _, variable := range operation.VariableDefinitions {
			a.count(variable.Directives)
		}
		root := a.selections(operation.SelectionSet)
		a.depth = max(a.depth, root.depth)
		a.rootFields = max(a.rootFields, root.rootFields)
		a.fields = max(a.fields, root.fields)
	}
	return a.documentStats, a.refusal
}

// count counts directives. It refuses @defer: gqlparser supports it, but no transport here fetches deferred parts, and
// gqlgen leaks a goroutine for parts that are not fetched.
func (a *analyzer) count(list ast.DirectiveList) {
	a.directives += len(list)
	if directive := list.ForName("defer"); directive != nil {
		a.refusal = at(directive.Position, refusef(CodeValidationFailed, "this server does not know the directive @defer"))
	}
}

func (a *analyzer) selections(set ast.SelectionSet) selectionStats {
	var whole selectionStats
	for _, selection := range set {
		var one selectionStats
		switch s := selection.(type) {
		case *ast.Field:
			one = a.field(s)
		case *ast.InlineFragment:
			a.count(s.Directives)
			one = a.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			a.count(s.Directives)
			a.spreads++
			one = a.fragment(s.Name)
		}
		whole.depth = max(whole.depth, one.depth)
		whole.lists = max(whole.lists, one.lists)
		whole.fields = addCapped(whole.fields, one.fields)
		whole.rootFields = addCapped(whole.rootFields, one.rootFields)
	}
	return whole
}

func (a *analyzer) field(field *ast.Field) selectionStats {
	a.count(field.Directives)
	if field.Alias != field.Name {
		a.aliases++
	}
	below := a.selections(field.SelectionSet)
	whole := selectionStats{depth: below.depth + 1, lists: below.lists, fields: addCapped(below.fields, 1), rootFields: 1}
	switch field.Name {
	case "__schema", "__type":
		a.introspects = true
		a.introspectionDepth = max(a.introspectionDepth, below.lists)
		whole.depth, whole.lists = 1, 0
	case "types", "fields", "args", "interfaces", "possibleTypes", "enumValues", "inputFields", "directives":
		whole.lists++
	}
	return whole
}

func (a *analyzer) fragment(name string) selectionStats {
	if whole, ok := a.done[name]; ok {
		return whole
	}
	fragment := a.fragments[name]
	if fragment == nil { // validation reports it
		return selectionStats{}
	}
	if a.open[name] {
		a.refusal = at(fragment.Position, refusef(CodeValidationFailed, "fragments may not contain themselves"))
		return selectionStats{}
	}
	a.open[name] = true
	a.count(fragment.Directives)
	whole := a.selections(fragment.SelectionSet)
	delete(a.open, name)
	a.done[name] = whole
	return whole
}

// maxNumber caps counts, so that the sum and the product of two counts do not overflow.
const maxNumber = math.MaxInt32

func addCapped(a, b int) int { return min(a+b, maxNumber) }

func timesCapped(a, b int) int { return min(a*b, maxNumber) }

// countTokens counts the tokens of a parsed document as the parser does, comments included.
func countTokens(text string) (count int) {
	lexed := lexer.New(&ast.Source{Input: text})
	for {
		if token, err := lexed.ReadToken(); err != nil || token.Kind == lexer.EOF {
			return count
		}
		count++
	}
}
