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
	errCredentials    = &failure{400, "invalid_credentials", "Invalid login credentials"}
	errJSON           = &failure{400, "bad_json", "Could not parse request body as JSON"}
	errEmailFormat    = &failure{400, "validation_failed", "Unable to validate email address: invalid format"}
	errPhone          = &failure{400, "phone_provider_disabled", "Phone signups are disabled"}
	errGrantType      = &failure{400, "validation_failed", "The local stand-in for Supabase Auth knows the grant types password and refresh_token"}
	errScope          = &failure{400, "validation_failed", "The scope of a sign-out is global, local or others"}
	errRefreshUnknown = &failure{400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found"}
	errRefreshUsed    = &failure{400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"}
	errAPIKey         = &failure{401, "no_api_key", "No API key found in request: send one in the header apikey"}
	errNoToken        = &failure{401, "no_authorization", "This endpoint requires a valid Bearer token"}
	errToken          = &failure{403, "bad_jwt", "invalid JWT: unable to parse or verify signature"}
	errSession        = &failure{403, "session_not_found", "Session from session_id claim in JWT does not exist"}
	errHost           = &failure{403, "request_refused", "The local stand-in for Supabase Auth is for this machine only"}
	errNoRoute        = &failure{404, "not_found", "The local stand-in for Supabase Auth has no such endpoint: use a project, or `supabase start`"}
	errPasswordEmpty  = &failure{422, "validation_failed", "Signup requires a valid password"}
	errPasswordLong   = &failure{422, "validation_failed", "Password cannot be longer than 72 characters"}
	errPasswordWeak   = &failure{422, "weak_password", "Password should be at least 6 characters."}
	errUserExists     = &failure{422, "user_already_exists", "User already registered"}
	errEmailExists    = &failure{422, "email_exists", "A user with this email address has already been registered"}
	errUnexpected     = &failure{500, "unexpected_failure", "Unexpected failure: see what usergraph dev printed"}
)

// ErrNoUser means that the user for a token does not exist.
var ErrNoUser = errors.New("there is no such user")

// versionHeader is the header in which supabase-js sends the form of errors that it understands.
const versionHeader, version20240101 = "X-Supabase-Api-Version", "2024-01-01"

// answerError sends the failure in err. Any other error is logged and not shown.
func (s *Server) answerError(w http.ResponseWriter, r *http.Request, err error) {
	var known *failure
	if !errors.As(err, &known) {
		s.log.ErrorContext(r.Context(), "stand-in for Supabase Auth", "path", r.URL.Path, "error", err)
		known = errUnexpected
	}
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
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
