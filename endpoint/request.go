package endpoint

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// A request is an object in I-JSON (RFC 7493): unique names, UTF-8, and nothing after it. Names are case-sensitive.
// Depth and number of values are bounded. Unknown members must be well-formed and are ignored.

var errMalformed = refusef(CodeBadRequest, "the body is not a JSON object with unique names, in UTF-8")

// requestReader decodes requests from JSON.
type requestReader struct {
	json   jsontext.Decoder
	bounds *Bounds
	values int
}

// readers pools decoders: a decoder is larger than most requests.
var readers = sync.Pool{New: func() any { return new(requestReader) }}

func newRequestReader(body []byte, bounds *Bounds) *requestReader {
	r := readers.Get().(*requestReader)
	r.json.Reset(bytes.NewBuffer(body))
	r.bounds, r.values = bounds, 0
	return r
}

// release returns the reader to the pool without the request.
func (r *requestReader) release() {
	r.json.Reset(nothing)
	readers.Put(r)
}

var nothing = strings.NewReader("")

// decodeRequest reads one request.
func decodeRequest(body []byte, bounds *Bounds) (*graphql.RawParams, *gqlerror.Error) {
	r := newRequestReader(body, bounds)
	defer r.release()
	params, refusal := r.request()
	if refusal == nil {
		refusal = r.end()
	}
	return params, refusal
}

// decodeBatch reads a request or an array of requests, and reports whether it was an array.
func decodeBatch(body []byte, bounds *Bounds) (requests []*graphql.RawParams, isArray bool, refusal *gqlerror.Error) {
	r := newRequestReader(body, bounds)
	defer r.release()
	if r.json.PeekKind() != '[' {
		params, err := r.request()
		if err == nil {
			err = r.end()
		}
		return []*graphql.RawParams{params}, false, err
	}
	if bounds.Batch == 0 {
		return nil, true, refusef(CodeBatchLimit, "send one request, not an array: this server takes no batches")
	}
	if _, err := r.json.ReadToken(); err != nil {
		return nil, true, errMalformed
	}
	for r.json.PeekKind() != ']' {
		if len(requests) == bounds.Batch {
			return nil, true, refusef(CodeBatchLimit, "the batch has too many requests: at most %d are allowed", bounds.Batch)
		}
		params, err := r.request()
		if err != nil {
			return nil, true, err
		}
		requests = append(requests, params)
	}
	if len(requests) == 0 {
		return nil, true, refusef(CodeBadRequest, "the batch is empty")
	}
	_, _ = r.json.ReadToken()
	return requests, true, r.end()
}

// request reads one object.
func (r *requestReader) request() (*graphql.RawParams, *gqlerror.Error) {
	if token, err := r.json.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, errMalformed
	}
	params := &graphql.RawParams{}
	for r.json.PeekKind() != '}' {
		name, err := r.json.ReadToken()
		if err != nil {
			return nil, errMalformed
		}
		var refusal *gqlerror.Error
		switch name.String() {
		case "query":
			refusal = r.text("query", &params.Query)
		case "operationName":
			refusal = r.text("operationName", &params.OperationName)
		case "documentId":
			var id string
			if refusal = r.text("documentId", &id); id != "" {
				params.Extensions = with(params.Extensions, documentIDKey, id)
			}
		case "variables":
			params.Variables, refusal = r.object("variables")
		case "extensions":
			var extensions map[string]any
			extensions, refusal = r.object("extensions")
			if id, ok := params.Extensions[documentIDKey]; ok {
				extensions = with(extensions, documentIDKey, id)
			}
			params.Extensions = extensions
		default:
			refusal = r.skip()
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	if _, err := r.json.ReadToken(); err != nil {
		return nil, errMalformed
	}
	return params, checkComplete(params)
}

// checkComplete refuses a request without a document and without an id.
func checkComplete(params *graphql.RawParams) *gqlerror.Error {
	if params.Query == "" && params.Extensions[documentIDKey] == nil && params.Extensions["persistedQuery"] == nil {
		return refusef(CodeBadRequest, "the query is missing: send a document, or the id of one")
	}
	return nil
}

// end refuses data after the request.
func (r *requestReader) end() *gqlerror.Error {
	if _, err := r.json.ReadToken(); !errors.Is(err, io.EOF) {
		return errMalformed
	}
	return nil
}

// text reads a text or null.
func (r *requestReader) text(name string, into *string) *gqlerror.Error {
	token, err := r.json.ReadToken()
	switch {
	case err != nil:
		return errMalformed
	case token.Kind() == '"':
		*into = token.String()
	case token.Kind() != 'n':
		return refusef(CodeBadRequest, "%s is not a text", name)
	}
	return nil
}

// object reads an object or null.
func (r *requestReader) object(name string) (map[string]any, *gqlerror.Error) {
	if kind := r.json.PeekKind(); kind != '{' && kind != 'n' {
		if _, err := r.json.ReadToken(); err != nil {
			return nil, errMalformed
		}
		return nil, refusef(CodeBadRequest, "%s is not an object", name)
	}
	value, refusal := r.value()
	object, _ := value.(map[string]any)
	return object, refusal
}

// value reads any value. A number is an int64 if it fits, else a float64. It is never a json.Number, because gqlparser
// reads that as a string.
func (r *requestReader) value() (any, *gqlerror.Error) {
	if r.values++; r.values > r.bounds.Values {
		return nil, refusef(CodeValueLimit, "the request has too many values: at most %d are allowed", r.bounds.Values)
	}
	token, err := r.json.ReadToken()
	if err != nil {
		return nil, errMalformed
	}
	if r.json.StackDepth() > r.bounds.JSONDepth {
		return nil, refusef(CodeJSONDepthLimit, "the request is nested too deeply: at most %d levels are allowed", r.bounds.JSONDepth)
	}
	switch token.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return token.Bool(), nil
	case '"':
		return token.String(), nil
	case '0':
		return number(token.String())
	case '{':
		return r.members()
	default:
		return r.items()
	}
}

func number(text string) (any, *gqlerror.Error) {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole, nil
	}
	float, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, refusef(CodeBadRequest, "a number is out of range")
	}
	return float, nil
}

// members reads the members of an object after its opening brace.
func (r *requestReader) members() (any, *gqlerror.Error) {
	object := map[string]any{}
	for r.json.PeekKind() != '}' {
		name, err := r.json.ReadToken()
		if err != nil {
			return nil, errMalformed
		}
		key := name.String()
		value, refusal := r.value()
		if refusal != nil {
			return nil, refusal
		}
		object[key] = value
	}
	if _, err := r.json.ReadToken(); err != nil {
		return nil, errMalformed
	}
	return object, nil
}

// items reads the items of an array after its opening bracket.
func (r *requestReader) items() (any, *gqlerror.Error) {
	list := []any{}
	for r.json.PeekKind() != ']' {
		if len(list) == r.bounds.ListSize {
			return nil, refusef(CodeListLimit, "a list has too many items: at most %d are allowed", r.bounds.ListSize)
		}
		value, refusal := r.value()
		if refusal != nil {
			return nil, refusal
		}
		list = append(list, value)
	}
	if _, err := r.json.ReadToken(); err != nil {
		return nil, errMalformed
	}
	return list, nil
}

// skip reads a value without a meaning, within the same bounds.
func (r *requestReader) skip() *gqlerror.Error {
	_, refusal := r.value()
	return refusal
}

// with sets a key of a map that may be nil.
func with(object map[string]any, key string, value any) map[string]any {
	if object == nil {
		object = map[string]any{}
	}
	object[key] = value
	return object
}
