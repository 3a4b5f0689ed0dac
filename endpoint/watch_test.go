package endpoint_test

import (
	"context"
	"testing"

	"github.com/uptrace/bun"

	"usergraph/auth"
	"usergraph/endpoint"
	"usergraph/internal/testapi/models"
)

// A team's own code watches a row without a transport, until its context ends.
func TestWatchWithoutTransport(t *testing.T) {
	s := newLiveServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	caller := s.caller(ctx)
	row := endpoint.RowOf[models.User](s.handler.Engine(), ada)
	states, err := endpoint.Watch(ctx, s.handler.Engine(), caller, row, func(ctx context.Context, db bun.IDB) (*models.User, error) {
		return models.UserByID(ctx, db, ada)
	})
	if err != nil {
		t.Fatal(err)
	}
	if user := <-states; *user.FullName != "Ada" {
		t.Error(*user.FullName)
	}
	s.rename(ada, "Ada watched")
	if user := <-states; *user.FullName != "Ada watched" {
		t.Error(*user.FullName)
	}
	cancel()
	s.until("nobody watches", func() bool { return s.handler.Watches() == 0 })
}

// A first read that panics leaves nothing behind.
func TestWatchThatPanics(t *testing.T) {
	s := newLiveServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		row := endpoint.RowOf[models.User](s.handler.Engine(), ada)
		_, _ = endpoint.Watch(ctx, s.handler.Engine(), s.caller(ctx), row, func(context.Context, bun.IDB) (*models.User, error) { panic("as told") })
	}()
	cancel()
	s.until("nobody watches", func() bool { return s.handler.Watches() == 0 })
}

// caller is Ada, in a query.
func (s *liveServer) caller(ctx context.Context) *endpoint.Caller {
	s.t.Helper()
	claims := &auth.Claims{UserID: ada, Role: "authenticated", Payload: []byte(`{"sub":"` + ada.String() + `","role":"authenticated"}`)}
	caller, err := endpoint.CallerFrom(endpoint.WithCaller(auth.NewContext(ctx, claims)))
	if err != nil {
		s.t.Fatal(err)
	}
	return caller
}
