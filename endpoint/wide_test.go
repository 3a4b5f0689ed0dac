package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"usergraph/internal/wideschema"
)

// wide are the resolvers of package wideschema. A field answers with the arguments that it was given, names sorted and
// nulls left out, as e2e/tools/coercion.js has it.
type wide struct {
	resolved atomic.Int32
}

func (*wide) Leaf() wideschema.LeafResolver                   { return nil }
func (*wide) Mutation() wideschema.MutationResolver           { return nil }
func (*wide) Node() wideschema.NodeResolver                   { return nil }
func (*wide) Query() wideschema.QueryResolver                 { return nil }
func (w *wide) Subscription() wideschema.SubscriptionResolver { return w }

func (*wide) Count(_ context.Context, to int) (<-chan *int, error) {
	counts := make(chan *int, 1)
	counts <- &to
	close(counts)
	return counts, nil
}

// answer is a graphql.FieldMiddleware in the place of all resolvers.
func (w *wide) answer(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	if strings.HasPrefix(field.Object, "__") || strings.HasPrefix(field.Field.Name, "__") || field.Object == "Subscription" {
		return next(ctx)
	}
	w.resolved.Add(1)
	named := field.Field.Definition.Type
	switch {
	case named.Elem != nil:
		nodes := make([]*wideschema.Node, min(max(field.Args["first"].(int), 0), 3))
		for i := range nodes {
			nodes[i] = &wideschema.Node{}
		}
		return nodes, nil
	case named.Name() == "String":
		text, err := echo(field.Args)
		if named.NonNull {
			return text, err
		}
		return &text, err
	case field.Args["id"] == "none":
		return nil, nil
	case field.Args["leaf"] == true:
		return &wideschema.Leaf{}, nil
	}
	return &wideschema.Node{}, nil
}

func echo(arguments map[string]any) (string, error) {
	if arguments == nil { // of a field that has none
		return "{}", nil
	}
	text, err := json.Marshal(arguments)
	if err != nil {
		return "", err
	}
	given := map[string]any{}
	if err := json.Unmarshal(text, &given); err != nil {
		return "", err
	}
	for name, value := range given {
		if value == nil {
			delete(given, name)
		}
	}
	var sorted bytes.Buffer
	encoder := json.NewEncoder(&sorted)
	encoder.SetEscapeHTML(false)
	err = encoder.Encode(given)
	return strings.TrimSuffix(sorted.String(), "\n"), err
}

// newWide is the endpoint over the wide schema, open to everybody and without limits of documents.
func newWide(t testing.TB, changes ...func(*Options)) (*Handler, *wide) {
	t.Helper()
	limits := DefaultLimits()
	for _, most := range []*int{
		&limits.Anonymous.Tokens, &limits.Anonymous.Depth, &limits.Anonymous.RootFields, &limits.Anonymous.Aliases,
		&limits.Anonymous.Directives, &limits.Anonymous.Complexity, &limits.Anonymous.Errors, &limits.Anonymous.IntrospectionDepth,
	} {
		*most = math.MaxInt32
	}
	resolvers := &wide{}
	options := Options{Log: slog.New(slog.DiscardHandler), Schema: func(*Engine) graphql.ExecutableSchema {
		return wideschema.NewExecutableSchema(wideschema.Config{Resolvers: resolvers})
	}, Limits: &limits, Introspection: IntrospectionOn, AroundFields: resolvers.answer}
	for _, change := range changes {
		change(&options)
	}
	e, err := NewHandler(options)
	if err != nil {
		t.Fatal(err)
	}
	return e, resolvers
}

// told is an error as e2e/tools/coercion.js writes it: a message, its locations, its path.
type told struct {
	message   string
	locations []string
	path      string
}

func (e *told) UnmarshalJSON(text []byte) error {
	var path json.RawMessage
	err := json.Unmarshal(text, &[]any{&e.message, &e.locations, &path})
	e.path = string(path)
	e.message = shorten(e.message) // the server tells no more of it
	return err
}

// answered is what the server answers.
type answered struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Locations  []struct{ Line, Column int }
		Path       json.RawMessage
		Extensions struct{ Code string }
	}
}

func (a answered) told() []told {
	var all []told
	for _, err := range a.Errors {
		one := told{message: err.Message, path: string(err.Path)}
		for _, location := range err.Locations {
			one.locations = append(one.locations, fmt.Sprintf("%d:%d", location.Line, location.Column))
		}
		all = append(all, one)
	}
	return all
}

var corpus = flag.String("corpus", "testdata/coercion.jsonl", "the cases that e2e/tools/coercion.js has written")

// Documents and variables are answered as graphql-js answers them.
func TestCoercion(t *testing.T) {
	e, _ := newWide(t)
	for _, test := range readCorpus(t, *corpus) {
		body, err := json.Marshal(map[string]any{"query": test.Query, "variables": json.RawMessage(test.Variables)})
		if err != nil {
			t.Fatal(err)
		}
		answer, problem := e.askWide(t, string(body))
		if problem == "" {
			problem = compare(test, answer)
		}
		if problem != "" {
			t.Errorf("%s\n%s\n%s\ngot  %+v %s\nwant %+v %s", problem, test.Query, test.Variables, answer.told(), answer.Data, test.Answer, test.Answer.Data)
		}
	}
}

