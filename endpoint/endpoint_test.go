package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/database/rows"
	. "usergraph/endpoint"
	"usergraph/internal/testapi"
	"usergraph/internal/testapi/generated"
	"usergraph/internal/testapi/models"
)

// scripted has a resolver of the real schema that does what a test says, so that faults happen when they are wanted.
type scripted struct {
	generated.ResolverRoot // nil: tests ask for no other type
	me                     func(context.Context) (*models.User, error)
}

type scriptedQuery struct {
	generated.QueryResolver
	scripted
}

type scriptedMutation struct {
	generated.MutationResolver
	scripted
}

type scriptedUser struct{ generated.UserResolver }

func (scriptedUser) Email(context.Context, *models.User) (*string, error) { return nil, nil }

func (s scripted) Query() generated.QueryResolver                    { return scriptedQuery{scripted: s} }
func (s scripted) Mutation() generated.MutationResolver              { return scriptedMutation{scripted: s} }
func (s scripted) User() generated.UserResolver                      { return scriptedUser{} }
func (s scripted) Subscription() generated.SubscriptionResolver      { return nil }
func (s scriptedQuery) Me(ctx context.Context) (*models.User, error) { return s.me(ctx) }
func (s scriptedMutation) UpdateMe(ctx context.Context, _ generated.UpdateMeInput) (*models.User, error) {
	return s.me(ctx)
}

var signedIn = &auth.Claims{UserID: uuid.MustParse("a0000000-0000-4000-8000-000000000001"), Role: "authenticated", Payload: []byte(`{}`)}

