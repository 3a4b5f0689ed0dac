package app

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"usergraph/auth"
	"usergraph/endpoint"
	"usergraph/internal/ratelimit"
	"usergraph/mcp"
	"usergraph/playground"
)

// config holds the checked value of every setting.
type config struct {
	host              string
	port              int
	databaseURL       string
	databaseListenURL string
	databaseReadURL   string
	databaseMaxLag    time.Duration
	databaseConns     int
	databaseResult    int
	supabaseURL       string
	jwks              string
	jwksURL           string
	issuers           []string
	jwtSecret         string
	jwksMaxStale      time.Duration
	acceptNoIssuer    bool
	oauthClients      []string

	publishableKeys      []string
	apiKeyRequired       bool
	sessionCookie        string
	sessionCookieOrigins []string
	sessionCheck         string
	sessionCheckMaxAge   time.Duration

	mcp          bool
	mcpMutations bool
	publicURL    string // "" for the listener's own

	playground     bool
	logFormat      string
	logLevel       slog.Level
	slowOperation  time.Duration
	drainDelay     time.Duration
	drainTimeout   time.Duration
	adminAddress   string // "" for none
	h2c            bool
	trustedProxies []netip.Prefix
	rateLimit      ratelimit.Config
	redisURL       string // "" for none
	endpoint       endpointConfig

	// development and debug are set by `usergraph dev`, not by a setting.
	development bool // the server is reachable from this machine only
	debug       *endpoint.Debug
}

