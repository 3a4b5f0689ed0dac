package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxTokenBytes bounds a token. Supabase's have about 900 bytes, and 4 KiB with large metadata.
const maxTokenBytes = 16 << 10

// The clock skew that is accepted between the issuer and this machine.
const (
	// leeway is how long an expired token is still accepted.
	leeway = 5 * time.Second
	// earlyLeeway is how far iat and nbf may be in the future, so that a slow clock refuses no new token. PostgREST
	// uses the same value.
	earlyLeeway = 30 * time.Second
)

// minSecretBytes is the shortest HS256 key: the size of the hash (RFC 7518, section 3.2).
const minSecretBytes = 32

// The values in Supabase Auth's tokens of signed-in users, and the roles of its legacy API keys.
const (
	audienceAuthenticated = "authenticated"
	roleAuthenticated     = "authenticated"
	roleAnon              = "anon"
	roleService           = "service_role"
)

// Config configures a Verifier. Only Issuers is required.
type Config struct {
	// Issuers are the accepted issuers, all of one project. A project with two names is two issuers that share their
	// keys and must share their users: UserID alone identifies a caller, under any issuer.
	Issuers []Issuer
	// Audience must be in aud. Defaults to "authenticated".
	Audience string
	// OAuthClients are the ids of accepted OAuth apps. Any other token with a client_id is refused.
	OAuthClients []string

	// PublishableKeys are the project's API keys for clients: sb_publishable_…, or the legacy anon key. As a bearer
	// token they mean anonymous.
	PublishableKeys []string
	// RequireAPIKey refuses requests without one of PublishableKeys in the apikey header.
	RequireAPIKey bool

	// SessionCookie is the name of @supabase/ssr's session cookie, see SessionCookieName. "" ignores cookies.
	SessionCookie string
	// CookieOrigins are more origins whose pages may use the cookie, such as https://app.example.com.
	CookieOrigins []string

	// CheckSession, if set, is called for each caller after the token was verified. ErrSessionRevoked refuses the
	// caller. Any other error means that the check failed, and becomes ErrSessionUnchecked.
	CheckSession func(context.Context, *Claims) error

	// CacheEntries and CacheBytes bound the cache of verified tokens. They default to 10,000 and 32 MiB.
	CacheEntries int
	CacheBytes   int

	// Hooks are called on verification and refusal.
	Hooks Hooks
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Issuer is an issuer of the project's tokens, with its keys.
type Issuer struct {
	// URL must equal iss, character by character: https://<ref>.supabase.co/auth/v1, without a trailing slash.
	URL string
	// Keys verify ES256, RS256 and EdDSA. Nil if the project only has a secret. Verifier.Close closes them.
	Keys KeySet
	// Secret verifies HS256, at least 32 bytes (RFC 7518, section 3.2). Without it HS256 is refused.
	Secret []byte
	// AcceptNoIssuer accepts tokens without iss as this issuer's, as self-hosted projects and custom access token hooks
	// issue them. They must be signed with this issuer's keys. At most one issuer may set it.
	AcceptNoIssuer bool
}

// Hooks are functions for logs and metrics. They run on the request's goroutine, so they must be quick. Each may be
// nil.
type Hooks struct {
	// Verified is called for each accepted token, and told whether it was cached. Claims.Algorithm shows whether the
	// legacy secret is still in use. It is not called for an anon key, which names no user.
	Verified func(ctx context.Context, claims *Claims, cached bool)
	// Refused is called for each refusal with its code, and the error with its cause.
	Refused func(ctx context.Context, code string, err error)
}

// issuer is a configured Issuer.
type issuer struct {
	url      string
	keys     KeySet // nil if there is only a secret
	secret   []byte // nil if there are only keys
	loopback bool
}

// Verifier verifies access tokens. It is safe for concurrent use.
type Verifier struct {
	issuers  map[string]*issuer
	noIssuer *issuer // the issuer of tokens without iss, or nil
	keySets  []KeySet
	apiKeys  [][sha256.Size]byte
	cfg      Config
	parser   *jwt.Parser
	cache    cache
	secrets  jwt.VerificationKeySet // of all issuers, for anon keys
	agents   bool                   // only tokens of OAuth apps are accepted, see Agents
	resource string                 // an accepted audience besides Config.Audience
}

// NewVerifier returns a Verifier. It refuses a configuration that would accept forged tokens: no issuer, an issuer
// without keys, a short secret, or Supabase's published development keys for an issuer that is not on a loopback
// address.
func NewVerifier(cfg Config) (*Verifier, error) {
	cfg.Audience = cmp.Or(cfg.Audience, audienceAuthenticated)
	cfg.CacheEntries = cmp.Or(cfg.CacheEntries, defaultCacheEntries)
	cfg.CacheBytes = cmp.Or(cfg.CacheBytes, defaultCacheBytes)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	v := &Verifier{
		cfg:     cfg,
		issuers: make(map[string]*issuer, len(cfg.Issuers)),
		// This package checks the claims: golang-jwt accepts fractions of seconds, and its messages are not for
		// clients.
		parser: jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()),
	}
	var problems []error
	if len(cfg.Issuers) == 0 {
		problems = append(problems, errors.New("at least one issuer is required"))
	}
	if cfg.CacheEntries < 1 || cfg.CacheBytes < cfg.CacheEntries {
		problems = append(problems, errors.New("the cache needs at least one entry, and a byte for each"))
	}
	if cfg.RequireAPIKey && len(cfg.PublishableKeys) == 0 {
		problems = append(problems, errors.New("an API key is required, but no publishable key is known"))
	}
	for _, i := range cfg.Issuers {
		if err := v.addIssuer(i); err != nil {
			problems = append(problems, fmt.Errorf("issuer %s: %w", i.URL, err))
		}
	}
	for _, key := range cfg.PublishableKeys {
		if key == "" {
			problems = append(problems, errors.New("a publishable key is empty"))
		}
		if checkKey(key) != nil {
			problems = append(problems, errors.New("a publishable key is a secret one, which bypasses row-level security"))
		}
		v.apiKeys = append(v.apiKeys, sha256.Sum256([]byte(key)))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var err error
	v.cache, err = newCache(cfg.CacheEntries, cfg.CacheBytes)
	return v, err
}

// Agents returns a Verifier for a door that only OAuth apps use, such as the agents of a user: tokens with a client_id,
// of any app that the project's Auth has registered. A token of the user's own session is refused, no cookie is read, and
// no API key is required, since such apps know none. resource, if not empty, is an audience that is accepted besides Config.Audience: a custom access token hook can
// set it (RFC 8707). The Verifier shares the keys of v, which closes them. Its cache is its own, and of the same size.
func (v *Verifier) Agents(resource string) (*Verifier, error) {
	agents := *v
	agents.agents, agents.resource = true, resource
	agents.cfg.SessionCookie, agents.cfg.RequireAPIKey = "", false
	agents.keySets = nil
	var err error
	agents.cache, err = newCache(v.cfg.CacheEntries, v.cfg.CacheBytes)
	return &agents, err
}

func (v *Verifier) addIssuer(i Issuer) error {
	parsed, err := url.Parse(i.URL)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "https" && parsed.Scheme != "http") {
		return errors.New("its URL does not start with https://")
	}
	if v.issuers[i.URL] != nil {
		return errors.New("it is configured twice")
	}
	if i.Keys == nil && len(i.Secret) == 0 {
		return errors.New("it has neither keys nor a secret")
	}
	added := &issuer{url: i.URL, keys: i.Keys, loopback: IsLoopback(parsed.Hostname())}
	if len(i.Secret) > 0 {
		if err := checkSecret(i.Secret, added.loopback); err != nil {
			return err
		}
		added.secret = slices.Clone(i.Secret)
		v.secrets.Keys = append(v.secrets.Keys, added.secret)
	}
	if static, ok := i.Keys.(*StaticKeySet); ok && !added.loopback {
		for _, key := range static.keys {
			if key.published {
				return errPublishedKey
			}
		}
	}
	if i.AcceptNoIssuer {
		if v.noIssuer != nil {
			return errors.New("another issuer takes the tokens without iss already")
		}
		v.noIssuer = added
	}
	v.issuers[i.URL] = added
	if i.Keys != nil && !slices.Contains(v.keySets, i.Keys) {
		v.keySets = append(v.keySets, i.Keys)
	}
	return nil
}

