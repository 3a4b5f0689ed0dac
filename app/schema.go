package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"usergraph/database"
	"usergraph/internal/doctor"
)

const (
	// schemaRetry is the least time between two looks for /readyz. Anybody may ask that.
	schemaRetry = time.Second
	// schemaInterval is the time between two looks that nobody asks for.
	schemaInterval = time.Minute
	// schemaTimeout bounds one look.
	schemaTimeout = 5 * time.Second
	// maxMissing bounds what /readyz and a log line name.
	maxMissing = 5
)

// schemaWatch compares the database with what the API needs. Until it has been right once, the server is not ready: a
// rollout stops before it replaces servers that work. After that a difference is logged and counted, because most requests
// may still be answered.
type schemaWatch struct {
	db    *database.DB
	needs database.Needs
	log   *slog.Logger

	looking sync.Mutex // held while the database is asked

	mu      sync.Mutex
	at      time.Time // of the last answer
	right   bool      // it has been right once
	failed  error     // of the last look, nil if it was answered
	missing []database.Missing
}

// run looks until ctx ends.
func (w *schemaWatch) run(ctx context.Context) {
	for {
		w.look(ctx, schemaRetry)
		select {
		case <-ctx.Done():
			return
		case <-time.After(schemaInterval):
		}
	}
}

// look compares, unless the last answer is younger than age, and logs a difference to that. If the database does not answer,
// it logs why, once, and keeps what is known.
func (w *schemaWatch) look(ctx context.Context, age time.Duration) {
	w.looking.Lock()
	defer w.looking.Unlock()
	if w.answeredWithin(age) {
		return
	}
	asking, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	missing, err := w.db.Missing(asking, w.needs)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before, failed := named(w.missing), w.failed
	w.failed = err
	if err != nil {
		if failed == nil {
			w.log.ErrorContext(ctx, "the database does not say what it has", "reason", doctor.Reason(err), "advice", doctor.Advice(err))
		}
		return
	}
	w.at, w.missing, w.right = time.Now(), missing, w.right || len(missing) == 0
	switch now := named(missing); {
	case now == before:
	case now == "":
		w.log.InfoContext(ctx, "the database has what the API needs again")
	default:
		w.log.ErrorContext(ctx, "the database lacks what the API needs", "missing", now)
	}
}

func (w *schemaWatch) answeredWithin(age time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.at) < age
}

func (w *schemaWatch) wasRight() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.right
}

// ready reports what is missing, until the database has been right once.
func (w *schemaWatch) ready(ctx context.Context) error {
	if !w.wasRight() {
		w.look(ctx, schemaRetry)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.right:
		return nil
	case w.at.IsZero() && doctor.MayNotSwitch(w.failed):
		return errors.New("not checked yet, because the login cannot become the callers' roles: usergraph doctor says what to do")
	case w.at.IsZero():
		return errors.New("not checked yet, because the database has not answered")
	}
	return errors.New(named(w.missing))
}

// count returns how many things are missing.
func (w *schemaWatch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.missing)
}

// named names what is missing and what to do, in one line.
func named(missing []database.Missing) string {
	var lines []string
	for i, m := range missing {
		if i == maxMissing {
			lines = append(lines, fmt.Sprintf("and %d more, which usergraph doctor names", len(missing)-i))
			break
		}
		lines = append(lines, m.String())
	}
	return strings.Join(lines, ". ")
}
