package endpoint

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Exchange is another protocol than GraphQL over HTTP whose requests and responses are JSON objects, such as JSON-RPC.
type Exchange struct {
	// Refuse answers a request that is not a JSON object within the bounds. Headers such as Retry-After are set already.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, err *gqlerror.Error)
	// Answer returns the status and the body of the response. message is the body decoded, with the types of
	// encoding/json, but for whole numbers, which are int64. body is valid until Answer returns. repeatable reports
	// whether the client may send the request again.
	Answer func(r *http.Request, message map[string]any, body []byte) (status int, response []byte, repeatable bool)
}

// Serve receives one JSON object by POST and sends the answer, with the rules and bounds of requests to /graphql: media
// type, strict JSON, bytes of the body and of all that clients make the server keep, panics. Arrays are refused.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, exchange Exchange) {
	defer func() {
		if refusal := h.panicked(r, recover()); refusal != nil {
			exchange.Refuse(w, r, http.StatusInternalServerError, refusal)
		}
	}()
	refuse := func(status int, refusal *gqlerror.Error) {
		setRetryAfter(w.Header(), gqlerror.List{refusal})
		exchange.Refuse(w, r, status, refusal)
	}
	if status, refusal := checkJSON(w, r); refusal != nil {
		refuse(status, refusal)
		return
	}
	holding, refusal := h.exec.held.begin(r)
	if refusal != nil {
		refuse(http.StatusServiceUnavailable, refusal)
		return
	}
	defer holding.release()
	bounds := h.exec.limits.of(r.Context())
	buffer := bodies.Get().(*bytes.Buffer)
	defer putBody(buffer)
	if refusal, status := readBody(buffer, w, r, bounds.BodyBytes, holding); refusal != nil {
		refuse(status, refusal)
		return
	}
	message, refusal := decodeMessage(buffer.Bytes(), bounds)
	if refusal != nil {
		refuse(http.StatusBadRequest, refusal)
		return
	}
	status, response, repeatable := exchange.Answer(r, message, buffer.Bytes())
	(&responseWriter{body: response}).send(w, r, mediaJSON, status, holding, repeatable)
}

// Decode reads one JSON object of at most so many values and levels as a body of the caller of ctx, with the types of
// Exchange.Answer.
func (h *Handler) Decode(ctx context.Context, object []byte) (map[string]any, error) {
	message, refusal := decodeMessage(object, h.exec.limits.of(ctx))
	if refusal != nil {
		return nil, refusal
	}
	return message, nil
}

// checkJSON refuses a request that is not JSON, sent by POST.
func checkJSON(w http.ResponseWriter, r *http.Request) (int, *gqlerror.Error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, refusef(CodeBadRequest, "send POST")
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return http.StatusUnsupportedMediaType, refusef(CodeBadRequest, "send JSON in UTF-8: Content-Type: application/json")
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return http.StatusUnsupportedMediaType, refusef(CodeBadRequest, "send the body as it is, not compressed")
	}
	return 0, nil
}

// decodeMessage reads one JSON object.
func decodeMessage(body []byte, bounds *Bounds) (map[string]any, *gqlerror.Error) {
	r := newRequestReader(body, bounds)
	defer r.release()
	switch r.json.PeekKind() {
	case '{':
	case '[':
		return nil, refusef(CodeBatchLimit, "send one message, not an array: this server takes no batches")
	default:
		return nil, errMalformed
	}
	value, refusal := r.value()
	if refusal == nil {
		refusal = r.end()
	}
	message, _ := value.(map[string]any)
	return message, refusal
}
