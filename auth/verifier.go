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

// maxTokenBytes is how long a token may be. Supabase's have some 900 bytes, and 4 KiB with large metadata.
const maxTokenBytes = 16 << 10

// How much the clocks of the issuer and of this machine may differ.
const (
	// leeway is how long a token is accepted after it has expired.
	leeway = 5 * time.Second
	// earlyLeeway is how far iat and nbf may lie in the future, so that a slow clock refuses no fresh token. PostgREST
	// allows for as much.
	earlyLeeway = 30 * time.Second
)

// minSecretBytes is the size of the hash, which RFC 7518, section 3.2, asks of an HS256 key.
const minSecretBytes = 32

// The values that Supabase Auth gives a signed-in user's token, and the roles of its legacy API keys.
const (
	audienceAuthenticated = "authenticated"
	roleAuthenticated     = "authenticated"
	roleAnon              = "anon"
	roleService           = "service_role"
)

// Config is what NewVerifier needs to know. Its zero values are the defaults; only Issuers has none.
type Config struct {
	// Issuers are those whose tokens are accepted: the names of one project. A project with two names is two issuers that
	// share their keys. They must have the same users: UserID alone says who a caller is, whichever issuer names it.
	Issuers []Issuer
	// Audience is what aud must contain; "authenticated" by default.
	Audience string
	// OAuthClients are the ids of OAuth apps whose tokens are accepted. Any other token with a client_id is refused.
	OAuthClients []string

	// PublishableKeys are the project's API keys for clients: sb_publishable_…, or the legacy anon key. They name no
	// user: as a bearer token they mean anonymous.
	PublishableKeys []string
	// RequireAPIKey refuses requests without one of PublishableKeys in the header apikey.
	RequireAPIKey bool

	// SessionCookie is the name of the session cookie of @supabase/ssr, see SessionCookieName. "" takes no cookies.
	SessionCookie string
	// CookieOrigins are origins besides the server's own, such as https://app.example.com, whose pages may use the cookie.
	CookieOrigins []string

	// CheckSession, if set, is asked about the session of each caller after the token was verified. ErrSessionRevoked
	// refuses the caller; any other error means that nothing is known and becomes ErrSessionUnchecked.
	CheckSession func(context.Context, *Claims) error

	// CacheEntries and CacheBytes bound the verified tokens that are remembered; 10,000 and 32 MiB by default.
	CacheEntries int
	CacheBytes   int

	// Hooks are told what happens.
	Hooks Hooks
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Issuer is a name under which a project signs tokens, with the keys that count for it.
type Issuer struct {
	// URL is what iss must be, character by character: https://<ref>.supabase.co/auth/v1, without a slash at the end.
	URL string
	// Keys verify ES256, RS256 and EdDSA. nil if the project only has a secret. The verifier closes them.
	Keys KeySet
	// Secret verifies HS256, which is refused without one. At least 32 bytes (RFC 7518, section 3.2).
	Secret []byte
	// AcceptNoIssuer takes tokens without iss to be this issuer's, as self-hosted projects and custom access token
	// hooks make them. They still need a signature by this issuer's keys. One issuer at most may say so.
	AcceptNoIssuer bool
}

// Hooks are functions that are called when something happens, for logs and metrics. They are called on the goroutine of
// the request, so they must be quick. Any may be nil.
type Hooks struct {
	// Verified is told of each accepted token, and whether it was found in the cache. Claims.Algorithm answers whether
	// the legacy secret is still in use. An anon key is not counted: it names nobody.
	Verified func(ctx context.Context, claims *Claims, cached bool)
	// Refused is told of each refusal: its code, and the error with its cause.
	Refused func(ctx context.Context, code string, err error)
}

// issuer is an Issuer in use.
type issuer struct {
	url      string
	keys     KeySet // nil if there is only a secret
	secret   []byte // nil if there are only keys
	loopback bool
}

// Verifier verifies access tokens. It is safe for concurrent use.
type Verifier struct {
	issuers  map[string]*issuer
	noIssuer *issuer // whose tokens those without iss are, or nil
	keySets  []KeySet
	apiKeys  [][sha256.Size]byte
	cfg      Config
	parser   *jwt.Parser
	cache    cache
	secrets  jwt.VerificationKeySet // of all issuers, for anon keys
}

// NewVerifier refuses a configuration that would accept forged tokens: no issuer, an issuer without keys, a short secret,
// or the published development keys of Supabase for an issuer that is not on a loopback address.
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
		// We check the claims: golang-jwt takes fractions of seconds, and its messages are not for clients.
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

// Ready returns nil if tokens of every issuer can be verified, and ErrKeysUnavailable with the reason if not. It fetches
// keys that are missing, so calling it at the start saves the first request the wait. An issuer that has a secret need
// not have a key set: one that is empty or not there is enough.
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

// Status tells how the key set of each issuer is, by the issuer's URL. Issuers that only have a secret are left out.
func (v *Verifier) Status() map[string]KeyStatus {
	status := map[string]KeyStatus{}
	for _, i := range v.issuers {
		if i.keys != nil {
			status[i.url] = i.keys.Status()
		}
	}
	return status
}

// Purge forgets all verified tokens and all fetched keys. The next request fetches the keys anew and waits for them.
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

// Verify returns the claims of an access token that nobody has verified yet. The error is ErrTokenInvalid,
// ErrTokenExpired or ErrKeysUnavailable, or ErrAnonymous for a good anon key; Public turns it into what a client may see.
// The session is not checked here.
func (v *Verifier) Verify(ctx context.Context, rawToken string) (*Claims, error) {
	claims, err := v.verify(ctx, rawToken)
	if err == nil && claims == nil {
		err = ErrAnonymous
	}
	return claims, v.report(ctx, err)
}

// report tells the hook of a refusal.
func (v *Verifier) report(ctx context.Context, err error) error {
	if err != nil && v.cfg.Hooks.Refused != nil {
		code, _ := Public(err)
		v.cfg.Hooks.Refused(ctx, code, err)
	}
	return err
}

// verify returns no claims and no error for an anon key.
func (v *Verifier) verify(ctx context.Context, rawToken string) (*Claims, error) {
	if len(rawToken) > maxTokenBytes {
		return nil, refuse(ErrTokenInvalid, fmt.Sprintf("token is longer than %d bytes", maxTokenBytes), nil)
	}
	if known, ok := v.cache.find(rawToken); ok {
		return v.verifyKnown(ctx, rawToken, known)
	}
	return v.verifyNew(ctx, rawToken)
}

// verifyKnown asks again what may have changed since a token was verified: the time, and the keys.
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
