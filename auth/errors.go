package auth

import (
	"errors"
	"net/http"
)

// The kinds of refusal. errors.Is finds a refusal's kind and its cause, such as an error of golang-jwt.
var (
	// ErrUnauthenticated: credentials are missing, or of a kind that is not accepted.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrAnonymous: the token is the project's legacy anon key. It is valid, but names no user.
	ErrAnonymous = errors.New("the anon key names no user")
	// ErrTokenInvalid: the token will never be accepted.
	ErrTokenInvalid = errors.New("token is invalid")
	// ErrTokenExpired: the token was valid until it expired. The client should refresh it.
	ErrTokenExpired = errors.New("token has expired")
	// ErrSessionRevoked: the session of a valid token has ended. The user must sign in again. An implementation of
	// Config.CheckSession returns it.
	ErrSessionRevoked = errors.New("session has ended")
	// ErrKeysUnavailable: the token's key is not known now, so the token could not be verified.
	ErrKeysUnavailable = errors.New("keys are unavailable")
	// ErrSessionUnchecked: Config.CheckSession failed, so the state of the session is unknown.
	ErrSessionUnchecked = errors.New("session could not be checked")
)

// The codes in extensions.code. docs/errors.md says what a client should do about each.
const (
	CodeUnauthenticated = "UNAUTHENTICATED"
	CodeTokenInvalid    = "TOKEN_INVALID"
	CodeTokenExpired    = "TOKEN_EXPIRED"
	CodeSessionRevoked  = "SESSION_REVOKED"
	CodeUnavailable     = "UNAVAILABLE"
)

// kinds lists what a client learns of each kind of refusal. Other kinds are shown as UNAVAILABLE, since nothing is
// known about the caller.
var kinds = []struct {
	err           error
	code, message string
	status        int
}{
	{ErrUnauthenticated, CodeUnauthenticated, "sign in", http.StatusUnauthorized},
	{ErrAnonymous, CodeUnauthenticated, "the anon key names no user", http.StatusUnauthorized},
	{ErrTokenExpired, CodeTokenExpired, "token has expired", http.StatusUnauthorized},
	{ErrTokenInvalid, CodeTokenInvalid, "token is invalid", http.StatusUnauthorized},
	{ErrSessionRevoked, CodeSessionRevoked, "the session has ended, sign in again", http.StatusUnauthorized},
	{ErrKeysUnavailable, CodeUnavailable, "the keys that verify tokens cannot be fetched, try again", http.StatusServiceUnavailable},
	{ErrSessionUnchecked, CodeUnavailable, "the session cannot be checked, try again", http.StatusServiceUnavailable},
}

// Public returns what a client may learn of an error of this package, over HTTP and websockets: the code for
// extensions.code, and a message without any part of a token or key. Any other error is UNAVAILABLE.
func Public(err error) (code, message string) {
	code, message, _ = public(err)
	return code, message
}

// advice is the cause of a refusal that a setting of the server changes. Clients do not get it.
type advice string

func (a advice) Error() string { return string(a) }

const (
	adviceNoIssuer    advice = "if the project signs tokens without iss, set SUPABASE_ACCEPT_NO_ISSUER=on"
	adviceIssuer      advice = "the front end and this server may have different projects: compare their SUPABASE_URL. If it is another name of the same project, add it to SUPABASE_JWT_ISSUER"
	adviceSecret      advice = "if the project signs with its secret, set SUPABASE_JWT_SECRET"
	adviceOAuthClient advice = "if the app may act for users, add its id to SUPABASE_OAUTH_CLIENTS"
)

// Advice returns what the operator of a server may do about a refusal, or "". It is for logs and tools, not for clients.
func Advice(err error) string {
	var a advice
	errors.As(err, &a)
	return string(a)
}

func public(err error) (code, message string, status int) {
	code, message, status = CodeUnavailable, "authentication is unavailable, try again", http.StatusServiceUnavailable
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			code, message, status = kind.code, kind.message, kind.status
			break
		}
	}
	var written *refusal
	if errors.As(err, &written) {
		message = written.message
	}
	return code, message, status
}

// refusal is an error with a message for the client.
type refusal struct {
	kind    error
	message string
	cause   error // for the log, or nil
}

func refuse(kind error, message string, cause error) *refusal {
	return &refusal{kind: kind, message: message, cause: cause}
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.message
	}
	return r.message + ": " + r.cause.Error()
}

func (r *refusal) Unwrap() []error {
	if r.cause == nil {
		return []error{r.kind}
	}
	return []error{r.kind, r.cause}
}
