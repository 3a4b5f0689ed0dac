// Package endpoint answers one question: how is an operation received, bounded, run and answered?
//
// The invariant: an operation runs only with its caller's limits, and its SQL only as its caller. A transport decodes a
// request, the executor resolves its document and checks it against the caller's Bounds, takes a slot of the caller's
// quota, and runs the resolvers with the Caller in their context. What a client can make the server keep has a bound.
//
//	handler.go               Options, NewHandler, the choice of a transport
//	engine.go caller.go      what resolvers and a team's routes use: Engine, Caller, Load
//
// Transports:
//
//	transport.go             POST, GET and batches over HTTP
//	sse.go                   server-sent events
//	eventstream.go           server-sent events of a team's own route
//	websocket.go             graphql-transport-ws: a socket and its messages
//	websocket_operation.go   an operation on a socket
//	websocket_queue.go       the frames that a socket has yet to write
//	frames.go                the frames of RFC 6455
//	request.go response.go   JSON of requests and responses
//	media.go                 content negotiation
//	crosssite.go origins.go  CORS and cross-site requests
//
// Documents and limits:
//
//	documents.go trusted.go  from a request to a document: caches, persisted queries, validation
//	shape.go complexity.go   the size and the cost of a document
//	coerce.go literals.go    variables and literals, with the errors of graphql-js
//	nulls.go                 null variables in non-null positions
//	limits.go                Limits and Bounds
//	running.go held.go       quotas of a caller: concurrent operations, bytes in memory
//
// Execution:
//
//	executor.go              the steps of an operation
//	deadline.go lag.go       its time limit; its reads from a replica
//	directives.go access.go sdl.go  access directives and the check of a schema's directives
//	introspection.go uuid.go errors.go observe.go debug.go  what results, errors and observers see
//
// Subscriptions: live.go watches rows, live_stream.go joins a resolver and a transport, live_connections.go counts
// connections, live_sessions.go ends those of a session that has ended.
package endpoint
