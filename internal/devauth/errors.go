package devauth

import (
	"encoding/json"
	"errors"
	"net/http"
)

// failure is an error for the client, with a code and message of Supabase Auth.
// https://supabase.com/docs/guides/auth/debugging/error-codes
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

var (
	errAPIKey            = &failure{401, "no_api_key", "No API key found in request: send one in the header apikey"}
	errHost              = &failure{403, "request_refused", "The local stand-in for Supabase Auth is for this machine only"}
	errNoRoute           = &failure{404, "not_found", "The local stand-in for Supabase Auth has no such endpoint: use a project, or `supabase start`"}
	errJSON              = &failure{400, "bad_json", "Could not parse request body as JSON"}
	errUnexpected        = &failure{500, "unexpected_failure", "Unexpected failure: see what usergraph dev printed"}
	errNoToken           = &failure{401, "no_authorization", "This endpoint requires a valid Bearer token"}
	errToken             = &failure{403, "bad_jwt", "invalid JWT: unable to parse or verify signature"}
	errSession           = &failure{403, "session_not_found", "Session from session_id claim in JWT does not exist"}
	errGrantType         = &failure{400, "validation_failed", "The local stand-in for Supabase Auth knows the grant types password, refresh_token and pkce"}
	errCredentials       = &failure{400, "invalid_credentials", "Invalid login credentials"}
	errNotConfirmed      = &failure{400, "email_not_confirmed", "Email not confirmed"}
	errBanned            = &failure{400, "user_banned", "User is banned"}
	errRefreshUnknown    = &failure{400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"}
	errRefreshUsed       = &failure{400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"}
	errScope             = &failure{400, "validation_failed", "The scope of a sign-out is global, local or others"}
	errEmailFormat       = &failure{400, "validation_failed", "Unable to validate email address: invalid format"}
	errPhone             = &failure{400, "phone_provider_disabled", "Phone signups are disabled"}
	errPasswordEmpty     = &failure{422, "validation_failed", "Signup requires a valid password"}
	errPasswordLong      = &failure{422, "validation_failed", "Password cannot be longer than 72 characters"}
	errPasswordWeak      = &failure{422, "weak_password", "Password should be at least 6 characters."}
	errPasswordSame      = &failure{422, "same_password", "New password should be different from the old password."}
	errAnonymousPassword = &failure{422, "validation_failed", "Updating password of an anonymous user without an email or phone is not allowed"}
	errUserExists        = &failure{422, "user_already_exists", "User already registered"}
	errEmailExists       = &failure{422, "email_exists", "A user with this email address has already been registered"}

	errVerifyType  = &failure{400, "validation_failed", "Verify requires a verification type"}
	errVerifyToken = &failure{400, "validation_failed", "Verify requires either a token or a token hash"}
	errVerifyLink  = &failure{400, "validation_failed", "Verify requires a token and a verification type"}
	errVerifyKind  = &failure{400, "validation_failed", "The local stand-in for Supabase Auth sends mails of the types signup and email_change"}
	errMailToken   = &failure{403, "otp_expired", "Email link is invalid or has expired"}
	errResendType  = &failure{400, "validation_failed", "Missing one of these types: signup, email_change"}
	errChallenge   = &failure{400, "validation_failed", "PKCE flow requires code_challenge_method and code_challenge"}
	errExchange    = &failure{400, "validation_failed", "invalid request: both auth code and code verifier should be non-empty"}
	errFlowUnknown = &failure{404, "flow_state_not_found", "invalid flow state, no valid flow state found"}
	errFlowExpired = &failure{422, "flow_state_expired", "invalid flow state, flow state has expired"}
	errVerifier    = &failure{400, "bad_code_verifier", "code challenge does not match previously saved code verifier"}

	errChangeNeedsAAL2   = &failure{401, "insufficient_aal", "AAL2 session is required to update email or password when MFA is enabled."}
	errEnrollNeedsAAL2   = &failure{403, "insufficient_aal", "AAL2 required to enroll a new factor"}
	errUnenrollNeedsAAL2 = &failure{422, "insufficient_aal", "AAL2 required to unenroll verified factor"}
	errFactorType        = &failure{400, "validation_failed", "The local stand-in for Supabase Auth knows the factor type totp"}
	errFactorName        = &failure{422, "mfa_factor_name_conflict", "A factor with this friendly name for this user already exists"}
	errFactors           = &failure{422, "too_many_enrolled_mfa_factors", "Maximum number of verified factors reached, unenroll to continue"}
	errFactor            = &failure{404, "mfa_factor_not_found", "Factor not found"}
	errChallengeUnknown  = &failure{422, "mfa_factor_not_found", "MFA factor with the provided challenge ID not found"}
	errChallengeUsed     = &failure{422, "mfa_ip_address_mismatch", "Challenge and verify IP addresses mismatch."}
	errChallengeExpired  = &failure{422, "mfa_challenge_expired", "MFA challenge has expired, verify against another challenge or create a new challenge."}
	errCodeEmpty         = &failure{400, "validation_failed", "Code needs to be non-empty"}
	errCode              = &failure{422, "mfa_verification_failed", "Invalid TOTP code entered"}

	errClients           = &failure{429, "over_request_rate_limit", "1000 OAuth clients have registered: remove some from auth.oauth_clients, or start usergraph dev with --reset"}
	errClientUnknown     = &failure{400, "oauth_client_not_found", "invalid client_id"}
	errClientCredentials = &failure{400, "invalid_credentials", "Invalid client credentials"}
	errClientSecret      = &failure{400, "invalid_credentials", "invalid client credentials"}
	errClientFormat      = &failure{400, "invalid_credentials", "Invalid client_id format"}
	errClientIDFormat    = &failure{400, "oauth_client_not_found", "invalid client_id format"}
	errClientIDRequired  = &failure{400, "validation_failed", "client_id is required"}
	errRedirectRequired  = &failure{400, "validation_failed", "redirect_uri is required"}
	errRedirectURI       = &failure{400, "validation_failed", "invalid redirect_uri"}
	errAuthorization     = &failure{404, "oauth_authorization_not_found", "authorization not found"}
	errNotPending        = &failure{400, "validation_failed", "authorization request is no longer pending"}
	errNotShown          = &failure{400, "validation_failed", "authorization request cannot be processed"}
	errConsentAction     = &failure{400, "validation_failed", "action must be 'approve' or 'deny'"}
	errConsentUser       = &failure{400, "validation_failed", "there is no such user"}
	errGrantClient       = &failure{400, "validation_failed", "client_id query parameter is required"}
	errGrantClientFormat = &failure{400, "validation_failed", "invalid client_id format"}
	errConsent           = &failure{404, "oauth_consent_not_found", "No active grant found for this client"}
	errNoOAuth           = &failure{404, "feature_disabled", "OAuth server is disabled: the database has no tables for it, or the login may not write them"}
)

// oauthFailure is an error for an OAuth client (RFC 6749, sections 4.1.2.1 and 5.2).
type oauthFailure struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (f *oauthFailure) Error() string { return f.Code + ": " + f.Description }

// A refresh token is not of this client's session.
var (
	errSessionClient   = &oauthFailure{"invalid_client", "Client does not match the session's OAuth client"}
	errSessionOfClient = &oauthFailure{"invalid_client", "Client authentication required for OAuth session"}
)

// ErrNoUser means that the user for a token does not exist.
var ErrNoUser = errors.New("there is no such user")

// versionHeader is the header in which supabase-js sends the form of errors that it understands.
const versionHeader, version20240101 = "X-Supabase-Api-Version", "2024-01-01"

// codeHeader is the header in which the code of an error is sent, whatever the form of the body.
const codeHeader = "X-Sb-Error-Code"

// answerError sends the failure in err. Any other error is logged and not shown.
func (s *Server) answerError(w http.ResponseWriter, r *http.Request, err error) {
	var ofOAuth *oauthFailure
	if errors.As(err, &ofOAuth) {
		writeJSON(w, http.StatusBadRequest, ofOAuth)
		return
	}
	var known *failure
	if !errors.As(err, &known) {
		s.cfg.Log.ErrorContext(r.Context(), "stand-in for Supabase Auth", "path", r.URL.Path, "error", err)
		known = errUnexpected
	}
	w.Header().Set(codeHeader, known.code)
	body := map[string]any{}
	if r.Header.Get(versionHeader) == version20240101 {
		w.Header().Set(versionHeader, version20240101)
		body["code"], body["message"] = known.code, known.message
	} else {
		body["code"], body["error_code"], body["msg"] = known.status, known.code, known.message
	}
	if known == errPasswordWeak {
		body["weak_password"] = map[string]any{"reasons": []string{"length"}}
	}
	writeJSON(w, known.status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
