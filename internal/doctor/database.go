package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/internal/dsn"
)

const (
	// nearby bounds the latency within a region. Each request waits for one round trip.
	nearby = 5 * time.Millisecond
	// oldest is the oldest major version of PostgreSQL that the tests run on.
	oldest = 15
	// transactionPort is the port of Supabase's pooler in transaction mode.
	transactionPort = 6543
)

// database checks the connection and the login role, and then the schema.
func (p *examination) database(ctx context.Context) {
	if p.DatabaseURL == "" {
		return
	}
	config, err := dsn.Postgres(p.DatabaseURL)
	if err != nil {
		p.found("database", Error, "DATABASE_URL "+err.Error(), "write it as postgres://user:password@host:5432/postgres; percent-encode the password")
		return
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // poolers know it
	start := time.Now()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		p.found("database", Error, fmt.Sprintf("%s:%d: %s", config.Host, config.Port, Reason(err)), Advice(err))
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	p.reached = true
	p.found("database", OK, fmt.Sprintf("%s:%d, connected in %s", config.Host, config.Port, round(time.Since(start))), "")
	p.tls("tls", config)
	for _, check := range []func(context.Context, *pgx.Conn) error{p.latency, p.pooler, p.login, p.tables, p.policies, p.indexes, p.migrations, p.extensions} {
		if err := check(ctx, conn); err != nil {
			p.found("database", Error, "a check failed: "+Reason(err), "")
		}
	}
}

// Reason returns the message of PostgreSQL or of the network, without the connection string.
func Reason(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Message
	}
	if unknown := (*net.DNSError)(nil); errors.As(err, &unknown) && unknown.IsNotFound {
		return "no such host"
	}
	if failed := (*net.OpError)(nil); errors.As(err, &failed) && failed.Op == "dial" {
		return failed.Err.Error()
	}
	if parsed := (*pgconn.ConnectError)(nil); errors.As(err, &parsed) {
		err = parsed.Unwrap()
	}
	first, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n") // one line for each address that was tried
	return strings.TrimSpace(first)
}

// MayNotSwitch reports whether PostgreSQL refused a change of role.
func MayNotSwitch(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "42501" && strings.HasPrefix(refused.Message, "permission denied to set role")
}

// Advice says what to do about an error of the connection of DATABASE_URL.
func Advice(err error) string {
	var refused *pgconn.PgError
	switch {
	case MayNotSwitch(err):
		return "grant anon, authenticated to the login of DATABASE_URL; usergraph doctor names it"
	case errors.As(err, &refused) && refused.Code[:2] == "28":
		return "check user and password in DATABASE_URL; behind Supabase's pooler the user is usergraph.<ref> or authenticator.<ref>"
	case errors.As(err, &refused) && refused.Code == "3D000":
		return "check the database's name: Supabase's is postgres"
	case errors.As(err, &refused) && refused.Code == "53300":
		return "all connections are taken: lower DATABASE_MAX_CONNS, or use a pooler"
	}
	return "check host and port, that the network allows it, and whether only IPv6 leads there: Supabase's pooler has IPv4"
}

// tls reports whether the connection is encrypted and the server verified.
func (p *examination) tls(check string, config *pgx.ConnConfig) {
	const advice = "add sslmode=verify-full, and sslrootcert=… with the certificate from Supabase's dashboard, Database Settings"
	switch {
	case auth.IsLoopback(config.Host) || strings.HasPrefix(config.Host, "/"):
		p.found(check, OK, "not needed: the database is on this machine", "")
	case config.TLSConfig == nil:
		p.found(check, Warning, "the connection is not encrypted", advice)
	case config.TLSConfig.InsecureSkipVerify:
		p.found(check, Warning, "the server's certificate or name is not verified", advice)
	case slices.ContainsFunc(config.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil }):
		p.found(check, Warning, "the connection falls back to one without encryption", advice)
	default:
		p.found(check, OK, "encrypted, certificate and name verified", "")
	}
}

// latency reports the fastest of several round trips.
func (p *examination) latency(ctx context.Context, conn *pgx.Conn) error {
	best := time.Hour
	for range 5 {
		start := time.Now()
		if err := conn.Ping(ctx); err != nil {
			return err
		}
		best = min(best, time.Since(start))
	}
	if best > nearby {
		p.found("latency", Warning, "a round trip takes "+round(best), "run the server in the database's region: each request waits for one round trip or more")
		return nil
	}
	p.found("latency", OK, "a round trip takes "+round(best), "")
	return nil
}

