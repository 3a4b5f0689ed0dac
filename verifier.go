package main

import (
	"encoding/json"
	"errors"
	"fmt"
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

// newVerifier takes the tokens of the project, by any of its names, and of the other projects that the settings name.
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
	for _, project := range cfg.otherProjects {
		url := strings.TrimSuffix(project, "/") + issuerPath
		keys, err := newRemoteKeySet(cfg, url+jwksPath, observed)
		if err != nil {
			return nil, fmt.Errorf("SUPABASE_OTHER_PROJECTS: %w", err)
		}
		verify.Issuers = append(verify.Issuers, auth.Issuer{URL: url, Keys: keys})
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

func newKeySet(cfg config, observed *telemetry.Telemetry) (auth.KeySet, error) {
	if cfg.jwks == "" {
		return newRemoteKeySet(cfg, cfg.jwksURL, observed)
	}
	keys, err := auth.NewStaticKeySet([]byte(cfg.jwks))
	if err != nil {
		return nil, fmt.Errorf("SUPABASE_JWKS: %w", err)
	}
	return keys, nil
}

func newRemoteKeySet(cfg config, url string, observed *telemetry.Telemetry) (*auth.RemoteKeySet, error) {
	return auth.NewRemoteKeySet(auth.RemoteConfig{
		URL:      url,
		MaxStale: cfg.jwksMaxStale,
		Fetched:  observed.KeysFetched,
	})
}

// parsePublishableKeys reads one key, or a JSON object of names and keys, which is what Supabase gives its functions.
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
