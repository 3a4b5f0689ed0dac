package pgwire

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"usergraph/internal/sqltext"
)

// refreshEvery is how long a connection trusts what it has read of the roles' settings, and how long what a function has
// left in its session can stay there.
const refreshEvery = time.Minute

// The settings that make PostgreSQL act as the caller until the transaction ends. They are one statement, which returns no
// row, so that the claims do not travel back. auth.uid() looks for request.jwt.claim.sub first, and then need not parse
// the claims.
const (
	callerSettings = `pg_catalog.set_config('role', $1, true),
 pg_catalog.set_config('request.jwt.claims', $2, true),
 pg_catalog.set_config('request.jwt.claim.sub', $3, true),
 pg_catalog.set_config('statement_timeout', $4, true)`
	// A session that is the pool's own has its search_path set when it is opened, and the statement fails if that has
	// changed: setting it each time costs three times as much.
	checkSearchPath = `pg_catalog.int4div(1, pg_catalog.texteq(pg_catalog.current_setting('search_path'), $5)::pg_catalog.int4)`
	// A temporary object is a row that other callers could read. It fails the statement after the one that made it.
	checkTemporary = `pg_catalog.int4div(1, pg_catalog.oideq(pg_catalog.pg_my_temp_schema(), 0)::pg_catalog.int4)`
	// Behind a pooler the session may be another client's, so that all of this is set each time.
	sharedSettings = `pg_catalog.set_config('search_path', $5, true),
 pg_catalog.set_config('row_security', 'on', true),
 pg_catalog.set_config('standard_conforming_strings', 'on', true),
 pg_catalog.set_config('request.jwt.claim.role', '', true),
 pg_catalog.set_config('request.jwt.claim.email', '', true),
 pg_catalog.pg_advisory_unlock_all()::pg_catalog.text`
	readOnlySetting = `pg_catalog.set_config('transaction_read_only', 'on', true)`

	discardTemporary = "discard temp"
	notFresh         = "22012" // division by zero: what a check fails with
)

// The kinds of settings are their places in the lists below. readOnlyKind is to be added.
const (
	ownKind       = 0 // of a session that is the pool's own
	sharedKind    = 2 // of one behind a pooler
	discardedKind = 4 // of one behind a pooler, after discardTemporary
	readOnlyKind  = 1
)

// settings are the statements, by kind.
var settings = [...]string{
	settingsOf(callerSettings, checkSearchPath, checkTemporary),
	settingsOf(callerSettings, checkSearchPath, checkTemporary, readOnlySetting),
	settingsOf(callerSettings, sharedSettings, checkTemporary),
	settingsOf(callerSettings, sharedSettings, checkTemporary, readOnlySetting),
	settingsOf(callerSettings, sharedSettings),
	settingsOf(callerSettings, sharedSettings, readOnlySetting),
}

func settingsOf(parts ...string) string {
	return "select where pg_catalog.num_nulls(" + strings.Join(parts, ",\n ") + ")::pg_catalog.bool"
}

// isSettings reports whether a text is one of the settings.
func isSettings(text string) bool { return slices.Contains(settings[:], text) }

const (
	// resetSession takes back what functions can have left in a session, as DISCARD ALL does, but for prepared statements.
	resetSession = `close all; unlisten *; reset all; select pg_catalog.pg_advisory_unlock_all(); `
	// askPrepared asks for prepared statements that are not the pool's.
	askPrepared = ` union all select 'prepared', name from pg_catalog.pg_prepared_statements where from_sql`
	// readDefaults asks for what a session begins with, and for what the callers' roles have instead. What is said of a
	// role in one database goes before what is said of it in all.
	readDefaults = `select pg_catalog.set_config('statement_timeout', '0', true); select name, reset_val from pg_catalog.pg_settings where name in ('search_path', 'statement_timeout')
union all (
select distinct on (r.rolname) 'role ' || r.rolname, pg_catalog.substr(setting, pg_catalog.length('statement_timeout=') + 1)
from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole, pg_catalog.unnest(s.setconfig) setting
where s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
 and r.rolname in ('anon', 'authenticated') and setting like 'statement\_timeout=%'
order by r.rolname, s.setdatabase desc)`
)

// defaults are what holds for a statement unless it says otherwise.
type defaults struct {
	searchPath string // with pg_temp last
	timeout    time.Duration
	roles      map[string]time.Duration // the roles' own timeouts
	readAt     time.Time
}

// refresh reads the defaults, and first takes back what functions have left in a session that is the pool's own.
func (c *conn) refresh(ctx context.Context) error {
	question := readDefaults
	if c.statements != nil {
		question = resetSession + readDefaults + askPrepared
	}
	results, err := c.pg.Exec(ctx, question).ReadAll()
	if err != nil {
		return Unavailable(ctx, err)
	}
	found := defaults{roles: map[string]time.Duration{}, readAt: time.Now()}
	for _, row := range results[len(results)-1].Rows {
		name, value := string(row[0]), string(row[1])
		switch name {
		case "search_path":
			found.searchPath = withTempLast(value)
			continue
		case "prepared":
			c.closeBroken()
			return driver.ErrBadConn
		}
		timeout, err := parseTimeout(value)
		if err != nil {
			return err
		}
		if role, ok := strings.CutPrefix(name, "role "); ok {
			found.roles[role] = timeout
		} else {
			found.timeout = timeout
		}
	}
	c.defaults = found
	if c.statements == nil {
		return nil
	}
	if _, err := c.pg.Exec(ctx, "set search_path = "+found.searchPath).ReadAll(); err != nil {
		return Unavailable(ctx, err)
	}
	// What is still to run on a connection that is closed after a cancellation must not wait for a lock for ever.
	// Where PostgreSQL's system cannot tell, it refuses to.
	_, _ = c.pg.Exec(ctx, noticeClosing).ReadAll()
	return nil
}

