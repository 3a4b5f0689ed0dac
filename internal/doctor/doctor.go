// Package doctor answers one question: are the project and the database set up for the server? It checks them as the
// server uses them, changes nothing, and gives advice for each finding.
package doctor

import (
	"context"
	"time"

	"usergraph/auth"
	"usergraph/database"
)

// checkTimeout bounds a check.
const checkTimeout = 10 * time.Second

// Severity is the importance of a finding.
type Severity string

// The severities. An Error is something that does not work, or lets callers see what they must not.
const (
	OK      Severity = "ok"
	Note    Severity = "note"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Finding is the result of a check.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	// Advice is what to do about it, or "".
	Advice string `json:"advice,omitempty"`
}

// Config says what to check. Empty fields are not checked.
type Config struct {
	// SupabaseURL is the setting, unchanged.
	SupabaseURL string
	// JWKSURL is the URL of the published keys.
	JWKSURL string
	// HasSecret reports whether HS256 tokens are accepted.
	HasSecret bool
	// AcceptsNoIssuer reports whether tokens without iss are accepted.
	AcceptsNoIssuer bool
	// Issuers are the accepted issuers.
	Issuers []string
	// Token is a token to explain. Verify verifies it as the server does.
	Token  string
	Verify func(ctx context.Context, rawToken string) (*auth.Claims, error)
	// Agents reports whether agents may call tools (MCP=on). VerifyAgent verifies Token as /mcp does.
	Agents      bool
	VerifyAgent func(ctx context.Context, rawToken string) (*auth.Claims, error)
	// DatabaseURL is the server's connection string, ListenURL the one for notifications if it differs.
	DatabaseURL, ListenURL string
	// ReadURL is the replica that queries read from, and MaxLag its largest lag. SharesWrites reports whether servers
	// share the recent writers.
	ReadURL      string
	MaxLag       time.Duration
	SharesWrites bool
	// Migrations are the versions of the migrations.
	Migrations []string
	// Needs is what the API needs of the database.
	Needs database.Needs
	// Origins is the setting of allowed origins, unchanged.
	Origins []string
}

// examination runs the checks and reports the findings.
type examination struct {
	Config
	report  func(Finding)
	reached bool // the database answered
	ofAgent bool // the token is an agent's, and accepted
}

// Examine runs all checks in sequence, and reports each finding at once.
func Examine(ctx context.Context, cfg Config, report func(Finding)) {
	p := &examination{Config: cfg, report: report}
	for _, check := range []func(context.Context){p.url, p.keys, p.clock, p.token, p.agents, p.origins, p.database, p.schema, p.replica, p.changes} {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		check(ctx)
		cancel()
	}
}

func (p *examination) found(check string, severity Severity, message, advice string) {
	p.report(Finding{check, severity, message, advice})
}
