package endpoint_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usergraph/endpoint"
)

// nobody is signed in and has no row.
var nobody = uuid.MustParse("d0000000-0000-4000-8000-000000000004")

func TestDebug(t *testing.T) {
	seen := map[uuid.UUID]func() (bool, []string, error){
		ada:    func() (bool, []string, error) { return true, []string{`"own row"`, "staff"}, nil },
		bob:    func() (bool, []string, error) { return true, nil, nil },
		nobody: func() (bool, []string, error) { return false, nil, nil },
	}
	debug := &endpoint.Debug{Log: slog.New(slog.DiscardHandler), Explain: func(_ context.Context, table string, key map[string]string, role string) (bool, []string, error) {
		if table != "public.users" || role != "authenticated" {
			t.Errorf("asked for %s as %s", table, role)
		}
		return seen[uuid.MustParse(key["id"])]()
	}}
	s := newStack(t, nil, func(o *endpoint.Options) { o.Debug = debug })
	asked := map[string]string{endpoint.DebugHeader: "1"}

	if got := s.send(request{body: jsonOf("{ me { fullName } }"), as: &ada}); got.body != `{"data":{"me":{"fullName":"Ada Lovelace"}}}` {
		t.Errorf("nobody asked: %s", got.body)
	}
	got := s.send(request{body: jsonOf("{ me { fullName } }"), as: &ada, header: asked})
	for _, want := range []string{`"extensions":{"debug":{"caller":"` + ada.String() + `"`, `"role":"authenticated"`, `"rows":0`, `"statements":0`, `"milliseconds":`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%s is not in %s", want, got.body)
		}
	}
	if got := s.send(request{body: jsonOf("{ __typename }"), header: asked}); !strings.Contains(got.body, `"caller":null`) || !strings.Contains(got.body, `"role":"anon"`) {
		t.Error(got.body)
	}
	if got := s.send(request{body: jsonOf("{ me { fullName } }"), as: &nobody}); !strings.Contains(got.body, `"whyNull":[{"path":"me","reason":"no such row in public.users"}]`) {
		t.Error(got.body)
	}
	seen[nobody] = seen[ada]
	if got := s.send(request{body: jsonOf("{ a: me { fullName } }"), as: &nobody}); !strings.Contains(got.body, `{"path":"a","reason":"the row is there, but row-level security hides it: the policies that let authenticated read public.users are \"own row\", staff"}`) {
		t.Error(got.body)
	}
	seen[nobody] = seen[bob]
	if got := s.send(request{body: jsonOf("{ me { fullName } }"), as: &nobody}); !strings.Contains(got.body, "no policy lets authenticated read public.users") {
		t.Error(got.body)
	}
	seen[nobody] = func() (bool, []string, error) { return false, nil, errors.New("hunter2") }
	if got := s.send(request{body: jsonOf("{ me { fullName } }"), as: &nobody}); got.body != `{"data":{"me":null}}` {
		t.Error(got.body)
	}
}
