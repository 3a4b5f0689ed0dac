package pgwire

import (
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// maxStatements is how many statements a connection keeps prepared, and how many more texts it remembers having seen
	// once. When there are more, it forgets them all and learns those in use again.
	maxStatements = 256
	// maxPrepared is the longest text, in bytes, that is remembered. A longer one is a bulk insert: seldom the same twice,
	// and parsing it is little beside running it.
	maxPrepared = 4 << 10
)

// statement is a text that PostgreSQL runs, and what is known of it.
type statement struct {
	// name is that of the prepared statement; empty means that PostgreSQL forgets the statement at once.
	name, text string
	// parsed says that PostgreSQL has it under its name, described that columns are known.
	parsed, described bool
	// refused says that PostgreSQL does not take parameters where bun writes literals.
	refused bool
	// took is how long the last answer was waited for.
	took    time.Duration
	columns []column
	// leaves says that it leaves something behind in the session.
	leaves bool
}

// column is a column of a result.
type column struct {
	name string
	oid  uint32 // of its type
}

func (s *statement) describe(fields []pgproto3.FieldDescription) {
	s.described = s.parsed
	s.columns = make([]column, len(fields))
	for i, field := range fields {
		s.columns[i] = column{string(field.Name), field.DataTypeOID}
	}
}

// statements are those that a connection has seen, by role and text. A statement is prepared for one role: PostgreSQL
// checks the rights to schemas only when it parses, and would plan anew whenever the role changes.
type statements struct {
	settings  [len(settings)]statement
	seen      map[statementKey]struct{}   // once
	known     map[statementKey]*statement // more than once
	names     int                         // given so far
	forgotten []string                    // names that PostgreSQL may forget
}

type statementKey struct{ role, text string }

func newStatements() *statements {
	s := &statements{seen: map[statementKey]struct{}{}, known: map[statementKey]*statement{}}
	for kind, text := range settings {
		s.settings[kind] = statement{name: "usergraph_settings_" + strconv.Itoa(kind), text: text}
	}
	return s
}

// find returns the statement to prepare, or prepared, for a text that was seen before. A text seen for the first time is
// only remembered: most texts that come once never come again, and a flood of them does not drive out what is in use.
func (s *statements) find(role, text string) *statement {
	if len(text) > maxPrepared {
		return nil
	}
	key := statementKey{role, text}
	if known, ok := s.known[key]; ok {
		if known.refused {
			return nil
		}
		return known
	}
	if _, again := s.seen[key]; !again {
		if len(s.seen) == maxStatements {
			clear(s.seen)
		}
		s.seen[key] = struct{}{}
		return nil
	}
	delete(s.seen, key)
	if len(s.known) == maxStatements {
		s.forgetAll()
	}
	s.names++
	known := &statement{name: "usergraph_" + strconv.Itoa(s.names), text: text, leaves: leavesSomething(text)}
	s.known[key] = known
	return known
}

// forget drops a statement that PostgreSQL no longer runs as it was prepared.
func (s *statements) forget(role string, known *statement) {
	delete(s.known, statementKey{role, known.text})
	s.forgotten = append(s.forgotten, known.name)
}

func (s *statements) forgetAll() {
	for _, known := range s.known {
		if known.parsed {
			s.forgotten = append(s.forgotten, known.name)
		}
	}
	clear(s.known)
}

// takeForgotten returns the names to tell PostgreSQL, once.
func (s *statements) takeForgotten() []string {
	names := s.forgotten
	s.forgotten = nil
	return names
}
