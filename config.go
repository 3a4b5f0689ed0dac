package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/joho/godotenv"
)

// config is every setting of the server, checked.
type config struct {
	host           string
	port           int
	databaseURL    string
	databaseConns  int
	supabaseURL    string
	jwks           string
	jwksURL        string
	issuers        []string
	jwtSecret      string
	introspection  bool
	logFormat      string
	requestTimeout time.Duration
	drainTimeout   time.Duration
}

// setting is one environment variable: what it is called, what it means, and how it gets into the config.
// The table of the README and of `usergraph serve --help` is written from these.
type setting struct {
	name, fallback, meaning string
	set                     func(c *config, value string) error
}

var settings = []setting{
	{"DATABASE_URL", "", "PostgreSQL, logging in as `authenticator`; required. SUPABASE_DB_URL is read too",
		func(c *config, v string) error { c.databaseURL = v; return checkURL(v, "postgres", "postgresql") }},
	{"DATABASE_MAX_CONNS", "16", "connections to PostgreSQL at most, all kept open",
		func(c *config, v string) error { return setInt(&c.databaseConns, v, 1, 10_000) }},
	{"SUPABASE_URL", "", "the project, `https://<ref>.supabase.co`: issuer and key set follow from it",
		func(c *config, v string) error {
			c.supabaseURL = strings.TrimSuffix(v, "/")
			return checkURL(v, "https", "http")
		}},
	{"SUPABASE_JWT_ISSUER", "", "who may have issued a token, separated by commas; default: SUPABASE_URL + `/auth/v1`",
		func(c *config, v string) error { c.issuers = splitList(v); return nil }},
	{"SUPABASE_JWKS_URL", "", "where the public keys are; default: the issuer + `/.well-known/jwks.json`",
		func(c *config, v string) error { c.jwksURL = v; return checkURL(v, "https", "http") }},
	{"SUPABASE_JWKS", "", "the public keys themselves, a JWKS in JSON; nothing is fetched then",
		func(c *config, v string) error { c.jwks = v; return nil }},
	{"SUPABASE_JWT_SECRET", "", "the HS256 secret of a project that has not moved to signing keys",
		func(c *config, v string) error { c.jwtSecret = v; return nil }},
	{"HOST", "0.0.0.0", "the address to listen on", func(c *config, v string) error {
		c.host = v
		_, err := netip.ParseAddr(v)
		if err != nil && v != "localhost" {
			return errors.New("is not an IP address")
		}
		return nil
	}},
	{"PORT", "8080", "the port to listen on; 0 lets the system choose",
		func(c *config, v string) error { return setInt(&c.port, v, 0, 65535) }},
	{"INTROSPECTION", "off", "`on`: anybody may read the schema",
		func(c *config, v string) error { return setSwitch(&c.introspection, v) }},
	{"REQUEST_TIMEOUT", "15s", "how long an operation may take",
		func(c *config, v string) error { return setDuration(&c.requestTimeout, v, time.Second, time.Hour) }},
	{"DRAIN_TIMEOUT", "20s", "how long requests may take to finish after SIGTERM",
		func(c *config, v string) error { return setDuration(&c.drainTimeout, v, 0, time.Hour) }},
	{"LOG_FORMAT", "auto", "`json`, `text`, or `auto`: text in a terminal, JSON elsewhere", func(c *config, v string) error {
		c.logFormat = v
		return checkOneOf(v, "auto", "json", "text")
	}},
}

// listen is the address to listen on.
func (c config) listen() string { return net.JoinHostPort(c.host, strconv.Itoa(c.port)) }

// errNothingSet says that somebody started the server to see what happens.
var errNothingSet = errors.New(`no settings: DATABASE_URL and SUPABASE_URL are missing

To try usergraph here, with a database and users of its own:   usergraph dev
To run it with your Supabase project, set DATABASE_URL and SUPABASE_URL; ` + "`usergraph serve --help`" + ` lists all settings`)

