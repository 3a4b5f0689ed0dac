package endpoint

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/database/rows"
	"usergraph/internal/rowjson"
)

// executor runs the operations of all transports. prepare parses and checks a request; run executes it with gqlgen's
// generated code. It replaces gqlgen's executor, whose extensions wrap every operation and response in functions.
// Those cost 4 % of the latency of a single request, and hid the order of the steps.
type executor struct {
	schema        graphql.ExecutableSchema
	documents     *documents
	limits        *Limits
	costs         costs
	inFlight      inFlight
	held          *held
	introspecting chan struct{} // a place for each operation with introspection that runs
	starting      inFlight      // operations on websockets that are prepared, refused, run or subscribed
	router        replicaRouter
	aroundFields  graphql.FieldMiddleware
	introspect    graphql.FieldMiddleware // aroundFields, for operations with introspection
	observer      Observer                // may be nil
	debug         *Debug                  // nil in production
	rows          *rowjson.Rows           // nil: gqlgen's generated code answers everything
	presenter     presenter
}

// operation is one operation of a request, from its document to its last response: what it is, and what holds for who
// sent it.
type operation struct {
	*graphql.OperationContext
	kind     ast.Operation
	document *document
	nulls    *nulls // nil if there are none, as almost always
	bounds   *Bounds
	quota    quotaKey
}

// maxIntrospecting bounds the operations with introspection that run at the same time. They wait for nothing else, so that
// more would not be quicker, and each has a goroutine for each type, field and argument.
const maxIntrospecting = 8

func passField(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) }

func passRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	return next(ctx)
}

// prepare returns the operation of a request, or the response to a request that is refused.
func (e *executor) prepare(ctx context.Context, params *graphql.RawParams) (operation, *graphql.Response) {
	return e.prepareDocument(ctx, nil, params)
}

// prepareDocument is prepare for a document that the program itself knows, unless it is nil.
func (e *executor) prepareDocument(ctx context.Context, known *document, params *graphql.RawParams) (operation, *graphql.Response) {
	op := operation{
		document: known,
		OperationContext: &graphql.OperationContext{
			OperationName:          params.OperationName,
			Extensions:             params.Extensions,
			Headers:                params.Headers,
			DisableIntrospection:   !e.documents.introspection.allows(ctx),
			RecoverFunc:            e.presenter.recovered,
			ResolverMiddleware:     e.aroundFields,
			RootResolverMiddleware: passRootField,
			Stats:                  graphql.Stats{OperationStart: graphql.Now()},
		},
		bounds: e.limits.of(ctx),
		quota:  quotaKeyOf(ctx),
	}
	if refusal := e.fill(ctx, &op, params); refusal != nil {
		return operation{}, e.refuse(ctx, refusal)
	}
	return op, nil
}

// fill sets the document, the operation and its variables. It refuses invalid and too expensive operations.
func (e *executor) fill(ctx context.Context, op *operation, params *graphql.RawParams) *gqlerror.Error {
	var refusal *gqlerror.Error
	if op.document == nil {
		if op.document, refusal = e.documents.resolve(ctx, params, op.bounds); refusal != nil {
			return refusal
		}
	}
	document := op.document
	op.RawQuery, op.Doc = document.text, document.parsed
	if document.stats.introspects {
		op.ResolverMiddleware = e.introspect
	}
	op.Operation = document.parsed.Operations.ForName(params.OperationName)
	if op.Operation == nil && params.OperationName == "" {
		return refusef(CodeValidationFailed, "the document has several operations: send operationName")
	} else if op.Operation == nil {
		return refusef(CodeValidationFailed, "operation %q not found", params.OperationName)
	}
	op.kind = op.Operation.Operation
	if len(op.Operation.VariableDefinitions) > 0 {
		coercer := coercer{schema: e.schema.Schema(), suggest: !op.DisableIntrospection}
		if op.Variables, refusal = coercer.variables(op.Operation, params.Variables); refusal != nil {
			return refusal
		}
	}
	if cost := e.costs.complexity(op.Operation, op.Variables); cost > op.bounds.Complexity {
		return refusef(CodeComplexityLimit, "the operation has a complexity of %d: at most %d is allowed", cost, op.bounds.Complexity)
	}
	op.nulls = findNulls(op.OperationContext, document.neverNull)
	if e.rows != nil && op.nulls == nil && !document.stats.introspects {
		if plan := document.plans.of(e.rows, document.parsed, op.OperationContext); plan != nil {
			op.ResolverMiddleware = plan.Middleware(e.aroundFields, op.bounds.ResponseBytes)
		}
	}
	// Validation counts two aliases of one field as one field.
	if op.kind == ast.Subscription && op.nulls == nil &&
		len(graphql.CollectFields(op.OperationContext, op.Operation.SelectionSet, nil)) != 1 {
		return at(op.Operation.Position, refusef(CodeValidationFailed, "a subscription has exactly one field"))
	}
	if op.kind == ast.Subscription {
		op.Extensions = nil // no longer needed, and a subscription would retain them
	}
	return nil
}

// refuse returns the response to a request that did not become an operation, and reports it to the observer.
func (e *executor) refuse(ctx context.Context, refusal *gqlerror.Error) *graphql.Response {
	response := e.fail(ctx, refusal)
	if e.observer != nil {
		e.observer.Refuse(ctx, errorCodes(response.Errors))
	}
	return response
}

// fail returns a response that has only an error.
func (e *executor) fail(ctx context.Context, err error) *graphql.Response {
	return &graphql.Response{Errors: gqlerror.List{e.presenter.present(ctx, err)}}
}