func newScripted(t *testing.T, me func(context.Context) (*models.User, error), changes ...func(*Options)) *Handler {
	t.Helper()
	options := Options{Log: slog.New(slog.DiscardHandler), Schema: func(*Engine) graphql.ExecutableSchema { return testapi.With(scripted{me: me}) }}
	for _, change := range changes {
		change(&options)
	}
	e, err := NewHandler(options)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const askMe = `{"query":"{ me { id } }"}`

func TestErrorsOfResolvers(t *testing.T) {
	for _, test := range []struct {
		err        error
		code       string
		retryAfter string
	}{
		{rows.ErrNotFound, CodeNotFound, ""},
		{database.ErrConflict, CodeConflict, ""},
		{database.ErrInvalid, CodeBadUserInput, ""},
		{database.ErrForbidden, CodeForbidden, ""},
		{database.ErrTimeout, CodeTimeout, ""},
		{database.ErrUnavailable, CodeUnavailable, "5"},
		{context.DeadlineExceeded, CodeTimeout, ""},
		{Errorf(CodeBadUserInput, "too long"), CodeBadUserInput, ""},
		{errors.New(`pq: password "hunter2"`), CodeInternal, ""},
	} {
		var log bytes.Buffer
		e := newScripted(t, func(context.Context) (*models.User, error) {
			return nil, fmt.Errorf("models: select hunter2: %w", test.err)
		}, func(o *Options) {
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			o.RequestID = func(context.Context) string { return "request-7" }
		})
		answer := e.Ask(signedIn, askMe)
		body := answer.Body.String()
		if answer.Code != 200 || !strings.Contains(body, `"code":"`+test.code+`"`) || !strings.Contains(body, `"data":{"me":null}`) || strings.Contains(body, "hunter2") {
			t.Errorf("%v: %d %s", test.err, answer.Code, body)
		}
		internal := test.code == CodeInternal
		if strings.Contains(body, "request-7") != internal || strings.Contains(log.String(), "hunter2") != internal {
			t.Errorf("%v: told %s, logged %s", test.err, body, log.String())
		}
		if got := answer.Header().Get("Retry-After"); got != test.retryAfter {
			t.Errorf("%v: Retry-After %q", test.err, got)
		}
	}
}

func TestPanics(t *testing.T) {
	var log bytes.Buffer
	e := newScripted(t, func(context.Context) (*models.User, error) { panic("hunter2") }, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.RequestID = func(context.Context) string { return "request-7" }
	})
	answer := e.Ask(signedIn, askMe)
	if body := answer.Body.String(); answer.Code != 200 || strings.Contains(body, "hunter2") || !strings.Contains(body, `"code":"INTERNAL_SERVER_ERROR","requestId":"request-7"`) {
		t.Errorf("%d %s", answer.Code, body)
	}
	if !strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), "endpoint_test.go") {
		t.Errorf("logged without a stack: %s", log.String())
	}
	// Outside of resolvers too.
	e.BreakSchema()
	if answer := e.Ask(signedIn, askMe); answer.Code != 500 || !strings.Contains(answer.Body.String(), CodeInternal) {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// heard is an Observer that writes down what it hears.
type heard []string

func (h *heard) Begin(ctx context.Context, o Operation) context.Context {
	*h = append(*h, "begin "+o.Kind+" "+o.Field+" "+o.Name)
	return context.WithValue(ctx, h, "begun")
}
func (h *heard) Answer(ctx context.Context, codes []string) {
	*h = append(*h, fmt.Sprint("answer ", codes, ctx.Value(h)))
}
func (h *heard) End(ctx context.Context) { *h = append(*h, fmt.Sprint("end ", ctx.Value(h))) }
func (h *heard) Refuse(_ context.Context, codes []string) {
	*h = append(*h, fmt.Sprint("refuse ", codes))
}

func TestObserver(t *testing.T) {
	var heard heard
	limits := DefaultLimits()
	limits.Anonymous.Operations = 0
	e := newScripted(t, func(context.Context) (*models.User, error) { return nil, rows.ErrNotFound }, func(o *Options) {
		o.Observer, o.Limits = &heard, &limits
	})
	for _, test := range []struct {
		claims *auth.Claims
		body   string
		want   string
	}{
		{signedIn, `{"query":"query Q { __typename }"}`, "begin query __typename Q; answer []begun; end begun"},
		{signedIn, `{"query":"{ me { id } __typename }"}`, "begin query several ; answer [NOT_FOUND]begun; end begun"},
		{signedIn, `{"query":"{"}`, "refuse [GRAPHQL_PARSE_FAILED]"},
		{signedIn, `{"query":"{ __typename }","operationName":"Q"}`, "refuse [GRAPHQL_VALIDATION_FAILED]"},
		{nil, askMe, "begin query me ; answer [OPERATION_LIMIT_EXCEEDED]begun; end begun"},
	} {
		heard = nil
		e.Ask(test.claims, test.body)
		if got := strings.Join(heard, "; "); got != test.want {
			t.Errorf("%s: heard %s, want %s", test.body, got, test.want)
		}
	}
	heard = nil
	e.BreakSchema() // a panic outside of resolvers
	e.Ask(signedIn, askMe)
	if got, want := strings.Join(heard, "; "), "begin query me ; answer [INTERNAL_SERVER_ERROR]begun; end begun"; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

func TestErrorsAreCapped(t *testing.T) {
	var aliases strings.Builder
	for i := range 10 {
		fmt.Fprintf(&aliases, "a%d: me { id } ", i)
	}
	limits := DefaultLimits()
	limits.SignedIn.Errors = 4
	e := newScripted(t, func(context.Context) (*models.User, error) { return nil, rows.ErrNotFound }, func(o *Options) { o.Limits = &limits })
	body := e.Ask(signedIn, `{"query":"{`+aliases.String()+`}"}`).Body.String()
	if strings.Count(body, CodeNotFound) != 4 || !strings.Contains(body, `{"message":"6 more errors are not told","extensions":{"code":"ERROR_LIMIT_EXCEEDED"}}`) {
		t.Error(body)
	}
}

func TestOperationsHaveTheirTime(t *testing.T) {
	limits := DefaultLimits()
	limits.SignedIn.Time = 10 * time.Millisecond
	e := newScripted(t, func(ctx context.Context) (*models.User, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, func(o *Options) { o.Limits = &limits })
	if body := e.Ask(signedIn, askMe).Body.String(); !strings.Contains(body, CodeTimeout) {
		t.Error(body)
	}
}

// A caller runs so many operations at once, and no more; others do not notice.
func TestOperationsAtOnce(t *testing.T) {
	limits := DefaultLimits()
	limits.SignedIn.Operations = 3
	arrived, leave := make(chan struct{}), make(chan struct{})
	e := newScripted(t, func(context.Context) (*models.User, error) {
		arrived <- struct{}{}
		<-leave
		return nil, nil
	}, func(o *Options) { o.Limits = &limits })
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			if answer := e.Ask(signedIn, askMe); answer.Code != 200 {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
		<-arrived
	}
	refused := e.Ask(signedIn, askMe)
	if refused.Code != http.StatusTooManyRequests || refused.Header().Get("Retry-After") == "" || !strings.Contains(refused.Body.String(), CodeOperationLimit) {
		t.Errorf("the fourth: %d %s", refused.Code, refused.Body)
	}
	other := *signedIn
	other.UserID = uuid.MustParse("b0000000-0000-4000-8000-000000000002")
	running.Go(func() {
		if answer := e.Ask(&other, askMe); answer.Code != 200 {
			t.Errorf("somebody else: %d %s", answer.Code, answer.Body)
		}
	})
	<-arrived
	if answer := e.Ask(nil, `{"query":"{ __typename }"}`); answer.Code != 200 {
		t.Errorf("nobody: %d %s", answer.Code, answer.Body)
	}
	close(leave)
	running.Wait()
	go func() { <-arrived }()
	if answer := e.Ask(signedIn, askMe); answer.Code != 200 {
		t.Errorf("afterwards: %d %s", answer.Code, answer.Body)
	}
}

// Addresses of one IPv6 network of 64 bits share LIMIT_OPERATIONS.
func TestOperationsOfNetwork(t *testing.T) {
	limits := DefaultLimits()
	limits.Anonymous.Operations = 1
	e := newScripted(t, nil, func(o *Options) { o.Limits = &limits })
	for _, busy := range []string{"2001:db8:0:1::", "192.0.2.1"} {
		e.Enter(busy)
	}
	for remote, want := range map[string]int{
		"[2001:db8:0:1::7]:1": 429, "[2001:db8:0:1:2:3:4:5]:9": 429, "[2001:db8:0:2::7]:1": 200,
		"192.0.2.1:1": 429, "[::ffff:192.0.2.1]:1": 429, "192.0.2.2:1": 200,
	} {
		request := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ __typename }"}`))
		request.Header.Set("Content-Type", "application/json")
		request.RemoteAddr = remote
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, request)
		if answer.Code != want {
			t.Errorf("%s: %d %s", remote, answer.Code, answer.Body)
		}
	}
}

// A directive without an implementation stops the start: each of its fields would fail otherwise.
func TestDirectiveWithoutImplementation(t *testing.T) {
	_, err := NewHandler(Options{Log: slog.New(slog.DiscardHandler), Schema: func(*Engine) graphql.ExecutableSchema {
		return generated.NewExecutableSchema(generated.Config{Resolvers: scripted{}, Directives: generated.DirectiveRoot{Authenticated: Authenticated, Requires: Requires}})
	}})
	for name, missing := range map[string]bool{"Public": true, "HasRole": true, "DenyAnonymousUsers": true, "Authenticated": false, "Requires": false} {
		if err == nil || strings.Contains(err.Error(), "directive "+name+" ") != missing {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDirectives(t *testing.T) {
	mfa, anonymous, admin, listed := *signedIn, *signedIn, *signedIn, *signedIn
	mfa.AAL = "aal2"
	anonymous.IsAnonymous = true
	admin.AppMetadata = []byte(`{"role":"admin"}`)
	listed.AppMetadata = []byte(`{"roles":["editor","admin"],"role":7}`)
	shouting := *signedIn
	shouting.AppMetadata, shouting.AAL = []byte(`{"ROLE":"admin","roles":"admin"}`), "AAL2"
	next := func(context.Context) (any, error) { return "answer", nil }
	public := func(ctx context.Context) (any, error) { return Public(ctx, nil, next) }
	authenticated := func(ctx context.Context) (any, error) { return Authenticated(ctx, nil, next) }
	requires := func(ctx context.Context) (any, error) { return Requires(ctx, nil, next, AAL2) }
	requiresOne := func(ctx context.Context) (any, error) { return Requires(ctx, nil, next, AAL1) }
	denyAnonymous := func(ctx context.Context) (any, error) { return DenyAnonymousUsers(ctx, nil, next) }
	isAdmin := func(ctx context.Context) (any, error) { return HasRole(ctx, nil, next, "admin") }
	for name, test := range map[string]struct {
		directive func(context.Context) (any, error)
		claims    *auth.Claims
		want      error
	}{
		"public, nobody":               {public, nil, nil},
		"authenticated, nobody":        {authenticated, nil, ErrUnauthenticated},
		"authenticated":                {authenticated, signedIn, nil},
		"AAL2, nobody":                 {requires, nil, ErrUnauthenticated},
		"AAL2, no claim":               {requires, signedIn, ErrMFARequired},
		"AAL2":                         {requires, &mfa, nil},
		"AAL2, in capitals":            {requires, &shouting, ErrMFARequired},
		"AAL1, no claim":               {requiresOne, signedIn, ErrMFARequired},
		"AAL1, more than that":         {requiresOne, &mfa, nil},
		"no anonymous users, nobody":   {denyAnonymous, nil, ErrUnauthenticated},
		"no anonymous users":           {denyAnonymous, signedIn, nil},
		"no anonymous users, but one":  {denyAnonymous, &anonymous, ErrAccountRequired},
		"role, nobody":                 {isAdmin, nil, ErrUnauthenticated},
		"role, no metadata":            {isAdmin, signedIn, ErrRoleRequired},
		"role, the one":                {isAdmin, &admin, nil},
		"role, one of many":            {isAdmin, &listed, nil},
		"role, under another name":     {isAdmin, &shouting, ErrRoleRequired},
		"role, of what they may write": {isAdmin, &auth.Claims{Payload: []byte(`{"user_metadata":{"role":"admin"}}`)}, ErrRoleRequired},
	} {
		ctx := t.Context()
		if test.claims != nil {
			ctx = WithCaller(auth.NewContext(ctx, test.claims))
		}
		answer, err := test.directive(ctx)
		if !errors.Is(err, test.want) || (err == nil) != (answer == "answer") {
			t.Errorf("%s: %v, %v, want %v", name, answer, err, test.want)
		}
	}
}
