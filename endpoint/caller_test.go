package endpoint_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"usergraph/auth"
	. "usergraph/endpoint"
)

// queryCaller returns the caller of a query.
func queryCaller(t *testing.T) *Caller {
	t.Helper()
	caller, err := CallerFrom(WithCaller(auth.NewContext(t.Context(), signedIn)))
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

// However many fields ask at once, a query reads a row once.
func TestLoad(t *testing.T) {
	caller := queryCaller(t)
	var reads atomic.Int64
	ask := func(caller *Caller, key string) (int64, error) {
		return Load(t.Context(), caller, key, func(context.Context) (int64, error) { return reads.Add(1), nil })
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got, err := ask(caller, "a"); got != 1 || err != nil {
				t.Error(got, err)
			}
		})
	}
	all.Wait()
	if got, _ := ask(caller, "b"); got != 2 {
		t.Errorf("another key: read %d", got)
	}
	if got, _ := Load(t.Context(), caller, "a", func(context.Context) (string, error) { return "text", nil }); got != "text" {
		t.Errorf("another type of value: %q", got)
	}
	failed := errors.New("as told")
	for range 2 {
		_, err := Load(t.Context(), caller, "error", func(context.Context) (int64, error) { return reads.Add(1), failed })
		if !errors.Is(err, failed) {
			t.Error(err)
		}
	}
	if n := reads.Load(); n != 3 {
		t.Errorf("%d reads, an error is an answer too", n)
	}
	request := httptest.NewRequest(http.MethodPost, "/hook", nil)
	writer, err := CallerOf(request.WithContext(auth.NewContext(request.Context(), signedIn)))
	if err != nil {
		t.Fatal(err)
	}
	for want := range int64(2) {
		if got, _ := ask(writer, "a"); got != 4+want {
			t.Errorf("a caller who may write: read %d", got)
		}
	}
}

// A field whose time is over, or that panics, takes nothing from the other fields that want the same row.
func TestLoadOfFieldThatFails(t *testing.T) {
	for name, fail := range map[string]func(context.Context, *Caller) error{
		"cancelled": func(ctx context.Context, caller *Caller) error {
			ctx, cancel := context.WithCancel(ctx)
			_, err := Load(ctx, caller, "row", func(ctx context.Context) (*int, error) {
				cancel()
				return nil, ctx.Err()
			})
			return err
		},
		"panic": func(ctx context.Context, caller *Caller) (err error) {
			defer func() { err, _ = recover().(error) }()
			_, _ = Load(ctx, caller, "row", func(context.Context) (*int, error) { panic(errors.New("as told")) })
			return nil
		},
	} {
		caller := queryCaller(t)
		if fail(t.Context(), caller) == nil {
			t.Errorf("%s: no error", name)
		}
		got, err := Load(t.Context(), caller, "row", func(context.Context) (*int, error) { return new(int), nil })
		if got == nil || err != nil {
			t.Errorf("%s: the next field got %v, %v", name, got, err)
		}
	}
}
