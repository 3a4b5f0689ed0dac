package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"usergraph/app"
	"usergraph/endpoint"
	"usergraph/internal/testapi"
	"usergraph/internal/testapi/generated"
)

// A team's own command: usergraph greet Ada.
func ExampleCommand() {
	api := app.API{
		Schema: testapi.New,
		Commands: []app.Command{{
			Name: "greet", Doc: "greet somebody",
			Run: func(_ context.Context, env app.Env, args []string) error {
				if len(args) == 0 {
					return app.Usage(errors.New("greet whom? usergraph greet Ada"))
				}
				_, err := fmt.Fprintln(env.Stdout, "Hello,", strings.Join(args, " "))
				return err
			},
		}},
	}
	env := app.Env{Args: []string{"greet", "Ada"}, Getenv: os.Getenv, Stdout: os.Stdout}
	if err := app.Run(context.Background(), api, env); err != nil {
		fmt.Println(err)
	}
	// Output: Hello, Ada
}

// A setting of a team's own: a variable that serve, dev, config and doctor read as they read the engine's.
func ExampleSetting() {
	maxTodos := 0
	api := app.API{
		Schema: testapi.New,
		Settings: []app.Setting{{
			Name: "MAX_TODOS", Default: "100", Doc: "todos that a user may have",
			Set: func(value string) (err error) {
				if maxTodos, err = strconv.Atoi(value); err != nil {
					return errors.New("is not a number")
				}
				return nil
			},
		}},
	}
	for _, value := range []string{"", "20", "a few"} {
		environment := map[string]string{"MAX_TODOS": value, "DATABASE_URL": "postgres://usergraph@127.0.0.1/postgres", "SUPABASE_URL": "https://abc.supabase.co"}
		env := app.Env{Args: []string{"config"}, Getenv: func(name string) string { return environment[name] }, Stdout: io.Discard}
		err := app.Run(context.Background(), api, env)
		fmt.Println(maxTodos, err)
	}
	// Output:
	// 100 <nil>
	// 20 <nil>
	// 100 MAX_TODOS is not a number
}

// A team's own route. It answers as the user of the request's token, as /graphql does.
func ExampleAPI_routes() {
	_ = app.API{
		Schema: testapi.New,
		Routes: func(mux *http.ServeMux, engine *endpoint.Engine) {
			mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
				caller, err := endpoint.CallerOf(r)
				if err != nil {
					http.Error(w, err.Error(), http.StatusUnauthorized)
					return
				}
				count, err := engine.As(caller).NewSelect().Table("users").Count(r.Context())
				if err != nil {
					http.Error(w, "try again", http.StatusServiceUnavailable)
					return
				}
				fmt.Fprintln(w, count)
			})
		},
	}
}

// A team's own middleware wraps every response of the server.
func ExampleAPI_middleware() {
	_ = app.API{
		Schema: testapi.New,
		Middleware: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Served-By", "a team")
				next.ServeHTTP(w, r)
			})
		},
	}
}

// A team's own directive. schema.graphqls declares it, `directive @staff on FIELD_DEFINITION`, and the team's New sets
// its implementation in the generated DirectiveRoot. Here it replaces @denyAnonymousUsers.
func ExampleAPI_directive() {
	errNotStaff := errors.New("only for staff")
	staff := endpoint.Require(func(caller *endpoint.Caller) error {
		if !strings.HasSuffix(caller.Email, "@example.com") {
			return errNotStaff
		}
		return nil
	})
	_ = app.API{
		Schema: func(engine *endpoint.Engine) graphql.ExecutableSchema {
			return generated.NewExecutableSchema(generated.Config{
				Resolvers:  &testapi.Resolver{Engine: engine},
				Directives: generated.DirectiveRoot{DenyAnonymousUsers: staff /* and the engine's */},
			})
		},
		Errors: []endpoint.PublicError{{Err: errNotStaff, Code: "STAFF_ONLY", Message: "this is only for staff"}},
	}
}
