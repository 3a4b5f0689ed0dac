package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"usergraph/internal/devauth"
)

const (
	// devTokenLife is the lifetime of a development token, the same as Supabase Auth's.
	devTokenLife = time.Hour
	// expiredAgo is how long ago the token of the identity "expired" has expired.
	expiredAgo = 5 * time.Minute
	// devTokenPath is the path at which `usergraph dev` issues tokens.
	devTokenPath = "/dev/token"
)

// devTokenRequest names an identity of the playground or a user, by email or id; "" is the first user. It may set the
// lifetime in seconds; 0 is the lifetime of a sign-in's token.
type devTokenRequest struct {
	Identity  string `json:"identity,omitempty"`
	User      string `json:"user,omitempty"`
	ExpiresIn int64  `json:"expiresIn,omitempty"`
}

// devToken is the response. The token is null for the anonymous identity.
type devToken struct {
	Token *string `json:"token"`
}

// devTokens answers a devTokenRequest with a new token of a new session. Pages of another origin are refused, even
// those of this machine: they sign in. guardDev refuses other host names.
func devTokens(local *devauth.Server, users []devauth.User, life time.Duration) http.Handler {
	var first devauth.User // nobody, whose id no user has
	if len(users) > 0 {
		first = users[0]
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if isCrossSite(r) {
			http.Error(w, "development tokens are for this machine and its playground only", http.StatusForbidden)
			return
		}
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
			http.Error(w, "send JSON", http.StatusUnsupportedMediaType)
			return
		}
		var request devTokenRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&request); err != nil {
			http.Error(w, `send {"user": "ada@example.com", "expiresIn": 3600}`, http.StatusBadRequest)
			return
		}
		user, lasts := whose(request, first, life)
		var given devToken
		var err error
		if user != "" {
			var token string
			token, err = local.Token(r.Context(), user, time.Now().Add(lasts))
			given.Token = &token
		}
		switch {
		case errors.Is(err, devauth.ErrNoUser):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, "the token could not be made", http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(given)
		}
	})
}

// whose returns the user of a request, "" for anonymous, and the lifetime of the token.
func whose(request devTokenRequest, first devauth.User, life time.Duration) (user string, lasts time.Duration) {
	switch request.Identity {
	case signedOut:
		return "", 0
	case expired:
		return first.ID.String(), -expiredAgo
	case "":
		if request.ExpiresIn != 0 {
			life = time.Duration(request.ExpiresIn) * time.Second
		}
		return cmp.Or(request.User, first.ID.String()), life
	}
	return request.Identity, life
}

// runToken gets a token from `usergraph dev` and prints it.
func (p *application) runToken(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "token", "Prints an access token for a user of a running `usergraph dev`.", "usergraph token --as bob@example.com --expires -5m")
	url := flags.String("url", "http://127.0.0.1:8080", "where usergraph dev listens")
	as := flags.String("as", "", "the user's address or id: one of the banner's, or of somebody who signed up; the first user if not given")
	expires := flags.Duration("expires", devTokenLife, "how long the token lives; negative for one that has expired")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	token, err := askDevToken(ctx, *url, devTokenRequest{User: *as, ExpiresIn: int64(expires.Seconds())})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, token)
	return err
}

// askDevToken sends a request for a token to a running `usergraph dev`.
func askDevToken(ctx context.Context, url string, ask devTokenRequest) (string, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(url, "/")+devTokenPath, bytes.NewReader(body))
	if err != nil {
		return "", usageError{fmt.Errorf("--url %s: it is not the address of a server", url)}
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", usageError{fmt.Errorf("no usergraph dev at %s: start it, or name its address with --url", url)}
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return "", usageError{fmt.Errorf("--as %s: there is no such user, or %s is not usergraph dev", ask.User, url)}
	}
	var given devToken
	err = json.NewDecoder(answer.Body).Decode(&given)
	if answer.StatusCode != http.StatusOK || err != nil || given.Token == nil {
		return "", errors.New("usergraph dev could not make the token: see what it printed")
	}
	return *given.Token, nil
}