func checkSecret(secret []byte, loopback bool) error {
	if len(secret) < minSecretBytes {
		return fmt.Errorf("its secret is shorter than %d bytes", minSecretBytes)
	}
	if slices.Contains(publishedSecrets, string(secret)) && !loopback {
		return errors.New("its secret is the one that Supabase publishes for development: anybody can sign tokens with it")
	}
	return nil
}

var errPublishedKey = refuse(ErrTokenInvalid, "token is signed with the key that Supabase publishes for development, which only a loopback issuer may use", nil)

// Ready returns nil if tokens of every issuer can be verified, and else ErrKeysUnavailable with the reason. It fetches
// missing keys, so that a call at the start saves the first request the wait. An issuer with a secret may have an empty
// key set, or none at its URL.
func (v *Verifier) Ready(ctx context.Context) error {
	var problems []error
	for _, i := range v.issuers {
		if i.keys == nil {
			continue
		}
		err := i.keys.Ready(ctx)
		if i.secret != nil && errors.Is(err, errNoKeySet) {
			continue // a project that signs with its secret need not publish keys
		}
		if err == nil && i.keys.Status().Keys == 0 && i.secret == nil {
			err = fmt.Errorf("%w: the key set is empty and there is no secret, so no token can be verified", ErrKeysUnavailable)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("issuer %s: %w", i.url, err))
		}
	}
	return errors.Join(problems...)
}

