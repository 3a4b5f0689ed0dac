package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// oauthPage is where the dashboard has the settings of the OAuth server.
const oauthPage = "Supabase's dashboard, Authentication, OAuth Server"

// agents checks that an agent can sign in, by what the project's Auth tells clients. https://supabase.com/docs/guides/auth/oauth-server
func (p *examination) agents(ctx context.Context) {
	if !p.Agents || len(p.Issuers) == 0 {
		return
	}
	address := p.Issuers[0] + "/.well-known/oauth-authorization-server"
	answer, text, err := fetch(ctx, address)
	if err != nil {
		p.found("agents", Error, fmt.Sprintf("%s: %v", address, err), "agents look there for where to sign in: check SUPABASE_URL and SUPABASE_JWT_ISSUER")
		return
	}
	var says struct {
		ErrorCode            string `json:"error_code"`
		Issuer               string `json:"issuer"`
		JWKSURI              string `json:"jwks_uri"`
		RegistrationEndpoint string `json:"registration_endpoint"`
	}
	isJSON := json.Unmarshal(text, &says) == nil
	switch {
	case answer.StatusCode == http.StatusNotFound && says.ErrorCode == "feature_disabled":
		p.found("agents", Error, "the project's OAuth server is off: no agent can sign in", "switch it on in "+oauthPage)
		return
	case answer.StatusCode == http.StatusNotFound:
		p.found("agents", Error, address+" answers 404 Not Found: this Auth has no OAuth server", "check SUPABASE_URL and SUPABASE_JWT_ISSUER; upgrade an Auth of your own")
		return
	case answer.StatusCode != http.StatusOK:
		p.found("agents", Error, address+" answers "+answer.Status, "agents have no API key: let the gateway in front of Auth pass /auth/v1/.well-known/ and /auth/v1/oauth/ without one")
		return
	case !isJSON || says.Issuer == "":
		p.found("agents", Error, address+" is no metadata of an authorization server", "check SUPABASE_URL and SUPABASE_JWT_ISSUER")
		return
	}
	p.found("agents", OK, "the project's OAuth server is on", "")
	if says.Issuer != p.Issuers[0] {
		p.found("agents", Warning, fmt.Sprintf("Auth calls itself %s, and agents are sent to %s: a client that compares them refuses", says.Issuer, p.Issuers[0]),
			"set SUPABASE_JWT_ISSUER="+says.Issuer)
	}
	if says.RegistrationEndpoint == "" {
		p.found("agents", Warning, "clients cannot register themselves: only those that you add by hand can sign in", "allow dynamic registration in "+oauthPage)
	} else {
		p.found("agents", OK, "clients register themselves", "")
	}
	p.agentKeys(ctx, says.JWKSURI)
	if p.ofAgent {
		p.found("agents", OK, "the project has asked a user and given this agent a token", "")
		return
	}
	p.found("agents", Note, "whether the path of the consent page is set cannot be seen from outside",
		"give it in "+oauthPage+", and sign in once: without it, clients get server_error, oauth authorization path not configured")
}

// agentKeys checks that Auth signs with an asymmetric key: it makes no ID token with HS256, and publishes no secret.
func (p *examination) agentKeys(ctx context.Context, address string) {
	answer, text, err := fetch(ctx, address)
	type key struct {
		Type string `json:"kty"`
	}
	var set struct {
		Keys []key `json:"keys"`
	}
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(text, &set) != nil {
		p.found("agents", Warning, "the key set that Auth names cannot be read: "+address, "clients that verify ID tokens need it: check the gateway in front of Auth")
		return
	}
	if slices.ContainsFunc(set.Keys, func(k key) bool { return k.Type != "" && k.Type != "oct" }) {
		p.found("agents", OK, "Auth has an asymmetric key", "")
		return
	}
	p.found("agents", Warning, "Auth signs with HS256 only: a client that asks for the scope openid gets an error instead of tokens",
		"create a signing key in Supabase's dashboard, JWT Keys, and rotate to it")
}
