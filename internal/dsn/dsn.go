// Package dsn answers one question: which server does a connection string name, and with which password?
//
// People paste connection strings with a password that is not percent-encoded. Read as a URL, a piece of such a password
// is a host, a database or a parameter, and gets into the log or to a name server. So this package refuses every string
// that can be read in two ways. Its errors go on where the name of a setting ends, "has a password with …", and quote
// nothing of the string but the names of parameters.
package dsn

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

var (
	errEncode = errors.New("has a password, or another part, with characters that must be percent-encoded: " +
		"write # as %23, % as %25, / as %2F, : as %3A, ? as %3F, @ as %40, a space as %20; " +
		"encodeURIComponent in a browser's console writes all of them")
	errPlaceholder = errors.New("still has a placeholder such as [YOUR-PASSWORD] or <ref>: put the value in its place")
	errHost        = errors.New("names no host, or a port that is not a number from 1 to 65535: postgres://user:password@host:5432/postgres")
)

// placeholder finds what dashboards and our own docs write where a value belongs. The words are listed, because a
// password may be in brackets.
var placeholder = regexp.MustCompile(`(?i)(\[|<|%5B|%3C)(your[-_ ]?)?((database|db)[-_ ]?)?(password|(project[-_ ]?)?(ref|id)|host|region)(\]|>|%5D|%3E)`)

// URL reads a URL of one of these schemes. It takes a user and a password, but nothing after a #.
func URL(text string, schemes ...string) (*url.URL, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if !slices.Contains(schemes, scheme) {
		return nil, fmt.Errorf("is not a URL that starts with %s://", schemes[0])
	}
	if placeholder.MatchString(rest) {
		return nil, errPlaceholder
	}
	// The last @ ends the password, unless a path or a parameter has one. A path or parameters that begin before it may be
	// a piece of the password.
	at, path := strings.LastIndexByte(rest, '@'), strings.IndexAny(rest, "/?")
	if strings.ContainsRune(rest, '#') || strings.ContainsFunc(rest, isSpace) || (path >= 0 && path < at) {
		return nil, errEncode
	}
	if _, err := url.Parse("scheme://" + rest[:at+1] + "host"); err != nil {
		return nil, errEncode
	}
	parsed, err := url.Parse(text)
	if err != nil || !portsInRange(parsed.Host) {
		return nil, errHost
	}
	return parsed, nil
}

func isSpace(r rune) bool { return r <= ' ' || r == 0x7f }

// portsInRange reads one host and port, or several separated by commas.
func portsInRange(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		port := (&url.URL{Host: host}).Port()
		number, err := strconv.Atoi(port)
		if port != "" && (err != nil || number < 1 || number > 65535) {
			return false
		}
	}
	return true
}

// sslModes are those of PostgreSQL's own clients.
var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// understood are the parameters that pgx reads, and settings of a session. A parameter with a dot in its name is a
// setting of an extension. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
var understood = []string{
	"host", "port", "dbname", "database", "user", "password", "passfile", "service", "servicefile", "connect_timeout", "target_session_attrs",
	"sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni", "sslcertmode", "sslnegotiation", "channel_binding", "require_auth",
	"krbspn", "krbsrvname", "min_protocol_version", "max_protocol_version",
	"application_name", "options", "search_path", "timezone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
	"idle_session_timeout", "client_encoding", "datestyle", "intervalstyle", "work_mem", "jit", "plan_cache_mode", "role",
	"default_transaction_isolation", "default_transaction_read_only", "default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity",
}

// ignored are parameters that mean something to another client only: to Prisma, Supabase's pooler, asyncpg, JDBC, or to
// libpq's own sockets.
var ignored = []string{
	"pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size", "prepared_statement_cache_size", "supa", "workaround",
	"pool_size", "max_overflow", "pool_max_conns", "pool_min_conns", "prepare", "prepareThreshold", "prepared_statements", "preparedStatementCacheQueries",
	"binary_parameters", "fallback_application_name", "gssencmode", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
	"tcp_user_timeout", "sslcompression", "load_balance_hosts",
}

// elsewhere says what to write for parameters of other clients that cannot be left out: the connection would be less safe,
// or would find other tables, than their writer expects.
var elsewhere = map[string]string{
	"schema":         "search_path=…",
	"currentSchema":  "search_path=…",
	"ssl":            "sslmode=require, or better sslmode=verify-full",
	"sslaccept":      "sslmode=verify-full with sslrootcert=…, or sslmode=require",
	"sslidentity":    "sslcert=… and sslkey=…",
	"uselibpqcompat": "sslmode=verify-full with sslrootcert=…, or sslmode=require",
}

// Postgres reads a PostgreSQL connection string. Parameters of other clients are left out, or refused by name.
func Postgres(text string) (*pgx.ConnConfig, error) {
	parsed, err := URL(text, "postgres", "postgresql")
	if err != nil {
		return nil, err
	}
	parameters, err := url.ParseQuery(parsed.RawQuery)
	if err != nil {
		return nil, errEncode
	}
	if parsed.Host == "" && parameters.Get("host") == "" {
		return nil, errHost
	}
	for name, values := range parameters {
		switch {
		case slices.Contains(ignored, name), name == "schema" && slices.Equal(values, []string{"public"}):
			parameters.Del(name)
		case elsewhere[name] != "":
			return nil, fmt.Errorf("has the parameter %s of another client: write %s", name, elsewhere[name])
		case slices.Contains(understood, strings.ToLower(name)), strings.Contains(name, "."):
		case parameters.Has("password"), parameters.Has("sslpassword"):
			return nil, errEncode // the name may be a piece of the password, after a &
		default:
			return nil, fmt.Errorf("has the parameter %q, which is not known: leave it out; a setting of the session goes into options=-c%%20name%%3Dvalue", name)
		}
	}
	if mode := parameters.Get("sslmode"); mode != "" && !slices.Contains(sslModes, mode) {
		return nil, fmt.Errorf("has a parameter sslmode that is not one of %s", strings.Join(sslModes, ", "))
	}
	parsed.RawQuery = parameters.Encode()
	config, err := pgx.ParseConfig(parsed.String())
	if err != nil {
		// pgx quotes the string, and masks the password only where it can recognize it.
		if missing := (*fs.PathError)(nil); errors.As(err, &missing) {
			return nil, errors.New("names a file for sslcert, sslkey or sslrootcert that cannot be read")
		}
		return nil, errors.New("has a parameter with a value that cannot be used: look at connect_timeout, target_session_attrs and those that begin with ssl")
	}
	return config, nil
}