// stale reports whether the connection has to refresh before its next statement.
func (c *conn) stale() bool { return time.Since(c.defaults.readAt) > c.refreshEvery }

// withTempLast returns a search path in which temporary tables hide no others. Where pg_temp is not named, PostgreSQL
// looks there first.
func withTempLast(searchPath string) string {
	var schemas []string
	for schema := range strings.SplitSeq(searchPath, ",") {
		if schema = strings.TrimSpace(schema); schema != "" && schema != "pg_temp" && schema != `"pg_temp"` {
			schemas = append(schemas, schema)
		}
	}
	return strings.Join(append(schemas, "pg_temp"), ", ")
}

// timeoutUnits are PostgreSQL's units of time. Without one, a number is of milliseconds.
var timeoutUnits = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// parseTimeout reads a setting as it was written in ALTER ROLE. 0 is no timeout.
// https://www.postgresql.org/docs/current/config-setting.html
func parseTimeout(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	number, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		var whole int64
		whole, err = strconv.ParseInt(digits, 0, 64) // PostgreSQL takes 0x10 and 017
		number = float64(whole)
	}
	unit, ok := timeoutUnits[strings.TrimSpace(text[len(digits):])]
	if err != nil || !ok || number < 0 {
		return 0, fmt.Errorf("the statement_timeout %q of a role cannot be read", text)
	}
	return time.Duration(number * float64(unit)), nil
}

// timeoutOf returns the statement timeout for PostgreSQL: what the operation has left, and no more than the caller's or
// the role's own. It never ends a statement before its context has ended.
func (c *conn) timeoutOf(ctx context.Context, caller *Caller) []byte {
	timeout, ok := c.defaults.roles[caller.Role]
	if !ok {
		timeout = c.defaults.timeout
	}
	for _, bound := range []time.Duration{caller.Timeout, untilDeadline(ctx)} {
		if bound > 0 && (timeout == 0 || bound < timeout) {
			timeout = bound
		}
	}
	milliseconds := int64(math.Ceil(float64(timeout) / float64(time.Millisecond)))
	return strconv.AppendInt(nil, min(milliseconds, math.MaxInt32), 10)
}

// untilDeadline returns how long a context will last, or 0 for ever.
func untilDeadline(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Millisecond, time.Until(deadline)+time.Millisecond)
}

// sendSettings puts the settings of a caller into the next round trip.
func (c *conn) sendSettings(ctx context.Context, caller *Caller, kind int) {
	if caller.ReadOnly {
		kind += readOnlyKind
	}
	values := [][]byte{[]byte(caller.Role), caller.Claims, []byte(caller.Subject), c.timeoutOf(ctx, caller), []byte(c.defaults.searchPath)}
	if c.statements == nil {
		c.send(&statement{text: settings[kind]}, values)
		return
	}
	c.send(&c.statements.settings[kind], values)
}

// errTemporary says that a session behind a pooler has temporary objects, perhaps those of another client.
var errTemporary = errors.New("the session has temporary objects")

// notFresh returns what to do about a session that a statement before has changed. Nothing has run in it since.
func (c *conn) notFresh(refused error) error {
	if c.statements == nil {
		return errTemporary
	}
	c.closeBroken()
	if !c.provenFresh {
		return fmt.Errorf("a new session of PostgreSQL is not fresh: %w", refused)
	}
	return driver.ErrBadConn
}

// settingsKind returns which settings a statement gets unless the session is known to have temporary objects.
func (c *conn) settingsKind() int {
	if c.statements == nil {
		return sharedKind
	}
	return ownKind
}

// localConfig is a call of set_config whose setting ends with the transaction.
var localConfig = regexp.MustCompile(`set_config\s*\(([^()']|'[^']*')*,\s*(true|'t'|'true')\s*\)`)

// leavesSomething reports whether a text says that it leaves something behind in the session: a temporary table, a
// setting, or a lock. What a function of the database leaves is not to be seen here.
func leavesSomething(text string) bool {
	text = strings.ToLower(text)
	calls := strings.Count(text, "set_config")
	return sqltext.FirstWord(text) == "CREATE" ||
		strings.Contains(text, "pg_advisory_lock") || strings.Contains(text, "pg_try_advisory_lock") ||
		calls > 0 && calls != len(localConfig.FindAllStringIndex(text, -1))
}

// reported are the settings that PostgreSQL reports whenever they change, and that would make the next statement another
// one.
var reported = []string{
	"client_encoding", "DateStyle", "default_transaction_read_only", "IntervalStyle", "session_authorization", "standard_conforming_strings", "TimeZone",
}

// report takes note of a setting that is no longer what the connection began with, or is so again.
func (c *conn) report(name, value string) {
	began, watched := c.began[name]
	switch {
	case !watched:
	case value == began:
		delete(c.changed, name)
	default:
		if c.changed == nil {
			c.changed = map[string]struct{}{}
		}
		c.changed[name] = struct{}{}
	}
}
