package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"usergraph/database"
)

// heldSubscriber hears how a watched row is read.
type heldSubscriber struct{ failed error }

func (s *heldSubscriber) publish(uint64, any) {}
func (s *heldSubscriber) fail(err error)      { s.failed = err }

// Reading a watched row again belongs to no request: its panic would end the server.
func TestPanicOfWatchedRow(t *testing.T) {
	l := newWatcher(new(database.Changes), slog.New(slog.DiscardHandler))
	s := &heldSubscriber{}
	w := &watched{sources: Sources{{}}, read: func(context.Context) (any, error) { panic("hunter2") }, subscribers: []subscriber{s}}
	l.refresh(w)
	if s.failed == nil || errors.Is(s.failed, context.Canceled) || strings.Contains(s.failed.Error(), "hunter2") {
		t.Error(s.failed)
	}
}
