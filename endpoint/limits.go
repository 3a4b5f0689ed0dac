package endpoint

import (
	"context"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
)

// Limits bound the cost of requests. docs/security.md gives the reason for each number.
type Limits struct {
	SignedIn  Bounds
	Anonymous Bounds

	Connections int           // websockets and event streams at the same time; anonymous callers get half of them
	HeldBytes   int           // of requests, messages, answers and subscriptions in memory; anonymous callers get half, a caller an eighth
	InitTime    time.Duration // that a websocket may be open before connection_init
}

// Bounds are the limits of one kind of caller. Each limit has its own error code. Cheap checks come first.
type Bounds struct {
	BodyBytes  int // of a request body, and of the query string of a GET
	Operations int // concurrent operations of one caller
	Batch      int // requests in one JSON array; 0 disables batches

	JSONDepth int // nested arrays and objects in a request
	Values    int // values in a request's variables and extensions
	ListSize  int // items of one list in the variables

	DocumentBytes      int // of a document
	Tokens             int // of a document
	Depth              int // nested fields, outside introspection
	IntrospectionDepth int // nested lists within __schema and __type
	RootFields         int // of an operation, fragments expanded
	Fields             int // of an operation, fragments expanded
	Aliases            int // in a document
	Directives         int // in a document
	Spreads            int // fragment spreads in a document
	Complexity         int // cost of an operation, see @cost and @listSize

	Connections      int // open websockets and event streams of one caller
	SocketOperations int // concurrent operations of one websocket
	MessageBytes     int // of a message on a websocket, after connection_init

	Time          time.Duration // of an operation
	Errors        int           // errors in one response
	ResponseBytes int           // of the data of a response, and of all responses to a batch
}

// DefaultLimits returns the default limits. GraphiQL's introspection query has some 400 tokens and is the largest
// document of an ordinary client: it stays within the limits of anonymous callers.
func DefaultLimits() Limits {
	return Limits{
		SignedIn: Bounds{
			BodyBytes: 1 << 20, Operations: 100, Batch: 0,
			JSONDepth: 16, Values: 10_000, ListSize: 1_000,
			DocumentBytes: 128 << 10, Tokens: 1_000, Depth: 12, IntrospectionDepth: 3, RootFields: 20, Fields: 500,
			Aliases: 30, Directives: 30, Spreads: 50, Complexity: 1_000,
			Connections: 100, SocketOperations: 100, MessageBytes: 256 << 10,
			Time: 15 * time.Second, Errors: 50, ResponseBytes: 8 << 20,
		},
		Anonymous: Bounds{
			BodyBytes: 64 << 10, Operations: 50, Batch: 0,
			JSONDepth: 8, Values: 1_000, ListSize: 100,
			DocumentBytes: 32 << 10, Tokens: 600, Depth: 8, IntrospectionDepth: 3, RootFields: 10, Fields: 400,
			Aliases: 15, Directives: 15, Spreads: 30, Complexity: 1_000,
			Connections: 10_000, SocketOperations: 100, MessageBytes: 64 << 10,
			Time: 5 * time.Second, Errors: 10, ResponseBytes: 1 << 20,
		},
		Connections: 20_000, HeldBytes: 64 << 20, InitTime: 5 * time.Second,
	}
}

// of returns the bounds of the caller of ctx.
func (l *Limits) of(ctx context.Context) *Bounds {
	if _, ok := auth.FromContext(ctx); ok {
		return &l.SignedIn
	}
	return &l.Anonymous
}

// tooLarge returns the error for a response with more than ResponseBytes.
func tooLarge(bounds *Bounds) *gqlerror.Error {
	return refusef(CodeResponseLimit, "the answer is too large: at most %d bytes are allowed, ask for less at a time", bounds.ResponseBytes)
}
