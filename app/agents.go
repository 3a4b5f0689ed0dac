package app

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"usergraph/auth"
	"usergraph/endpoint"
	"usergraph/internal/ratelimit"
	"usergraph/internal/telemetry"
	"usergraph/mcp"
)

// newAgents returns the resource of agents, which the listener serves at the public URL.
func (p *application) newAgents(cfg config, log *slog.Logger, handler *endpoint.Handler) (*mcp.Handler, error) {
	documents, err := endpoint.ReadDocuments(p.Documents)
	if err != nil {
		return nil, err
	}
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(info.Main.Version, version)
	}
	agents, err := mcp.New(mcp.Options{
		Endpoint: handler, Log: log, Documents: documents, Mutations: cfg.mcpMutations, PublicURL: cfg.publicURL, Issuer: cfg.issuers[0],
		Version: version, Origins: cfg.endpoint.origins, RequestID: telemetry.RequestID,
	})
	if err != nil {
		return nil, fmt.Errorf("MCP: %w", err)
	}
	return agents, nil
}

// hasTools reports whether a document would be a tool. One that is malformed is reported when it is read again.
func (p *application) hasTools() bool {
	documents, err := endpoint.ReadDocuments(p.Documents)
	return err == nil && slices.ContainsFunc(documents, isTool)
}

func isTool(d endpoint.Document) bool { return d.Description != "" && d.Kind != ast.Subscription }

// mountAgents serves the resource of agents, and its metadata. Its door takes tokens of OAuth apps only, and /graphql takes none of
// them that is not listed.
func (p *application) mountAgents(mux *http.ServeMux, cfg config, log *slog.Logger, handler *endpoint.Handler, verifier *auth.Verifier, limiter *ratelimit.Limiter) (*mcp.Handler, error) {
	agents, err := p.newAgents(cfg, log, handler)
	if err != nil {
		return nil, usageError{err}
	}
	door, err := verifier.Agents(mcp.Resource(cfg.publicURL))
	if err != nil {
		return nil, err
	}
	agents.Routes(mux, func(next http.Handler) http.Handler {
		return auth.Middleware(door, auth.Options{Refuse: limiter.Refused(agents.Refuse)})(limiter.Middleware(next))
	}, func(next http.Handler) http.Handler { return endpoint.CrossSite(cfg.endpoint.origins, next) })
	log.Info("agents may call tools", "url", mcp.Resource(cfg.publicURL), "tools", agents.Tools())
	return agents, nil
}