// Status returns the state of each issuer's key set by the issuer's URL. Issuers without a key set are left out.
func (v *Verifier) Status() map[string]KeyStatus {
	status := map[string]KeyStatus{}
	for _, i := range v.issuers {
		if i.keys != nil {
			status[i.url] = i.keys.Status()
		}
	}
	return status
}

// Purge drops all cached tokens and fetched keys. The next request fetches the keys again and waits for them. The keys
// are those of Agents too, whose cached tokens are then verified again.
func (v *Verifier) Purge() {
	v.cache.purge()
	for _, keys := range v.keySets {
		keys.Purge()
	}
}

// Close closes the key sets.
func (v *Verifier) Close() error {
	var errs []error
	for _, keys := range v.keySets {
		errs = append(errs, keys.Close())
	}
	return errors.Join(errs...)
}

// Verify returns the claims of an access token. The error is ErrTokenInvalid, ErrTokenExpired or ErrKeysUnavailable, or
// ErrAnonymous for a valid anon key; Public returns what a client may see of it. Verify does not check the session.
func (v *Verifier) Verify(ctx context.Context, rawToken string) (*Claims, error) {
	claims, err := v.verify(ctx, rawToken)
	if err == nil && claims == nil {
		err = ErrAnonymous
	}
	return claims, v.report(ctx, err)
}

// report calls the hook for a refusal.
func (v *Verifier) report(ctx context.Context, err error) error {
	if err != nil && v.cfg.Hooks.Refused != nil {
		code, _ := Public(err)
		v.cfg.Hooks.Refused(ctx, code, err)
	}
	return err
}

// verify verifies a token. It returns nil and no error for an anon key.
func (v *Verifier) verify(ctx context.Context, rawToken string) (*Claims, error) {
	if len(rawToken) > maxTokenBytes {
		return nil, refuse(ErrTokenInvalid, fmt.Sprintf("token is longer than %d bytes", maxTokenBytes), nil)
	}
	if known, ok := v.cache.find(rawToken); ok {
		return v.verifyKnown(ctx, rawToken, known)
	}
	return v.verifyNew(ctx, rawToken)
}

// verifyKnown checks again what may have changed since a token was verified: the time and the keys.
func (v *Verifier) verifyKnown(ctx context.Context, rawToken string, known *verified) (*Claims, error) {
	if now := v.cfg.Now(); !now.Before(known.goodTil) {
		return nil, expired(now, known.goodTil.Add(-leeway))
	}
	if known.key != nil {
		key, err := known.keys.Key(ctx, known.key.Algorithm, known.key.ID, known.claims.IssuedAt)
		if err != nil {
			return nil, err
		}
		if key != known.key {
			return v.verifyNew(ctx, rawToken)
		}
	}
	if known.claims != nil && v.cfg.Hooks.Verified != nil {
		v.cfg.Hooks.Verified(ctx, known.claims, true)
	}
	return known.claims, nil
}

func (v *Verifier) verifyNew(ctx context.Context, rawToken string) (*Claims, error) {
	found, err := v.check(ctx, rawToken)
	if errors.Is(err, ErrAnonymous) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v.cache.put(rawToken, found)
	if found.claims != nil && v.cfg.Hooks.Verified != nil {
		v.cfg.Hooks.Verified(ctx, found.claims, false)
	}
	return found.claims, nil
}
