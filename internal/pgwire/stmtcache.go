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
	// unparameterizable says that PostgreSQL does not take parameters where bun writes literals.
	unparameterizable bool
	// took is how long the last answer was waited for.
	took    time.Duration
	fastest time.Duration // of all answers; 0 before the first
	columns []Column
	last    extent // of its last result
	// leaves says that it leaves something behind in the session.
	leaves bool
}

// Column is a column of a result.
type Column struct {
	Name string
	OID  uint32 // of its type
}

func (s *statement) describe(fields []pgproto3.FieldDescription) {
	s.described = s.parsed
	s.columns = make([]Column, len(fields))
	for i, field := range fields {
		s.columns[i] = Column{string(field.Name), field.DataTypeOID}
	}
}

// stmtCache are those that a connection has seen, by role and text. A statement is prepared for one role: PostgreSQL
// checks the rights to schemas only when it parses, and would plan anew whenever the role changes.
type stmtCache struct {
	settings    [len(settings)]statement
	admission   map[statementKey]struct{}   // once
	entries     map[statementKey]*statement // more than once
	names       int                         // given so far
	invalidated []string                    // names that PostgreSQL may forget
}

type statementKey struct{ role, text string }

func newStmtCache() *stmtCache {
	s := &stmtCache{admission: map[statementKey]struct{}{}, entries: map[statementKey]*statement{}}
	for kind, text := range settings {
		s.settings[kind] = statement{name: "usergraph_settings_" + strconv.Itoa(kind), text: text}
	}
	return s
}

// find returns the statement to prepare, or prepared, for a text that was seen before. A text seen for the first time is
// only remembered: most texts that come once never come again, and a flood of them does not drive out what is in use.
func (s *stmtCache) find(role, text string) *statement {
	if len(text) > maxPrepared {
		return nil
	}
	key := statementKey{role, text}
	if known, ok := s.entries[key]; ok {
		if known.unparameterizable {
			return nil
		}
		return known
	}
	if _, again := s.admission[key]; !again {
		if len(s.admission) == maxStatements {
			clear(s.admission)
		}
		s.admission[key] = struct{}{}
		return nil
	}
	delete(s.admission, key)
	if len(s.entries) == maxStatements {
		s.invalidateAll()
	}
	s.names++
	known := &statement{name: "usergraph_" + strconv.Itoa(s.names), text: text, leaves: leavesSomething(text)}
	s.entries[key] = known
	return known
}

// invalidate drops a statement that PostgreSQL no longer runs as it was prepared.
func (s *stmtCache) invalidate(role string, known *statement) {
	delete(s.entries, statementKey{role, known.text})
	s.invalidated = append(s.invalidated, known.name)
}

func (s *stmtCache) invalidateAll() {
	for _, known := range s.entries {
		if known.parsed {
			s.invalidated = append(s.invalidated, known.name)
		}
	}
	clear(s.entries)
}

// takeInvalidated returns the names to tell PostgreSQL, once.
func (s *stmtCache) takeInvalidated() []string {
	names := s.invalidated
	s.invalidated = nil
	return names
}
