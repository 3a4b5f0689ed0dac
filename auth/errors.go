package auth

import (
	"errors"
	"net/http"
)

// The kinds of refusal, for errors.Is. Their causes, such as those of golang-jwt, are found by errors.Is too.
var (
	// ErrUnauthenticated says that credentials are missing, or are of a kind that is not taken.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrAnonymous says that a token is the project's legacy anon key: it is good, but names no user.
	ErrAnonymous = errors.New("the anon key names no user")
	// ErrTokenInvalid says that a token will never be accepted.
	ErrTokenInvalid = errors.New("token is invalid")
	// ErrTokenExpired says that a token was good until it expired: the client should refresh it.
	ErrTokenExpired = errors.New("token has expired")
	// ErrSessionRevoked says that the session of a good token has ended: the user must sign in again.
	// An implementation of Config.CheckSession returns it.
	ErrSessionRevoked = errors.New("session has ended")
	// ErrKeysUnavailable says that the key of a token is not known now, so that nothing is known about the token.
	ErrKeysUnavailable = errors.New("keys are unavailable")
	// ErrSessionUnchecked says that Config.CheckSession failed, so that nothing is known about the session.
	ErrSessionUnchecked = errors.New("session could not be checked")
)

// The codes that a client finds in extensions.code. docs/errors.md says what to do about each.
const (
	CodeUnauthenticated = "UNAUTHENTICATED"
	CodeTokenInvalid    = "TOKEN_INVALID"
	CodeTokenExpired    = "TOKEN_EXPIRED"
	CodeSessionRevoked  = "SESSION_REVOKED"
	CodeUnavailable     = "UNAVAILABLE"
)

// kinds says what a client learns of each kind of refusal. What it does not name is shown as UNAVAILABLE: nothing is
// known about the caller then.
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

// Public returns what a client may learn of an error of this package, over HTTP and over websockets alike: its code for
// extensions.code, and a message without any part of a token or key. Any other error is UNAVAILABLE.
func Public(err error) (code, message string) {
	code, message, _ = public(err)
	return code, message
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

// refusal is an error whose message was written for the client.
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
