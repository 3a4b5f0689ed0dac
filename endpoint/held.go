package endpoint

import (
	"io"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// headerOverhead is the memory of a line of a header besides its text.
const headerOverhead = 64

// held counts the bytes that clients keep in memory: headers and bodies while the body arrives, messages on websockets until
// they are handled, answers until the client has taken them, and the documents and variables of subscriptions.
type held struct {
	limits *Limits

	mu        sync.Mutex
	all       int
	anonymous int // of all
	each      map[runner]int
	documents map[*document]int // how many subscriptions share one; it counts once in all
}

func newHeld(limits *Limits) *held {
	return &held{limits: limits, each: map[runner]int{}, documents: map[*document]int{}}
}

// errNoRoom says that there is no room for a request.
var errNoRoom = refusef(CodeUnavailable, "this server holds too many requests, answers or subscriptions, try again later")

// take counts bytes for a caller if there is room. One caller may have an eighth of all, and always a body and an answer;
// those who are not signed in leave half to the others.
func (h *held) take(who runner, bytes int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.takeLocked(who, bytes, bytes)
}

// takeLocked counts mine for the caller, and inAll for all.
func (h *held) takeLocked(who runner, mine, inAll int) bool {
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
func (h *held) share(who runner) int {
	bounds, most := &h.limits.SignedIn, h.limits.HeldBytes
	if who.user == uuid.Nil {
		bounds, most = &h.limits.Anonymous, h.limits.HeldBytes/2
	}
	return max(most/8, 2*bounds.BodyBytes+bounds.ResponseBytes)
}

// give takes back what was counted.
func (h *held) give(who runner, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(who, -bytes, -bytes)
}

func (h *held) add(who runner, mine, inAll int) {
	h.all += inAll
	if who.user == uuid.Nil {
		h.anonymous += inAll
	}
	if h.each[who] += mine; h.each[who] == 0 {
		delete(h.each, who)
	}
}

// subscribe counts the document and the variables of a subscription until release is called. Subscriptions to one document
// share it.
func (h *held) subscribe(who runner, document *document, variables map[string]any) (release func(), ok bool) {
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

// sizeOf is the memory of a value of a request, or somewhat more.
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
	who   runner
	bytes int
}

// begin counts the header of a request.
func (h *held) begin(r *http.Request) (*holding, *gqlerror.Error) {
	begun := &holding{held: h, who: runnerOf(r.Context())}
	size := 0
	for name, values := range r.Header {
		for _, value := range values {
			size += headerOverhead + 2*(len(name)+len(value)) // twice, as a body: net/http has read it into a buffer
		}
	}
	if !begun.grow(size) {
		return nil, errNoRoom
	}
	return begun, nil
}

// grow counts more bytes if there is room.
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

// release counts nothing of the request any longer.
func (h *holding) release() {
	h.held.give(h.who, h.bytes)
	h.bytes = 0
}

// heldBody is a body that is read only while there is room for it, twice: what is decoded is a copy.
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

// refuseBody answers a request that was not read.
func refuseBody(w http.ResponseWriter, r *http.Request, status int, refusal *gqlerror.Error) {
	setRetryAfter(w.Header(), gqlerror.List{refusal})
	refuse(w, r, status, refusal)
}
