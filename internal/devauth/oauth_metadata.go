package devauth

import "net/http"

// oauthScopes are the scopes of Supabase Auth. They limit no data.
var oauthScopes = []string{"openid", "profile", "email", "phone", "offline_access"}

// authServerMetadata are what a client needs to know of the authorization server (RFC 8414, section 2). Supabase Auth has
// one document for this and for OpenID Connect Discovery.
func (s *Server) authServerMetadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=600")
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.issuer.url,
		"authorization_endpoint":                s.issuer.url + "/oauth/authorize",
		"token_endpoint":                        s.issuer.url + "/oauth/token",
		"userinfo_endpoint":                     s.issuer.url + "/oauth/userinfo",
		"registration_endpoint":                 s.issuer.url + "/oauth/clients/register",
		"jwks_uri":                              s.issuer.url + "/.well-known/jwks.json",
		"scopes_supported":                      oauthScopes,
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 oauthGrantTypes,
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "ES256"},
		"token_endpoint_auth_methods_supported": []string{authBasic, authPost, authNone},
		"claims_supported": []string{"sub", "aud", "iss", "exp", "iat", "auth_time", "nonce", "email", "email_verified",
			"phone_number", "phone_number_verified", "name", "picture", "preferred_username", "updated_at"},
		"code_challenge_methods_supported": []string{"S256", "plain"},
	})
}