// pooler detects a pooler by its process id, which differs from that of the session behind it.
func (p *examination) pooler(ctx context.Context, conn *pgx.Conn) error {
	var pid uint32
	var version int
	if err := conn.QueryRow(ctx, "select pg_backend_pid(), current_setting('server_version_num')::int / 10000").Scan(&pid, &version); err != nil {
		return err
	}
	if version < oldest {
		p.found("version", Warning, fmt.Sprintf("PostgreSQL %d", version), fmt.Sprintf("upgrade to %d or newer", oldest))
	} else {
		p.found("version", OK, fmt.Sprintf("PostgreSQL %d", version), "")
	}
	port := conn.Config().Port
	switch {
	case pid == conn.PgConn().PID() && port != transactionPort:
		p.found("pooler", OK, "none: statements are prepared once a connection", "")
	case p.ListenURL == "":
		p.found("pooler", Warning, fmt.Sprintf("port %d is a pooler: statements are not prepared, and in transaction mode notifications are lost", port),
			"set DATABASE_LISTEN_URL to a direct or session-mode connection, port 5432, or subscriptions are refused")
	default:
		p.found("pooler", OK, fmt.Sprintf("port %d is a pooler: statements are not prepared; changes come by DATABASE_LISTEN_URL", port), "")
	}
	return nil
}

// login checks what the login role may do before and after a switch of role.
func (p *examination) login(ctx context.Context, conn *pgx.Conn) error {
	var name string
	var inherits, bypasses, owns bool
	var member, strong []string
	err := conn.QueryRow(ctx, `select current_user, rolinherit, rolsuper or rolbypassrls,
		exists (select from pg_class where relowner = r.oid and relkind in ('r', 'p') and relnamespace = 'public'::regnamespace),
		array(select rolname::text from pg_roles where rolname in ('anon', 'authenticated') and pg_has_role(current_user, oid, 'member') order by 1),
		array(select rolname::text from pg_roles where (rolsuper or rolbypassrls) and pg_has_role(current_user, oid, 'member') order by 1)
		from pg_roles r where rolname = current_user`).Scan(&name, &inherits, &bypasses, &owns, &member, &strong)
	if err != nil {
		return err
	}
	const advice = "log in as a role that can become these two and nothing else: " +
		"create role usergraph login noinherit password '…'; grant anon, authenticated to usergraph"
	switch {
	case len(member) < 2:
		p.found("login", Error, name+" cannot switch to the roles anon and authenticated", "grant anon, authenticated to "+name)
	case bypasses:
		p.found("login", Error, "danger: "+name+" bypasses row-level security", advice)
	case owns:
		p.found("login", Error, "danger: "+name+" owns tables, and row-level security does not bind owners", advice)
	case inherits:
		p.found("login", Warning, name+" has the rights of its roles without switching to one", "alter role "+name+" noinherit")
	case len(strong) > 0:
		p.found("login", Note, name+" may do nothing by itself, but can also become "+strings.Join(strong, ", ")+", which bypasses row-level security", advice)
	default:
		p.found("login", OK, name+" may do nothing by itself, and can become anon and authenticated only", "")
	}
	strong = nil
	err = conn.QueryRow(ctx, "select array(select rolname::text from pg_roles where rolname in ('anon', 'authenticated') and (rolsuper or rolbypassrls) order by 1)").Scan(&strong)
	if err == nil && len(strong) > 0 {
		p.found("roles", Error, "danger: "+strings.Join(strong, ", ")+" bypasses row-level security", "alter role … nobypassrls nosuperuser")
	}
	return err
}

// changes waits for the server's probe, which proves that notifications arrive.
func (p *examination) changes(ctx context.Context) {
	address := p.ListenURL
	if address == "" && p.reached {
		address = p.DatabaseURL
	}
	if address == "" {
		return
	}
	heard := make(chan error, 1)
	changes, err := database.Listen(address, func(err error) {
		select {
		case heard <- err:
		default:
		}
	})
	if err != nil {
		p.found("changes", Error, "DATABASE_LISTEN_URL is malformed", "write it as postgres://user:password@host:5432/postgres")
		return
	}
	defer changes.Close()
	select {
	case err = <-heard:
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err == nil:
		p.found("changes", OK, "arrive: subscriptions work", "")
	case errors.Is(err, database.ErrNotAnnounced):
		p.found("changes", Warning, "do not arrive: "+Reason(err), "until then subscriptions are refused")
	default:
		p.found("changes", Warning, "the connection for changes cannot be opened", "subscriptions wait until it can: check DATABASE_LISTEN_URL")
	}
}