// settings lists the environment variables of the server: name, default, meaning, and the function that puts the value
// into the config. docs/settings.md is written from the list: go test ./app -run Settings -update.
var settings = slices.Concat([]setting{
	{"DATABASE_URL", "", "connection string of PostgreSQL; required. Its login role can switch only to `anon` and `authenticated`. SUPABASE_DB_URL is read too",
		func(c *config, v string) error { return setDatabase(&c.databaseURL, v) }},
	{"DATABASE_LISTEN_URL", "", "connection string for LISTEN, which does not work through a pooler in transaction mode. Defaults to DATABASE_URL",
		func(c *config, v string) error { return setDatabase(&c.databaseListenURL, v) }},
	{"DATABASE_MIGRATE_URL", "", "connection string for `usergraph migrate`. Its login role may change the schema. Defaults to DATABASE_URL",
		func(_ *config, v string) error { return setDatabase(new(string), v) }},
	{"DATABASE_READ_URL", "", "connection string of a streaming replica that queries read from, with the login role of DATABASE_URL",
		func(c *config, v string) error { return setDatabase(&c.databaseReadURL, v) }},
	{"DATABASE_READ_MAX_LAG", "5s", "largest replication lag of reads. After a mutation a caller reads from DATABASE_URL for this long",
		func(c *config, v string) error { return setDuration(&c.databaseMaxLag, v, time.Second, time.Hour) }},
	{"DATABASE_MAX_CONNS", "16", "largest number of connections to DATABASE_URL, and the same again to DATABASE_READ_URL. Idle connections stay open",
		func(c *config, v string) error { return setInt(&c.databaseConns, v, 1, 10_000) }},
	{"DATABASE_MAX_RESULT_BYTES", "4194304", "largest result of one SQL statement, in bytes",
		func(c *config, v string) error { return setInt(&c.databaseResult, v, 1<<10, 1<<30) }},
	{"SUPABASE_URL", "", "the project, `https://<ref>.supabase.co`. SUPABASE_JWT_ISSUER and SUPABASE_JWKS_URL follow from it. `http://kong:8000` only with SUPABASE_JWKS: nothing is fetched then",
		func(c *config, v string) error { return setProject(&c.supabaseURL, v) }},
	{"SUPABASE_JWT_ISSUER", "", "accepted issuers (iss), all names of one project, separated by commas. Defaults to SUPABASE_URL + `/auth/v1`",
		func(c *config, v string) error { return setIssuers(&c.issuers, v) }},
	{"SUPABASE_JWKS_URL", "", "URL of the public keys (JWKS). Defaults to the issuer + `/.well-known/jwks.json`",
		func(c *config, v string) error { c.jwksURL = v; return checkURL(v) }},
	{"SUPABASE_JWKS", "", "the public keys as JSON (JWKS). If set, no keys are fetched. `{\"keys\":[]}` accepts only tokens signed with SUPABASE_JWT_SECRET",
		func(c *config, v string) error { return setJWKS(&c.jwks, v) }},
	{"SUPABASE_JWT_SECRET", "", "HS256 secret of a project that has not moved to signing keys",
		func(c *config, v string) error { return setSecret(&c.jwtSecret, v) }},
	{"SUPABASE_JWKS_MAX_STALE", "1h", "how long fetched keys stay in use while fetching fails",
		func(c *config, v string) error { return setDuration(&c.jwksMaxStale, v, 10*time.Minute, 24*time.Hour) }},
	{"SUPABASE_ACCEPT_NO_ISSUER", "off", "`on`: a token without iss counts as issued by the first issuer. Some self-hosted projects sign such tokens",
		func(c *config, v string) error { return setSwitch(&c.acceptNoIssuer, v) }},
	{"SUPABASE_OAUTH_CLIENTS", "", "ids of OAuth clients whose tokens are accepted, separated by commas",
		func(c *config, v string) error { return setNames(&c.oauthClients, v) }},
	{"SUPABASE_PUBLISHABLE_KEYS", "", "publishable API keys of the project, as a JSON object by name or separated by commas. SUPABASE_PUBLISHABLE_KEY is read too",
		func(c *config, v string) (err error) {
			if c.publishableKeys, err = parsePublishableKeys(v); err != nil {
				return err
			}
			for _, key := range c.publishableKeys {
				if !playground.IsPublishable(key) {
					return errors.New("holds a key that is not publishable: it would be shown to everybody") // it may be a secret
				}
			}
			return checkNotEmpty(c.publishableKeys)
		}},
	{"API_KEY_REQUIRED", "off", "`on`: a request needs one of SUPABASE_PUBLISHABLE_KEYS in its apikey header",
		func(c *config, v string) error { return setSwitch(&c.apiKeyRequired, v) }},
	{"SESSION_COOKIE", "off", "`on`: pages of the same origin may authenticate with the session cookie of @supabase/ssr. Or the name of that cookie, if it has another",
		func(c *config, v string) error { return setCookie(&c.sessionCookie, v) }},
	{"SESSION_COOKIE_ORIGINS", "", "more origins whose pages may use the session cookie, separated by commas: `https://app.example.com`",
		func(c *config, v string) error { return setCookieOrigins(&c.sessionCookieOrigins, v) }},
	{"SESSION_CHECK", "off", "`always`: each request asks PostgreSQL whether the session has ended or the user is banned",
		func(c *config, v string) error { c.sessionCheck = v; return checkOneOf(v, "off", "always") }},
	{"SESSION_CHECK_MAX_AGE", "0s", "how long SESSION_CHECK caches that a session is live. A few seconds make the check cheap; revocation takes effect that much later",
		func(c *config, v string) error { return setDuration(&c.sessionCheckMaxAge, v, 0, time.Minute) }},
	{"HOST", "0.0.0.0", "address to listen on", func(c *config, v string) error {
		c.host = v
		_, err := netip.ParseAddr(v)
		if err != nil && v != "localhost" {
			return errors.New("is not an IP address")
		}
		return nil
	}},
	{"PORT", "8080", "port to listen on. `0` lets the system choose",
		func(c *config, v string) error { return setInt(&c.port, v, 0, 65535) }},
	{"PLAYGROUND", "off", "`on`: serves a browser IDE at `/`, for users with a token or a password. The IDE needs INTROSPECTION",
		func(c *config, v string) error { return setSwitch(&c.playground, v) }},
	{"PUBLIC_URL", "", "where clients reach the server, such as `https://api.example.com`: the name of the resource that agents ask for. MCP needs it",
		func(c *config, v string) error { c.publicURL = v; return mcp.CheckPublicURL(v) }},
	{"MCP", "off", "`on`: serves the queries of `documents/` that have a description to agents, at `/mcp`",
		func(c *config, v string) error { return setSwitch(&c.mcp, v) }},
	{"MCP_MUTATIONS", "off", "`on`: serves the mutations of `documents/` that have a description too",
		func(c *config, v string) error { return setSwitch(&c.mcpMutations, v) }},
	{"DRAIN_DELAY", "5s", "how long the server still accepts requests after SIGTERM. `/readyz` fails meanwhile, so that load balancers stop sending them",
		func(c *config, v string) error { return setDuration(&c.drainDelay, v, 0, time.Hour) }},
	{"DRAIN_TIMEOUT", "20s", "how long requests may take to finish after DRAIN_DELAY",
		func(c *config, v string) error { return setDuration(&c.drainTimeout, v, 0, time.Hour) }},
	{"RATE_LIMIT", "off", "requests of a signed-in caller in a duration, such as `600/1m`. A burst may use all of them",
		func(c *config, v string) error { return setLimit(&c.rateLimit.Caller, v) }},
	{"RATE_LIMIT_ANONYMOUS", "off", "requests of anonymous callers in a duration, for each IP address or IPv6 /64 network",
		func(c *config, v string) error { return setLimit(&c.rateLimit.Anonymous, v) }},
	{"REDIS_URL", "", "Redis for shared rate limits and recent writers, `redis://` or `rediss://`. Defaults to the memory of each server",
		func(c *config, v string) error { return setRedis(&c.redisURL, v) }},
	{"TRUSTED_PROXIES", "", "IP addresses and networks whose X-Forwarded-For header is trusted, separated by commas",
		func(c *config, v string) error { return setProxies(&c.trustedProxies, v) }},
	{"LOG_FORMAT", "auto", "`json`, `text`, or `auto`: text in a terminal, JSON elsewhere", func(c *config, v string) error {
		c.logFormat = v
		return checkOneOf(v, "auto", "json", "text")
	}},
	{"LOG_LEVEL", "info", "`debug`, `info`, `warn` or `error`. `warn` leaves out the line for each request", func(c *config, v string) error {
		if err := checkOneOf(v, "debug", "info", "warn", "error"); err != nil {
			return err
		}
		return c.logLevel.UnmarshalText([]byte(v))
	}},
	{"SLOW_OPERATION", "1s", "operations that take longer are logged as slow. `0s` logs none",
		func(c *config, v string) error { return setDuration(&c.slowOperation, v, 0, time.Hour) }},
	{"ADMIN_ADDR", "", "address of a listener for metrics, profiles and `POST /purge`, such as `127.0.0.1:9090`. It must not be public. Defaults to no listener",
		func(c *config, v string) error { c.adminAddress = v; return checkAddress(v) }},
	{"H2C", "off", "`on`: also serves HTTP/2 without TLS (h2c), for a proxy that speaks it",
		func(c *config, v string) error { return setSwitch(&c.h2c, v) }},
}, endpointSettings)

