package app

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/internal/telemetry"
)

const (
	issuerPath = "/auth/v1"
	jwksPath   = "/.well-known/jwks.json"
)

// newVerifier returns a verifier for the project's tokens, with any of its issuers.
func newVerifier(cfg config, db *database.DB, observed *telemetry.Telemetry) (*auth.Verifier, error) {
	keys, err := newKeySet(cfg, observed)
	if err != nil {
		return nil, err
	}
	verify := auth.Config{
		OAuthClients:    cfg.oauthClients,
		PublishableKeys: cfg.publishableKeys,
		RequireAPIKey:   cfg.apiKeyRequired,
		SessionCookie:   cfg.sessionCookie,
		CookieOrigins:   cfg.sessionCookieOrigins,
		Hooks:           observed.AuthHooks(),
	}
	for i, url := range cfg.issuers {
		verify.Issuers = append(verify.Issuers, auth.Issuer{
			URL: url, Keys: keys, Secret: []byte(cfg.jwtSecret),
			AcceptNoIssuer: cfg.acceptNoIssuer && i == 0,
		})
	}
	if cfg.sessionCheck == "always" {
		sessions, err := newSessions(db, cfg.sessionCheckMaxAge)
		if err != nil {
			return nil, err
		}
		verify.CheckSession = sessions.check
	}
	return auth.NewVerifier(verify)
}

// newKeySet returns the project's key set, or nil if it only has a secret.
func newKeySet(cfg config, observed *telemetry.Telemetry) (auth.KeySet, error) {
	if cfg.jwks == "" {
		return auth.NewRemoteKeySet(auth.RemoteConfig{URL: cfg.jwksURL, MaxStale: cfg.jwksMaxStale, Fetched: observed.KeysFetched})
	}
	keys, err := auth.NewStaticKeySet([]byte(cfg.jwks))
	switch {
	case errors.Is(err, auth.ErrNoKeys) && cfg.jwtSecret != "":
		return nil, nil
	case errors.Is(err, auth.ErrNoKeys):
		return nil, errors.New("it has no keys, so no token could be verified: publish a signing key, or set SUPABASE_JWT_SECRET")
	case err != nil:
		return nil, err
	}
	return keys, nil
}

// parsePublishableKeys parses a list of keys, or a JSON object of keys by name, which Supabase gives its functions.
func parsePublishableKeys(value string) ([]string, error) {
	if !strings.HasPrefix(value, "{") {
		return splitList(value), nil
	}
	var byName map[string]string
	if json.Unmarshal([]byte(value), &byName) != nil {
		return nil, errors.New(`is not a JSON object such as {"default":"sb_publishable_…"}`)
	}
	return slices.Sorted(maps.Values(byName)), nil
}
