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
	// documentCacheBytes bounds each of the two caches in bytes: documents by their text, and documents by their hash.
	documentCacheBytes = 16 << 20
	// tokenBytes is the most memory of a parsed token, in bytes. Fields and numbers take 230; all others take less.
	tokenBytes = 256
)

// document is a parsed, validated and analyzed document.
type document struct {
	text    string
	parsed  *ast.QueryDocument
	stats   documentStats
	trusted bool
	// neverNull are the nullable variables in non-null positions.
	neverNull map[string]bool
	plans     plans
}

// weight estimates the memory of a document in bytes, rounded up. A text with escapes is stored twice.
func (d *document) weight() int {
	plans := min(maxPlans, d.stats.operations<<min(d.stats.directives, maxPlans))
	return 1<<10 + 3*d.stats.bytes + tokenBytes*d.stats.tokens + planBytes*d.stats.fields*plans
}

// documents resolves a request to the document that it sends or names.
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
		// Evict on the goroutine of the caller: eviction is quick, and no goroutine stays behind.
		Executor: func(task func()) { task() },
	})
}

// resolve returns the document of a request. It refuses one that exceeds the bounds, or introspects without
// permission.
func (d *documents) resolve(ctx context.Context, params *graphql.RawParams, bounds *Bounds) (*document, *gqlerror.Error) {
	found, err := d.lookup(ctx, params, bounds)
	if err != nil {
		return nil, err
	}
	if found.stats.introspects && !d.introspection.allows(ctx) {
		return nil, refusef(CodeIntrospectionDisabled, "introspection is not open to you on this server")
	}
	if !found.trusted {
		if err := found.stats.check(bounds); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lookup returns the document that a request names or sends.
func (d *documents) lookup(ctx context.Context, params *graphql.RawParams, bounds *Bounds) (*document, *gqlerror.Error) {
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
	return d.automaticPersistedQuery(ctx, id, isHash, params.Query, bounds)
}

// parse returns the document of a text, from the cache or from parseAndValidate.
func (d *documents) parse(ctx context.Context, text string, bounds *Bounds) (*document, *gqlerror.Error) {
	if refusal := (&documentStats{bytes: len(text)}).check(bounds); refusal != nil {
		return nil, refusal
	}
	if found, ok := d.sent.GetIfPresent(text); ok {
		return found, nil
	}
	// The clone keeps the cache from retaining the request body that text is a slice of.
	found, err := d.parseAndValidate(strings.Clone(text), bounds, d.introspection.allows(ctx))
	if err != nil {
		return nil, err
	}
	d.sent.Set(found.text, found)
	return found, nil
}

// automaticPersistedQuery implements automatic persisted queries. A client sends the hash alone, and repeats it with
// the text if the server does not have the hash. https://www.apollographql.com/docs/apollo-server/performance/apq
func (d *documents) automaticPersistedQuery(ctx context.Context, id string, isHash bool, text string, bounds *Bounds) (*document, *gqlerror.Error) {
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
	if err == nil && found.stats.check(bounds) == nil {
		d.hashed.Set(hash, found)
	}
	return found, err
}

// parseAndValidate parses a text, checks it against bounds, and validates it last. Nil bounds are no bounds.
func (d *documents) parseAndValidate(text string, bounds *Bounds, suggest bool) (*document, *gqlerror.Error) {
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
		if unread := unreadable(text); unread != nil { // its message is clearer than the parser's
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
	stats, refusal := analyze(text, parsed)
	if refusal == nil && bounds != nil {
		refusal = stats.check(bounds)
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
	return &document{text: text, parsed: parsed, stats: stats, neverNull: neverNull(d.schema, parsed)}, nil
}

// unreadable returns the first error of the lexer, or nil.
func unreadable(text string) error {
	tokens := lexer.New(&ast.Source{Input: text})
	for {
		token, err := tokens.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return err
		}
	}
}

// escapes matches the escapes in a string literal. Group 1 is a lone surrogate.
var escapes = regexp.MustCompile(`\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)`)

// checkEscapes refuses a lone surrogate in a parsed document (GraphQL, section 2.9.4). gqlparser reads it as U+FFFD.
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

// helpfulRules suggest similar names in their errors. silentRules reveal no name of the schema.
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
