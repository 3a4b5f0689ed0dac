package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"usergraph/auth"
)

// operations is what holds for every operation that is about to run, whatever brought it: who it acts as, how much it
// may cost, how long it may take, and how many the same caller may run at once. It is a gqlgen extension.
type operations struct {
	limits        *Limits
	introspection Introspection
	costs         costs
	running       running
	lag           lag
}

func (*operations) ExtensionName() string { return "Operations" }

func (*operations) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext refuses what costs too much with these variables.
func (o *operations) MutateOperationContext(ctx context.Context, opCtx *graphql.OperationContext) *gqlerror.Error {
	opCtx.DisableIntrospection = !o.introspection.allows(ctx)
	most := o.limits.of(ctx).Complexity
	if cost := o.costs.complexity(opCtx.Operation, opCtx.Variables); cost > most {
		return refusef(CodeComplexityLimit, "the operation has a complexity of %d: at most %d is allowed", cost, most)
	}
	return nil
}

// InterceptOperation gives an operation its caller and, unless it is a subscription, its time and its turn.
func (o *operations) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	kind := graphql.GetOperationContext(ctx).Operation.Operation
	bounds := o.limits.of(ctx)
	ctx = withCaller(ctx, kind, o.lag)
	if kind == ast.Subscription {
		return next(ctx)
	}
	who := runnerOf(ctx)
	if !o.running.enter(who, bounds.Operations) {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{
			refusef(CodeOperationLimit, "you run %d operations already: wait for one to end", bounds.Operations),
		}})
	}
	ctx, cancel := withTimeout(ctx, bounds.Time)
	handler := next(ctx)
	asked := false
	return func(ctx context.Context) *graphql.Response {
		if asked {
			return nil
		}
		asked = true
		defer o.running.leave(who)
		defer cancel()
		response := handler(ctx)
		o.lag.note(ctx, kind)
		if response == nil { // its time was over before it began
			return &graphql.Response{Errors: gqlerror.List{refusef(CodeTimeout, "this took too long")}}
		}
		return response
	}
}

// InterceptResponse cuts the errors of a response.
func (o *operations) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response != nil {
		response.Errors = capErrors(response.Errors, o.limits.of(ctx).Errors)
	}
	return response
}

// runner is who takes a turn: a user, or an address from which anonymous callers come.
type runner struct {
	user    uuid.UUID
	address string
}

func runnerOf(ctx context.Context) runner {
	if claims, ok := auth.FromContext(ctx); ok {
		return runner{user: claims.UserID}
	}
	address, _ := ctx.Value(addressKey{}).(string)
	return runner{address: address}
}

// addressKey is where the address of an anonymous caller is.
type addressKey struct{}

// running counts the operations of each caller.
type running struct {
	mu    sync.Mutex
	count map[runner]int
}

// enter takes a turn unless as many as atMost are taken.
func (r *running) enter(who runner, atMost int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count[who] >= atMost {
		return false
	}
	if r.count == nil {
		r.count = map[runner]int{}
	}
	r.count[who]++
	return true
}

// leave gives a turn back.
func (r *running) leave(who runner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count[who]--; r.count[who] == 0 {
		delete(r.count, who)
	}
}