// run starts an operation as its caller. It returns a handler and the context to call it with. The handler returns one
// response for a query or a mutation, one per event for a subscription, and then nil.
func (e *executor) run(ctx context.Context, op operation) (graphql.ResponseHandler, context.Context) {
	if op.kind == ast.Subscription {
		release, ok := e.held.subscribe(op.quota, op.document, op.Variables)
		if !ok {
			refusal := *errNoRoom
			return graphql.OneShot(e.refuse(ctx, &refusal)), ctx
		}
		streamFrom(ctx).onClose(release)
	}
	ctx = graphql.WithOperationContext(ctx, op.OperationContext)
	if e.observer != nil {
		ctx = e.observer.Begin(ctx, describe(op.OperationContext))
	}
	if e.debug != nil {
		ctx = e.debug.begin(ctx)
	}
	ctx = withCaller(ctx, op.kind, e.router)
	if op.kind == ast.Subscription {
		return e.subscribe(ctx, op), ctx
	}
	asked := false
	return func(ctx context.Context) *graphql.Response {
		if asked {
			return nil
		}
		asked = true
		return e.execute(ctx, op)
	}, ctx
}

// execute runs a query or a mutation within its time limit. It refuses if the caller already runs as many operations
// as its bounds allow.
func (e *executor) execute(ctx context.Context, op operation) (response *graphql.Response) {
	if e.observer != nil {
		defer func(begun context.Context) {
			codes := []string{CodeInternal} // the code if execute panics
			if response != nil {
				codes = errorCodes(response.Errors)
			}
			e.observer.Answer(begun, codes)
			e.observer.End(begun)
		}(ctx)
	}
	if !e.inFlight.tryAcquire(op.quota, op.bounds.Operations) {
		return &graphql.Response{Errors: gqlerror.List{
			refusef(CodeOperationLimit, "you run %d operations already: wait for one to end", op.bounds.Operations),
		}}
	}
	defer e.inFlight.release(op.quota)
	ctx, cancel := withTimeout(ctx, op.bounds.Time)
	defer cancel()
	if op.document.stats.introspects {
		select {
		case e.introspecting <- struct{}{}:
			defer func() { <-e.introspecting }()
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil { // the time limit has passed already
		return &graphql.Response{Errors: gqlerror.List{refusef(CodeTimeout, "this took too long")}}
	}
	if op.nulls != nil {
		if errs := op.nulls.rootErrors(op.OperationContext, op.kind == ast.Mutation); errs != nil {
			return &graphql.Response{Data: []byte("null"), Errors: capErrors(errs, op.bounds.Errors)}
		}
	}
	response = e.answer(ctx, op.bounds, e.schema.Exec(ctx))
	e.router.recordWrite(ctx, op.kind)
	return response
}

// subscribe starts a subscription.
func (e *executor) subscribe(ctx context.Context, op operation) graphql.ResponseHandler {
	end := func() {}
	if e.observer != nil {
		end = sync.OnceFunc(func() { e.observer.End(ctx) })
		// A transport stops calling the handler when its client disconnects.
		context.AfterFunc(ctx, end)
	}
	var failures gqlerror.List
	if op.nulls != nil {
		failures = op.nulls.rootErrors(op.OperationContext, true)
	}
	var events graphql.ResponseHandler
	if failures == nil {
		starting := e.withErrors(ctx)
		events = e.schema.Exec(starting)
		failures = graphql.GetErrors(starting)
	}
	if failures != nil {
		events = graphql.OneShot(&graphql.Response{Errors: failures})
	}
	return func(ctx context.Context) *graphql.Response {
		if ctx.Err() != nil && failures == nil {
			end()
			return nil
		}
		response := e.answerEvent(ctx, op.bounds, events)
		if response == nil {
			end()
		} else if e.observer != nil {
			e.observer.Answer(ctx, errorCodes(response.Errors))
		}
		return response
	}
}

// answerEvent returns the next response of a subscription. The fields of a watched state have the time limit of an
// operation: a field that has no value by then is null, with a TIMEOUT, and the subscription goes on.
func (e *executor) answerEvent(ctx context.Context, bounds *Bounds, next graphql.ResponseHandler) *graphql.Response {
	if !streamFrom(ctx).latestOnly {
		return e.answer(ctx, bounds, next) // the time until an event arrives is part of it
	}
	for {
		limited, cancel := withTimeout(ctx, bounds.Time)
		response := e.answer(limited, bounds, next)
		noState := response == nil && limited.Err() != nil && ctx.Err() == nil
		cancel()
		if !noState {
			return response
		}
	}
}

// answer returns the next response of gqlgen's code with the errors of its resolvers, and nil after the last.
func (e *executor) answer(ctx context.Context, bounds *Bounds, next graphql.ResponseHandler) *graphql.Response {
	ctx = rows.WithGroups(e.withErrors(ctx))
	response := next(ctx)
	if response == nil {
		return nil
	}
	if errs := graphql.GetErrors(ctx); len(errs) > 0 {
		response.Errors = capErrors(inOrder(append(response.Errors, errs...)), bounds.Errors)
	}
	if len(response.Data) > bounds.ResponseBytes {
		response.Data, response.Errors = json.RawMessage("null"), gqlerror.List{tooLarge(bounds)}
	}
	response.Extensions = graphql.GetExtensions(ctx)
	if e.debug != nil {
		e.debug.annotate(ctx, response)
	}
	return response
}

// withErrors adds a response context to ctx. Resolvers add errors and extensions to it.
func (e *executor) withErrors(ctx context.Context) context.Context {
	return graphql.WithResponseContext(ctx, e.presenter.present, graphql.GetOperationContext(ctx).RecoverFunc)
}
