// Package doctor answers one question: are the surroundings as they should be? It looks at the Supabase project and the
// database as the server would, changes nothing, and says of each thing what to do about it.
package doctor

import (
	"context"
	"time"

	"usergraph/auth"
)

// checkTimeout is how long a check may take. One that reads nothing in this time has learned what there is to know.
const checkTimeout = 10 * time.Second

// Severity is how bad a finding is.
type Severity string

// The severities. An Error is something that does not work, or lets callers see what they should not.
const (
	OK      Severity = "ok"
	Note    Severity = "note"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Finding is what a check found.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	// Advice is what to do about it, or "".
	Advice string `json:"advice,omitempty"`
}

// Config is what to look at. What is empty is not looked at.
type Config struct {
	// SupabaseURL as it was given.
	SupabaseURL string
	// JWKSURL is where the keys are published.
	JWKSURL string
	// HasSecret says that HS256 tokens are accepted.
	HasSecret bool
	// Issuers whose tokens are accepted.
	Issuers []string
	// Token is one to explain, and Verify what the server makes of it.
	Token  string
	Verify func(ctx context.Context, rawToken string) (*auth.Claims, error)
	// DatabaseURL is what the server logs in with, ListenURL what it hears of changes by if that is another.
	DatabaseURL, ListenURL string
	// ReadURL is the replica that queries read from, MaxLag how far it may be behind. SharesWrites says that servers tell each
	// other who has changed something.
	ReadURL      string
	MaxLag       time.Duration
	SharesWrites bool
	// Migrations are the versions that there are.
	Migrations []string
	// Origins are those of pages that may ask, as they were given.
	Origins []string
}

// patient examines, and reports.
type patient struct {
	Config
	report  func(Finding)
	reached bool // the database answered
}

// Examine runs all checks, one after the other, and reports each finding when it is there.
func Examine(ctx context.Context, cfg Config, report func(Finding)) {
	p := &patient{Config: cfg, report: report}
	for _, check := range []func(context.Context){p.url, p.keys, p.clock, p.token, p.origins, p.database, p.replica, p.changes} {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		check(ctx)
		cancel()
	}
}

func (p *patient) found(check string, severity Severity, message, advice string) {
	p.report(Finding{check, severity, message, advice})
}