// secrets names the settings that are never shown. Each can also be given as NAME_FILE, the path of a file with the
// value. Publishable keys are public, but a secret key may be put in their place by mistake.
var secrets = []string{"DATABASE_URL", "DATABASE_LISTEN_URL", "DATABASE_READ_URL", "DATABASE_MIGRATE_URL", "SUPABASE_JWT_SECRET", "REDIS_URL", "SUPABASE_PUBLISHABLE_KEYS"}

// derive fills in defaults that follow from another setting.
func derive(values map[string]string) {
	project := strings.TrimSuffix(values["SUPABASE_URL"], "/")
	if project != "" {
		project += issuerPath
	}
	if values["SUPABASE_JWT_ISSUER"] == "" {
		values["SUPABASE_JWT_ISSUER"] = project
	}
	issuer, _, _ := strings.Cut(values["SUPABASE_JWT_ISSUER"], ",")
	if base := cmp.Or(project, strings.TrimSpace(issuer)); base != "" && values["SUPABASE_JWKS_URL"] == "" && values["SUPABASE_JWKS"] == "" {
		values["SUPABASE_JWKS_URL"] = base + jwksPath
	}
	if values["SESSION_COOKIE"] == "on" && project != "" {
		values["SESSION_COOKIE"] = auth.SessionCookieName(project)
	}
}