// wideCase is a line of the corpus. A document that is not valid has Invalid, variables that are not have Variables.
type wideCase struct {
	Query, Variables string
	Answer           struct {
		Data                       json.RawMessage
		Errors, Invalid, Variables []told
	}
}

func readCorpus(t *testing.T, file string) []wideCase {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []wideCase
	for line := range bytes.Lines(text) {
		var one wideCase
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, one)
	}
	if len(cases) < 100 {
		t.Fatalf("%s has only %d cases", file, len(cases))
	}
	return cases
}

// stream sends a request and returns the events of the answer.
func (e *Handler) stream(t *testing.T, body string) string {
	t.Helper()
	server := httptest.NewServer(e)
	defer server.Close()
	request, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", eventStream)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	events, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(events)
}

// askWide sends a request, over a stream if it is a subscription. It returns the first answer.
func (e *Handler) askWide(t *testing.T, body string) (answer answered, problem string) {
	t.Helper()
	var text string
	if strings.Contains(body, `"query":"subscription`) {
		_, text, _ = strings.Cut(e.stream(t, body), "data: ")
		text, _, _ = strings.Cut(text, "\n")
	} else {
		recorded := e.Ask(nil, body)
		if text = recorded.Body.String(); recorded.Code != http.StatusOK && recorded.Code != http.StatusBadRequest {
			return answer, fmt.Sprintf("status %d: %s", recorded.Code, text)
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return answer, fmt.Sprintf("%v: %s", err, text)
	}
	for _, err := range answer.Errors {
		if err.Extensions.Code != CodeValidationFailed {
			return answer, "code " + err.Extensions.Code
		}
	}
	return answer, ""
}

// compare says how an answer differs from that of graphql-js, where it is not meant to.
func compare(test wideCase, answer answered) string {
	got, want := answer.told(), test.Answer
	switch {
	case want.Invalid != nil:
		// The server tells the first error of many. Of two places it may tell one.
		if answer.Data != nil || len(got) != 1 || got[0].path != "" || len(got[0].locations) == 0 {
			return "not refused, or not in the form of a refusal"
		}
		if !slices.ContainsFunc(want.Invalid, func(one told) bool {
			return one.message == got[0].message && slices.Contains(one.locations, got[0].locations[0])
		}) {
			return "refused for another reason"
		}
	case want.Variables != nil:
		if answer.Data != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want.Variables[0]) {
			return "refused for another reason"
		}
	default:
		wantData, wantErrors := want.Data, want.Errors
		// A mutation that has something wrong at its root changes nothing.
		atRoot := slices.DeleteFunc(slices.Clone(wantErrors), func(one told) bool {
			return one.path == "" || strings.Contains(one.path, ",") || strings.HasPrefix(one.message, `Argument "if"`)
		})
		if strings.HasPrefix(test.Query, "mutation") && len(atRoot) > 0 {
			wantData, wantErrors = json.RawMessage("null"), atRoot
		}
		// Beside what has made its parent null graphql-js may not look any further.
		got = slices.DeleteFunc(got, func(one told) bool {
			return !slices.ContainsFunc(wantErrors, one.isSame) && isBeside(one, wantErrors, wantData)
		})
		byPlace := func(a, b told) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.message, b.message)) }
		slices.SortFunc(got, byPlace)
		slices.SortFunc(wantErrors, byPlace)
		if len(got)+len(wantErrors) > 0 && !reflect.DeepEqual(got, wantErrors) {
			return "other errors"
		}
		if !sameJSON(answer.Data, wantData) {
			return "other data"
		}
	}
	return ""
}

func (e told) isSame(other told) bool { return reflect.DeepEqual(e, other) }

// isBeside reports whether an error is in a part of the data that another error has made null.
func isBeside(one told, others []told, data json.RawMessage) bool {
	var path []any
	var value any
	if json.Unmarshal([]byte(one.path), &path) != nil || json.Unmarshal(data, &value) != nil {
		return false
	}
	null := []any{}
	for _, element := range path {
		if value == nil {
			break
		}
		if name, ok := element.(string); ok {
			value = value.(map[string]any)[name]
		} else {
			value = value.([]any)[int(element.(float64))]
		}
		null = append(null, element)
	}
	return len(null) < len(path) && slices.ContainsFunc(others, func(other told) bool {
		var path []any
		_ = json.Unmarshal([]byte(other.path), &path)
		return len(path) > len(null) && reflect.DeepEqual(path[:len(null)], null)
	})
}

// sameJSON compares values of JSON. Nothing is not null.
func sameJSON(a, b json.RawMessage) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var left, right any
	return json.Unmarshal(a, &left) == nil && json.Unmarshal(b, &right) == nil && reflect.DeepEqual(left, right)
}
