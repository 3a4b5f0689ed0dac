package mcp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"usergraph/auth"
)

// The SDK answers whatever the protocol has. For each request it makes a session, goroutines and a dozen decoders: 6 times
// the CPU of the operation for the call of a tool, 26 times for a list of 200 tools. So a request of tools that is as it
// should be is answered here, as the SDK would have (TestPlainAnswersAreTheSDKs), and any other by the SDK.

// answerPlain returns the response to tools/list or tools/call. ok is false for what the SDK has to look at: another
// method, a version that it does not speak, headers or _meta that do not belong to the message, an unknown tool.
func (h *Handler) answerPlain(r *http.Request, current *call, message map[string]any) (response []byte, ok bool) {
	method, _ := message["method"].(string)
	params, _ := message["params"].(map[string]any)
	name, _ := params["name"].(string)
	newer, ok := isPlain(r.Header, method, name, params)
	if !ok {
		return nil, false
	}
	switch {
	case method == "tools/list" && params["cursor"] == nil:
		response = append(h.tools.appendList(h.begin(message["id"], newer), current.claims), '}')
	case method == "tools/call" && h.tools.byName[name] != nil:
		result := h.tools.run(r.Context(), h.tools.byName[name], current)
		response = append(result.append(h.begin(message["id"], newer)), '}')
	default:
		return nil, false
	}
	return response, true
}

// isPlain reports whether a request has a version that is spoken here, with the headers and members that this version
// demands, and whether that is one of the newer ones, which have no sessions.
func isPlain(header http.Header, method, name string, params map[string]any) (newer, ok bool) {
	version := header.Get("Mcp-Protocol-Version")
	meta, _ := params["_meta"].(map[string]any)
	said, says := meta[sdk.MetaKeyProtocolVersion]
	if version < newerSince {
		return false, !says && (version == "" || slices.Contains(versions, version))
	}
	_, capable := meta[sdk.MetaKeyClientCapabilities].(map[string]any)
	client, named := meta[sdk.MetaKeyClientInfo]
	_, isObject := client.(map[string]any)
	return true, slices.Contains(versions, version) && said == version && capable && (!named || isObject) &&
		header.Get("Mcp-Method") == method && (method != "tools/call" || header.Get("Mcp-Name") == name)
}

var versions = sdk.SupportedProtocolVersions()

// begin returns the beginning of a response, up to the members of its result.
func (h *Handler) begin(id any, newer bool) []byte {
	text, _ := json.Marshal(id) // a text or a whole number
	text = append(append([]byte(`{"jsonrpc":"2.0","id":`), text...), `,"result":{`...)
	if newer {
		text = append(append(append(text, `"resultType":"complete","_meta":`...), h.meta...), ',')
	}
	return text
}

// appendList appends the members of the list of tools that a caller may use.
func (t *tools) appendList(text []byte, claims *auth.Claims) []byte {
	text = append(slices.Grow(text, t.bytes), `"ttlMs":0,"cacheScope":"private","tools":[`...)
	first := true
	for _, tool := range t.all {
		if tool.restricted && !tool.Allows(claims) {
			continue
		}
		if !first {
			text = append(text, ',')
		}
		first = false
		text = append(text, tool.encoded...)
	}
	return append(text, `]}`...)
}

// append appends the members of the result of a call.
func (r *result) append(text []byte) []byte {
	text = append(text, `"content":[`...)
	for i, part := range r.texts {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, `{"type":"text","text":`...), encodeJSON(part)...), '}')
	}
	text = append(text, ']')
	if r.data == nil {
		return append(text, `,"isError":true}`...)
	}
	return append(append(append(text, `,"structuredContent":`...), r.data...), '}')
}

// encodeJSON encodes a value without the escapes of HTML. Values of this package are JSON.
func encodeJSON(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}