// readConfig reads all settings and reports everything that is wrong with them at once.
func readConfig(getenv func(string) string) (config, error) {
	var c config
	var problems []error
	anySet := false
	for _, s := range settings {
		value := getenv(s.name)
		if s.name == "DATABASE_URL" {
			value = cmp.Or(value, getenv("SUPABASE_DB_URL"))
		}
		anySet = anySet || (value != "" && s.name != "PORT" && s.name != "HOST")
		if value == "" {
			value = s.fallback
		}
		if value == "" {
			continue
		}
		if err := s.set(&c, value); err != nil {
			problems = append(problems, fmt.Errorf("%s %w", s.name, err))
		}
	}
	if !anySet {
		return config{}, errNothingSet
	}
	if c.databaseURL == "" {
		problems = append(problems, errors.New("DATABASE_URL is missing: take it from Supabase's dashboard, Connect, and log in as authenticator"))
	}
	if c.supabaseURL == "" && len(c.issuers) == 0 {
		problems = append(problems, errors.New("SUPABASE_URL is missing: https://<ref>.supabase.co, from Supabase's dashboard, Connect"))
	}
	if c.supabaseURL != "" && !isLoopback(c.supabaseURL) && strings.HasPrefix(c.supabaseURL, "http:") {
		problems = append(problems, errors.New("SUPABASE_URL must be https: keys fetched over http can be anybody's"))
	}
	if strings.HasPrefix(c.jwksURL, "http:") && !isLoopback(c.jwksURL) {
		problems = append(problems, errors.New("SUPABASE_JWKS_URL must be https: keys fetched over http can be anybody's"))
	}
	if c.jwksURL != "" && c.jwks != "" {
		problems = append(problems, errors.New("SUPABASE_JWKS and SUPABASE_JWKS_URL are both set: keep one"))
	}
	if len(problems) > 0 {
		return config{}, errors.Join(problems...)
	}
	if len(c.issuers) == 0 {
		c.issuers = []string{c.supabaseURL + "/auth/v1"}
	}
	if c.jwksURL == "" && c.jwks == "" {
		base := c.issuers[0]
		if c.supabaseURL != "" {
			base = c.supabaseURL + "/auth/v1"
		}
		c.jwksURL = base + "/.well-known/jwks.json"
	}
	return c, nil
}

// withDotenv adds what .env.local and .env in dir say, in that order, to an environment that always comes first.
func withDotenv(getenv func(string) string, dir string) (func(string) string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	values := map[string]string{}
	for _, name := range []string{".env", ".env.local"} {
		text, err := root.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read settings: %w", err)
		}
		parsed, err := godotenv.UnmarshalBytes(text)
		if err != nil {
			// The cause quotes the line, which may hold a secret.
			return nil, fmt.Errorf("%s is not of the form NAME=value, one a line", name)
		}
		for key, value := range parsed {
			values[key] = value
		}
	}
	return func(name string) string { return cmp.Or(getenv(name), values[name]) }, nil
}

// printSettings writes the table of settings.
func printSettings(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.name, s.fallback, s.meaning)
	}
	_ = table.Flush()
}

func checkURL(value string, schemes ...string) error {
	parsed, err := url.Parse(value)
	if err != nil || parsed.Host == "" || !slices.Contains(schemes, parsed.Scheme) {
		// The value may hold a password: it is not shown.
		return fmt.Errorf("is not a URL that starts with %s://", schemes[0])
	}
	return nil
}

func checkOneOf(value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("is %q, not one of %s", value, strings.Join(allowed, ", "))
	}
	return nil
}

func setInt(target *int, value string, least, most int) error {
	number, err := strconv.Atoi(value)
	if err != nil || number < least || number > most {
		return fmt.Errorf("is %q, not a number from %d to %d", value, least, most)
	}
	*target = number
	return nil
}

func setSwitch(target *bool, value string) error {
	*target = value == "on"
	return checkOneOf(value, "on", "off")
}

func setDuration(target *time.Duration, value string, least, most time.Duration) error {
	duration, err := time.ParseDuration(value)
	if err != nil || duration < least || duration > most {
		return fmt.Errorf("is %q, not a duration such as 15s, from %s to %s", value, least, most)
	}
	*target = duration
	return nil
}

func splitList(value string) []string {
	var list []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// isLoopback tells whether a URL's host is this machine, whatever a name server says.
func isLoopback(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil {
		return false
	}
	if parsed.Hostname() == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(parsed.Hostname())
	return err == nil && ip.IsLoopback()
}
