package endpoint

import (
	"io"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// headerOverhead is the memory of a header line besides its text, in bytes.
const headerOverhead = 64

// held counts the bytes that clients keep in memory: headers and bodies while the body arrives, messages on websockets until
// they are handled, answers until the client has taken them, and the documents and variables of subscriptions.
type held struct {
	limits *Limits

	mu        sync.Mutex
	all       int
	anonymous int // of all
	each      map[quotaKey]int
	documents map[*document]int // the subscriptions to each document; a document counts once in all
}

func newHeld(limits *Limits) *held {
	return &held{limits: limits, each: map[quotaKey]int{}, documents: map[*document]int{}}
}

// errNoRoom means that HeldBytes, or the share of the caller, is exhausted.
var errNoRoom = refusef(CodeUnavailable, "this server holds too many requests, answers or subscriptions, try again later")

// take counts bytes for a caller, and reports whether there was room. A caller may have an eighth of HeldBytes, and
// always a body and a response. Anonymous callers together may have half of HeldBytes, and one of them an eighth of
// that.
func (h *held) take(who quotaKey, bytes int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.takeLocked(who, bytes, bytes)
}

// takeLocked counts mine for the caller and inAll for the total.
func (h *held) takeLocked(who quotaKey, mine, inAll int) bool {
	if who.user == uuid.Nil && h.anonymous+inAll > h.limits.HeldBytes/2 {
		return false
	}
	if h.all+inAll > h.limits.HeldBytes || h.each[who]+mine > h.share(who) {
		return false
	}
	h.add(who, mine, inAll)
	return true
}

// share is what one caller may have.
func (h *held) share(who quotaKey) int {
	bounds, most := &h.limits.SignedIn, h.limits.HeldBytes
	if who.user == uuid.Nil {
		bounds, most = &h.limits.Anonymous, h.limits.HeldBytes/2
	}
	return max(most/8, 2*bounds.BodyBytes+bounds.ResponseBytes)
}

// give takes back what was counted.
func (h *held) give(who quotaKey, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(who, -bytes, -bytes)
}

func (h *held) add(who quotaKey, mine, inAll int) {
	h.all += inAll
	if who.user == uuid.Nil {
		h.anonymous += inAll
	}
	if h.each[who] += mine; h.each[who] == 0 {
		delete(h.each, who)
	}
}

// subscribe counts the document and the variables of a subscription until release is called. Subscriptions to the same
// document share it.
func (h *held) subscribe(who quotaKey, document *document, variables map[string]any) (release func(), ok bool) {
	size := sizeOf(variables)
	mine, inAll := size+document.weight(), size
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.documents[document] == 0 {
		inAll = mine
	}
	if !h.takeLocked(who, mine, inAll) {
		return nil, false
	}
	h.documents[document]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		inAll := size
		if h.documents[document]--; h.documents[document] == 0 {
			delete(h.documents, document)
			inAll = mine
		}
		h.add(who, -mine, -inAll)
	}, true
}

// sizeOf estimates the memory of a value of a request, rounded up.
func sizeOf(value any) int {
	const each = 64
	size := each
	switch v := value.(type) {
	case string:
		size += len(v)
	case []any:
		for _, item := range v {
			size += sizeOf(item)
		}
	case map[string]any:
		for name, member := range v {
			size += each + len(name) + sizeOf(member)
		}
	}
	return size
}

// holding is what one request holds, or one message of a websocket.
type holding struct {
	held  *held
	who   quotaKey
	bytes int
}

// begin counts the headers of a request.
func (h *held) begin(r *http.Request) (*holding, *gqlerror.Error) {
	begun := &holding{held: h, who: quotaKeyOf(r.Context())}
	size := 0
	for name, values := range r.Header {
		for _, value := range values {
			size += headerOverhead + 2*(len(name)+len(value)) // twice: net/http has a buffer with a copy
		}
	}
	if !begun.grow(size) {
		return nil, errNoRoom
	}
	return begun, nil
}

// grow counts more bytes, and reports whether there was room.
func (h *holding) grow(bytes int) bool {
	if !h.held.take(h.who, bytes) {
		return false
	}
	h.bytes += bytes
	return true
}

// resize counts so many bytes instead of those that are counted, if there is room. More than its caller's share counts as the
// share: that is taken where the caller has nothing else.
func (h *holding) resize(bytes int) bool {
	more := min(bytes, h.held.share(h.who)) - h.bytes
	if more <= 0 {
		h.insist(more)
		return true
	}
	return h.grow(more)
}

// insist counts more bytes, whether there is room or not.
func (h *holding) insist(bytes int) {
	h.held.give(h.who, -bytes)
	h.bytes += bytes
}

// release returns all bytes of the request.
func (h *holding) release() {
	h.held.give(h.who, h.bytes)
	h.bytes = 0
}

// heldBody counts a body twice while it is read: decoding copies it. A read fails with errNoRoom if there is no room.
type heldBody struct {
	io.Reader
	holding *holding
}

func (b *heldBody) Read(into []byte) (int, error) {
	read, err := b.Reader.Read(into)
	if read > 0 && !b.holding.grow(2*read) {
		return read, errNoRoom
	}
	return read, err
}

// refuseBody answers a request whose body was not read.
func refuseBody(w http.ResponseWriter, r *http.Request, status int, refusal *gqlerror.Error) {
	setRetryAfter(w.Header(), gqlerror.List{refusal})
	refuse(w, r, status, refusal)
}