// problems returns what is wrong between settings that are valid alone. A setting that is already reported as wrong is
// not also reported as missing.
func (c config) problems(wrong map[string]bool) []error {
	var problems []error
	refuse := func(is bool, text string) {
		if is {
			problems = append(problems, errors.New(text))
		}
	}
	anyWrong := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return wrong[name] })
	}

	refuse(c.databaseURL == "" && !anyWrong("DATABASE_URL"),
		"DATABASE_URL is missing: take host and port from Supabase's dashboard, Connect; deploy/README.md has the login")
	refuse(c.supabaseURL == "" && len(c.issuers) == 0 && !anyWrong("SUPABASE_URL", "SUPABASE_JWT_ISSUER"),
		"SUPABASE_URL is missing: https://<ref>.supabase.co, from Supabase's dashboard, Connect")
	refuse(c.jwksURL == "" && c.jwks == "" && len(c.issuers) > 0 && !anyWrong("SUPABASE_URL", "SUPABASE_JWKS_URL", "SUPABASE_JWKS"), "SUPABASE_JWKS_URL is missing")
	const secretOnly = `. If the project has no keys but SUPABASE_JWT_SECRET, as a self-hosted one, set SUPABASE_JWKS={"keys":[]}: then nothing is fetched`
	refuse(isInsecure(c.supabaseURL) && c.jwks == "" && !anyWrong("SUPABASE_JWKS"), "SUPABASE_URL must be https: keys fetched over http can be anybody's"+secretOnly)
	refuse(!isInsecure(c.supabaseURL) && isInsecure(c.jwksURL), "SUPABASE_JWKS_URL must be https: keys fetched over http can be anybody's"+secretOnly)
	refuse(c.redisURL != "" && c.databaseReadURL == "" && c.rateLimit.Caller == (ratelimit.Limit{}) && c.rateLimit.Anonymous == (ratelimit.Limit{}) &&
		!anyWrong("DATABASE_READ_URL", "RATE_LIMIT", "RATE_LIMIT_ANONYMOUS"),
		"REDIS_URL is set, but neither RATE_LIMIT, RATE_LIMIT_ANONYMOUS nor DATABASE_READ_URL: nothing would be kept there")
	refuse(c.databaseReadURL != "" && c.databaseReadURL == c.databaseURL, "DATABASE_READ_URL is DATABASE_URL: leave it out, or name a replica")
	refuse(c.jwksURL != "" && c.jwks != "", "SUPABASE_JWKS and SUPABASE_JWKS_URL are both set: keep one")
	refuse(c.apiKeyRequired && len(c.publishableKeys) == 0 && !anyWrong("SUPABASE_PUBLISHABLE_KEYS"),
		"API_KEY_REQUIRED needs SUPABASE_PUBLISHABLE_KEYS, from Supabase's dashboard, API Keys")
	refuse(c.sessionCookie == "on" && !anyWrong("SUPABASE_URL"), "SESSION_COOKIE is on without SUPABASE_URL: give the cookie's name instead")
	refuse(c.playground && c.endpoint.introspection == endpoint.IntrospectionOff, "PLAYGROUND=on needs INTROSPECTION: the IDE reads the schema")
	refuse(c.mcp && c.publicURL == "" && !auth.IsLoopback(c.host) && !anyWrong("PUBLIC_URL"),
		"MCP=on needs PUBLIC_URL, where agents reach the server: https://api.example.com")
	refuse(c.mcpMutations && !c.mcp && !anyWrong("MCP"), "MCP_MUTATIONS=on needs MCP=on")
	refuse(c.sharesPort(), "ADMIN_ADDR has the port of PORT: choose another one")
	for _, issuer := range c.issuers {
		problems = append(problems, checkKeys(issuer, c)...)
	}
	return problems
}

// isInsecure reports whether others can change what is fetched from an address.
func isInsecure(address string) bool {
	return strings.HasPrefix(address, "http:") && !auth.IsLoopbackURL(address)
}

// checkKeys asks package auth whether it would verify an issuer's tokens with the configured secret and keys.
func checkKeys(issuer string, c config) (problems []error) {
	if c.jwtSecret != "" {
		if _, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer, Secret: []byte(c.jwtSecret)}}}); err != nil {
			problems = append(problems, fmt.Errorf("SUPABASE_JWT_SECRET: %w", err))
		}
	}
	if c.jwks != "" {
		keys, err := newKeySet(c, nil)
		if err == nil && keys != nil {
			_, err = auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer, Keys: keys}}})
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("SUPABASE_JWKS: %w", err))
		}
	}
	return problems
}

// sharesPort reports whether both listeners would use the same address.
func (c config) sharesPort() bool {
	host, port, err := net.SplitHostPort(c.adminAddress)
	if err != nil || port != strconv.Itoa(c.port) || c.port == 0 {
		return false
	}
	everywhere := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return everywhere(host) || everywhere(c.host) || host == c.host || host == "localhost" || c.host == "localhost"
}

// listen returns the address to listen on.
func (c config) listen() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }
