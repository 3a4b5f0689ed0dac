package endpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

const (
	// documentCacheBytes bounds the memory of documents that were sent, and again that of documents found by their hash.
	documentCacheBytes = 16 << 20
	// tokenBytes is the memory of a parsed token, at most: fields and numbers take 230 bytes, everything else takes less.
	tokenBytes = 256
)

// document is a document that was parsed, found valid, and measured.
type document struct {
	text    string
	parsed  *ast.QueryDocument
	shape   shape
	trusted bool
	// neverNull are the variables that may be null and stand where null may not.
	neverNull map[string]bool
}

// weight is the memory of a document in bytes, or somewhat more. A text with escapes is there twice.
func (d *document) weight() int { return 1<<10 + 3*d.shape.bytes + tokenBytes*d.shape.tokens }

// documents turns what a request sent into a document that may run.
type documents struct {
	schema        *ast.Schema
	introspection Introspection
	trust         Trust
	trusted       map[string]*document
	sent          *otter.Cache[string, *document]
	hashed        *otter.Cache[[sha256.Size]byte, *document]
}

func newDocuments(schema *ast.Schema, options *Options) (*documents, error) {
	d := &documents{schema: schema, introspection: options.Introspection, trust: options.Trust}
	var err error
	if d.trusted, err = d.readTrusted(options.TrustedDocuments); err != nil {
		return nil, err
	}
	if d.sent, err = newDocumentCache[string](); err != nil {
		return nil, err
	}
	d.hashed, err = newDocumentCache[[sha256.Size]byte]()
	return d, err
}

func newDocumentCache[Key comparable]() (*otter.Cache[Key, *document], error) {
	return otter.New(&otter.Options[Key, *document]{
		MaximumWeight: documentCacheBytes,
		Weigher: func(_ Key, d *document) uint32 {
			return uint32(min(d.weight(), math.MaxUint32))
		},
		// On the caller's goroutine: eviction is quick, and nothing is left running.
		Executor: func(task func()) { task() },
	})
}

// admit finds the document of a request, and refuses it if it is too large or looks at a schema that is not open.
func (d *documents) admit(ctx context.Context, params *graphql.RawParams, bounds *Bounds) (*document, *gqlerror.Error) {
	found, err := d.find(ctx, params, bounds)
	if err != nil {
		return nil, err
	}
	if found.shape.introspects && !d.introspection.allows(ctx) {
		return nil, refusef(CodeIntrospectionDisabled, "introspection is not open to you on this server")
	}
	if !found.trusted {
		if err := found.shape.check(bounds); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// find returns the document that a request names or sends.
func (d *documents) find(ctx context.Context, params *graphql.RawParams, bounds *Bounds) (*document, *gqlerror.Error) {
	id, isHash, err := documentID(params)
	if err != nil {
		return nil, err
	}
	if id != "" {
		if found := d.trusted[id]; found != nil {
			return found, nil
		}
	}
	if d.trust == TrustRequire {
		if id != "" {
			return nil, refusef(CodeDocumentNotFound, "PersistedQueryNotFound")
		}
		return nil, refusef(CodeDocumentRequired, "this server runs only the documents that it was given: send the id of one of them")
	}
	if id == "" {
		return d.parse(ctx, params.Query, bounds)
	}
	return d.automatic(ctx, id, isHash, params.Query, bounds)
}

// parse returns a document from the cache, or parses, measures and validates its text.
func (d *documents) parse(ctx context.Context, text string, bounds *Bounds) (*document, *gqlerror.Error) {
	if refusal := (&shape{bytes: len(text)}).check(bounds); refusal != nil {
		return nil, refusal
	}
	if found, ok := d.sent.GetIfPresent(text); ok {
		return found, nil
	}
	// The text may be a piece of something larger, which must not stay in memory with it.
	found, err := d.compile(strings.Clone(text), bounds, d.introspection.allows(ctx))
	if err != nil {
		return nil, err
	}
	d.sent.Set(found.text, found)
	return found, nil
}

// automatic is the protocol of automatic persisted queries: a client sends the hash alone, and once more with the text
// if the hash is not known. https://www.apollographql.com/docs/apollo-server/performance/apq
func (d *documents) automatic(ctx context.Context, id string, isHash bool, text string, bounds *Bounds) (*document, *gqlerror.Error) {
	var hash [sha256.Size]byte
	if length, err := hex.Decode(hash[:], []byte(id[:min(len(id), 2*len(hash))])); err != nil || length != len(hash) || len(id) != 2*len(hash) {
		if isHash {
			return nil, refusef(CodeBadRequest, "extensions.persistedQuery.sha256Hash is no SHA-256 hash in hexadecimal digits")
		}
		return nil, refusef(CodeDocumentNotFound, "PersistedQueryNotFound")
	}
	if text == "" {
		if found, ok := d.hashed.GetIfPresent(hash); ok {
			return found, nil
		}
		return nil, refusef(CodeDocumentNotFound, "PersistedQueryNotFound")
	}
	if sha256.Sum256([]byte(text)) != hash {
		return nil, refusef(CodeBadRequest, "the hash is not that of the query")
	}
	found, err := d.parse(ctx, text, bounds)
	if err == nil && found.shape.check(bounds) == nil {
		d.hashed.Set(hash, found)
	}
	return found, err
}

// compile parses a text, and looks at its shape before it validates it. Without bounds there are none.
func (d *documents) compile(text string, bounds *Bounds, suggest bool) (*document, *gqlerror.Error) {
	if !utf8.ValidString(text) {
		return nil, refusef(CodeParseFailed, "the document is not Unicode text in UTF-8")
	}
	tokens := 0
	if bounds != nil {
		tokens = bounds.Tokens
	}
	parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, tokens)
	if err != nil {
		if written := (*gqlerror.Error)(nil); errors.As(err, &written) && strings.HasPrefix(written.Message, "exceeded token limit") {
			return nil, refusef(CodeTokenLimit, "the document has too many tokens: at most %d are allowed", tokens)
		}
		if unread := unreadable(text); unread != nil { // the parser says less of it
			err = unread
		}
		return nil, invalid(err, CodeParseFailed)
	}
	if err := checkEscapes(text); err != nil {
		return nil, invalid(err, CodeParseFailed)
	}
	if len(parsed.Operations) == 0 {
		return nil, refusef(CodeValidationFailed, "the document has no operation")
	}
	size, refusal := measure(text, parsed)
	if refusal == nil && bounds != nil {
		refusal = size.check(bounds)
	}
	if refusal != nil {
		return nil, refusal
	}
	ruleset := silentRules
	if suggest {
		ruleset = helpfulRules
	}
	if errs := validator.ValidateWithRules(d.schema, parsed, ruleset); len(errs) > 0 {
		return nil, invalid(errs, CodeValidationFailed)
	}
	return &document{text: text, parsed: parsed, shape: size, neverNull: neverNull(d.schema, parsed)}, nil
}

// unreadable returns what is wrong with a text that is no sequence of tokens, or nil.
func unreadable(text string) error {
	tokens := lexer.New(&ast.Source{Input: text})
	for {
		token, err := tokens.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return err
		}
	}
}

// escapes finds the escapes in a text of a document, and in group 1 half of a surrogate pair that stands alone.
var escapes = regexp.MustCompile(`\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)`)

// checkEscapes refuses half of a surrogate pair in a document that was parsed (GraphQL, section 2.9.4). gqlparser takes
// it for U+FFFD.
func checkEscapes(text string) error {
	if !strings.Contains(text, `\u`) {
		return nil
	}
	characters, lexed := []rune(text), lexer.New(&ast.Source{Input: text})
	for {
		token, err := lexed.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return err
		}
		if token.Kind != lexer.String {
			continue
		}
		for _, found := range escapes.FindAllStringSubmatch(string(characters[token.Pos.Start:token.Pos.End]), -1) {
			if found[1] != "" {
				return gqlerror.ErrorPosf(&token.Pos, `\%s is half of a surrogate pair, and no character: write both halves, or the character itself`, found[1])
			}
		}
	}
}

// helpfulRules validate documents and say what the client may have meant; silentRules say nothing of the schema.
var helpfulRules, silentRules = withSuggestions(), withoutSuggestions()

func withSuggestions() *rules.Rules {
	helpful := rules.NewDefaultRules()
	helpful.ReplaceRule(rules.ValuesOfCorrectTypeRule.Name, valuesOfCorrectType(true))
	return helpful
}

func withoutSuggestions() *rules.Rules {
	silent := rules.NewDefaultRules()
	for name, quiet := range map[string]validator.RuleFunc{
		rules.FieldsOnCorrectTypeRule.Name: rules.FieldsOnCorrectTypeRuleWithoutSuggestions.RuleFunc,
		rules.KnownArgumentNamesRule.Name:  rules.KnownArgumentNamesRuleWithoutSuggestions.RuleFunc,
		rules.KnownTypeNamesRule.Name:      rules.KnownTypeNamesRuleWithoutSuggestions.RuleFunc,
		rules.ScalarLeafsRule.Name:         rules.ScalarLeafsRuleWithoutSuggestions.RuleFunc,
		rules.ValuesOfCorrectTypeRule.Name: valuesOfCorrectType(false),
	} {
		silent.ReplaceRule(name, quiet)
	}
	return silent
}
