package endpoint

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// withTimeout does what context.WithTimeout does, whether anybody waited before the end or not.
func TestWithTimeout(t *testing.T) {
	type key struct{}
	gone := errors.New("the client has gone")
	for _, test := range []struct {
		name       string
		timeout    time.Duration
		end        func(parent context.CancelCauseFunc, cancel func())
		err, cause error
	}{
		{"goes on", time.Hour, func(context.CancelCauseFunc, func()) {}, nil, nil},
		{"late", time.Millisecond, func(context.CancelCauseFunc, func()) { time.Sleep(2 * time.Millisecond) }, context.DeadlineExceeded, context.DeadlineExceeded},
		{"late at once", 0, func(context.CancelCauseFunc, func()) {}, context.DeadlineExceeded, context.DeadlineExceeded},
		{"cancelled", time.Hour, func(_ context.CancelCauseFunc, cancel func()) { cancel(); cancel() }, context.Canceled, context.Canceled},
		{"its parent ends", time.Hour, func(parent context.CancelCauseFunc, _ func()) { parent(gone) }, context.Canceled, gone},
	} {
		for _, waits := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				parent, endParent := context.WithCancelCause(context.WithValue(t.Context(), key{}, "here"))
				defer endParent(nil)
				before := goleak.IgnoreCurrent()
				ctx, cancel := withTimeout(parent, test.timeout)
				defer cancel()
				waiting := ctx
				if waits {
					var stop func()
					waiting, stop = context.WithCancel(ctx)
					defer stop()
					if err := goleak.Find(before); err != nil {
						t.Error(err)
					}
				}
				test.end(endParent, cancel)
				if waits && test.err != nil {
					<-waiting.Done()
				}
				if err := ctx.Err(); err != test.err {
					t.Errorf("it ended with %v", err)
				}
				if err := waiting.Err(); err != test.err {
					t.Errorf("who waited was told %v", err)
				}
				if err := context.Cause(ctx); err != test.cause {
					t.Errorf("it ended because of %v", err)
				}
				if ctx.Value(key{}) != "here" {
					t.Error("a value is lost")
				}
				if test.err != nil {
					<-ctx.Done()
				}
			})
		}
	}
}

// The deadline is the earlier one of its own and its parent's.
func TestWithTimeoutDeadline(t *testing.T) {
	parent, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	at, _ := parent.Deadline()
	for timeout, want := range map[time.Duration]bool{time.Minute: false, 2 * time.Hour: true} {
		ctx, cancel := withTimeout(parent, timeout)
		defer cancel()
		if its, ok := ctx.Deadline(); !ok || its.Equal(at) != want || its.After(at) {
			t.Errorf("after %s: %s, %t", timeout, its, ok)
		}
	}
}

// It may be used by several at once.
func TestWithTimeoutShared(t *testing.T) {
	for range 100 {
		ctx, cancel := withTimeout(t.Context(), time.Hour)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { <-ctx.Done() })
			all.Go(func() { _, _ = ctx.Err(), ctx.Value(0) })
		}
		all.Go(cancel)
		all.Wait()
		if ctx.Err() != context.Canceled {
			t.Fatal(ctx.Err())
		}
	}
}
