package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// methods are the methods that are answered. A client may notify the server of anything.
var methods = map[string]bool{"initialize": true, "ping": true, "server/discover": true, "tools/list": true, "tools/call": true}

// newerSince is the first version of the protocol without sessions, in which errors of JSON-RPC have a status of HTTP.
const newerSince = "2026-07-28"

// codeRefused is the code of a request that is not answered for another reason than its form.
const codeRefused = -32000

// wireError is an error of JSON-RPC 2.0, section 5.1. Data has the code of docs/errors.md.
type wireError struct {
	Code    int64          `json:"code"`
	Message string         `json:"message"`
	Data    map[string]any `json:"data,omitempty"`
}

type wireResponse struct {
	JSONRPC string    `json:"jsonrpc"`
	ID      any       `json:"id"`
	Error   wireError `json:"error"`
}

// encodeError returns a response with an error. id is the request's, or nil.
func encodeError(id any, code int64, message string, data map[string]any) []byte {
	text, _ := json.Marshal(wireResponse{"2.0", id, wireError{code, message, data}}) // strings, numbers and maps of them
	return text
}

// checkMessage refuses what is not a request or notification that this server answers, with a text that says what is wrong. The SDK's
// texts quote the request and Go.
func checkMessage(r *http.Request, message map[string]any) (status int, refusal []byte) {
	method, isRequest := message["method"].(string)
	id, hasID := message["id"]
	switch id.(type) {
	case string, int64:
	default:
		id = nil
	}
	_, hasParams := message["params"]
	params, isObject := message["params"].(map[string]any)
	arguments, hasArguments := params["arguments"]
	_, argumentsFit := arguments.(map[string]any)
	newer := r.Header.Get("Mcp-Protocol-Version") >= newerSince
	refuse := func(code int64, text string) (int, []byte) {
		return http.StatusBadRequest, encodeError(id, code, text, nil)
	}
	switch {
	case message["jsonrpc"] != "2.0":
		return refuse(jsonrpc.CodeInvalidRequest, `the message is not of JSON-RPC: "jsonrpc" is not "2.0"`)
	case !isRequest && message["method"] != nil:
		return refuse(jsonrpc.CodeInvalidRequest, `"method" is not a text`)
	case !isRequest: // a response to a request that this server never sends
		return http.StatusAccepted, []byte{}
	case hasID && id == nil:
		return refuse(jsonrpc.CodeInvalidRequest, `"id" is neither a text nor a whole number`)
	case !hasID && strings.HasPrefix(method, "notifications/"):
		return http.StatusAccepted, []byte{} // nothing is kept that a notification could change
	case !hasID:
		return refuse(jsonrpc.CodeInvalidRequest, `"id" is missing: only notifications have none`)
	case !methods[method]:
		status := http.StatusOK
		if newer {
			status = http.StatusNotFound
		}
		return status, encodeError(id, jsonrpc.CodeMethodNotFound, "this server does not have the method: it has tools/list and tools/call", nil)
	case hasParams && !isObject:
		return refuse(jsonrpc.CodeInvalidParams, `"params" is not an object`)
	case hasArguments && !argumentsFit && arguments != nil:
		return refuse(jsonrpc.CodeInvalidParams, `"arguments" is not an object`)
	case !accepts(r, "application/json"), !accepts(r, "text/event-stream"):
		return http.StatusNotAcceptable, encodeError(id, jsonrpc.CodeInvalidRequest, "accept application/json and text/event-stream", nil)
	}
	return 0, nil
}

// accepts reports whether a request accepts a media type.
func accepts(r *http.Request, media string) bool {
	kind, _, _ := strings.Cut(media, "/")
	for _, value := range r.Header["Accept"] {
		for part := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case media, kind + "/*", "*/*":
				return true
			}
		}
	}
	return false
}

// recorder is a http.ResponseWriter that keeps the response.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header                { return r.header }
func (r *recorder) WriteHeader(status int)             { r.status = status }
func (r *recorder) Write(text []byte) (n int, _ error) { return r.body.Write(text) }

// answer has the SDK answer a request.
func (h *Handler) answer(r *http.Request, current *call, body []byte) (status int, response []byte) {
	recorded := &recorder{header: http.Header{}, status: http.StatusOK}
	request := r.WithContext(context.WithValue(r.Context(), callKey{}, current))
	request.Body = io.NopCloser(bytes.NewReader(body))
	h.sdk.ServeHTTP(recorded, request)
	id, failed, whole := inspect(recorded.body.Bytes())
	switch {
	case recorded.status == http.StatusAccepted || whole && failed == nil:
		return recorded.status, recorded.body.Bytes()
	case !whole: // a text of net/http's
		return max(recorded.status, http.StatusBadRequest), encodeError(nil, jsonrpc.CodeInvalidRequest, textOf(jsonrpc.CodeInvalidRequest), nil)
	case current.own != nil:
		return recorded.status, encodeError(id, current.own.Code, current.own.Message, nil)
	}
	if failed.Code != sdk.CodeUnsupportedProtocolVersion {
		failed.Data = nil
	}
	return recorded.status, encodeError(id, failed.Code, textOf(failed.Code), failed.Data)
}

// inspect returns the id and the error of a response, and reports whether it is a response of JSON-RPC. The SDK writes
// id and error before a result, which is not read.
func inspect(response []byte) (id any, failed *wireError, whole bool) {
	decoder := jsontext.NewDecoder(bytes.NewReader(response))
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, nil, false
	}
	for decoder.PeekKind() == '"' {
		token, err := decoder.ReadToken()
		if err != nil {
			return nil, nil, false
		}
		name := token.String()
		switch name {
		case "result":
			return id, nil, true
		case "error":
			text, err := decoder.ReadValue()
			failed = new(wireError)
			return id, failed, err == nil && json.Unmarshal(text, failed) == nil
		}
		text, err := decoder.ReadValue()
		if err != nil {
			return nil, nil, false
		}
		if name == "id" {
			id = json.RawMessage(bytes.Clone(text))
		}
	}
	return nil, nil, false
}

// textOf returns what a client learns of an error of the SDK's.
func textOf(code int64) string {
	switch code {
	case jsonrpc.CodeMethodNotFound:
		return "this server does not have the method, or not in this version of the protocol"
	case jsonrpc.CodeInvalidParams:
		return "the params are not those of the method: in this version of the protocol they may need _meta"
	case jsonrpc.CodeInternalError:
		return "internal error"
	case sdk.CodeUnsupportedProtocolVersion:
		return "this server does not speak the version of the protocol"
	case sdk.CodeHeaderMismatch:
		return "the headers MCP-Protocol-Version, Mcp-Method and Mcp-Name are not those of the message"
	}
	return "the request is not one of the Model Context Protocol, or names a version that this server does not speak"
}

// refuse answers a request that the endpoint has refused before it was a message.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, status int, refusal *gqlerror.Error) {
	code := int64(codeRefused)
	switch status {
	case http.StatusBadRequest:
		code = jsonrpc.CodeParseError
	case http.StatusInternalServerError:
		code = jsonrpc.CodeInternalError
	}
	h.write(w, r, status, encodeError(nil, code, refusal.Message, h.data(r, refusal.Extensions["code"])))
}

// data is what an error says besides its text.
func (h *Handler) data(r *http.Request, code any) map[string]any {
	data := map[string]any{"code": code}
	if h.RequestID != nil {
		data["requestId"] = h.RequestID(r.Context())
	}
	return data
}

func (h *Handler) write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
