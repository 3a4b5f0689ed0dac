package access

import (
	"slices"
	"strings"

	"usergraph/internal/catalog"
)

// formula is what a policy's expression says of a caller: and, or, or one condition.
type formula struct {
	op    op
	parts []formula // of and, or
	// column is the column of owner and member. of is a membership's.
	column string
	of     Membership
	// source is a condition as PostgreSQL prints it.
	source string
}

type op int

const (
	always op = iota
	never
	signedIn  // the caller is signed in
	anonymous // the caller is not
	owner     // column holds the caller's id
	member    // column holds what the caller is a member of
	condition // something else
	and
	or
)

// Membership says by which table a row's callers are found: those whose ID is in User, in a row whose Key the row names.
type Membership struct {
	Schema, Table string
	Key, User     string // columns of the table
}

// read makes a formula of a policy's expression on a table.
func read(expression string, table *catalog.Table) formula {
	tokens, err := parse(expression)
	if err != nil {
		return formula{op: condition, source: clean(expression)}
	}
	return (&reader{table}).formula(tokens, clean(expression))
}

// clean takes line breaks and the parentheses around the whole out of an expression.
func clean(expression string) string {
	expression = strings.Join(strings.Fields(expression), " ")
	for {
		tokens, err := parse(expression)
		if err != nil || len(tokens) != 1 || tokens[0].kind != group {
			return expression
		}
		expression = strings.TrimSpace(expression[1 : len(expression)-1])
	}
}

type reader struct{ table *catalog.Table }

func (r *reader) formula(tokens []token, source string) formula {
	tokens = bare(tokens)
	custom := formula{op: condition, source: source}
	if len(tokens) == 0 || slices.ContainsFunc(tokens, func(t token) bool { return t.is("CASE") || t.is("SELECT") || t.is(",") }) {
		return custom
	}
	for _, junction := range []struct {
		keyword string
		op      op
	}{{"OR", or}, {"AND", and}} {
		if parts := split(tokens, junction.keyword); len(parts) > 1 {
			joined := formula{op: junction.op}
			for _, part := range parts {
				joined.parts = append(joined.parts, r.formula(part, sourceOf(part)))
			}
			return joined
		}
	}
	if tokens[0].is("NOT") {
		switch r.formula(tokens[1:], "").op {
		case always:
			return formula{op: never}
		case never:
			return formula{op: always}
		case signedIn:
			return formula{op: anonymous}
		case anonymous:
			return formula{op: signedIn}
		}
		return custom
	}
	if found, ok := r.condition(tokens); ok {
		return found
	}
	return custom
}

// sourceOf returns tokens as they were printed, for people.
func sourceOf(tokens []token) string {
	var parts []string
	for _, t := range tokens {
		parts = append(parts, t.source)
	}
	text := strings.Join(parts, " ")
	return clean(tightly.Replace(text))
}

var tightly = strings.NewReplacer(" . ", ".", " :: ", "::", " ()", "()", " [ ", "[", " ] ", "]")

// condition reads one comparison.
func (r *reader) condition(tokens []token) (formula, bool) {
	switch {
	case are(tokens, "true"):
		return formula{op: always}, true
	case are(tokens, "false"):
		return formula{op: never}, true
	}
	if n := len(tokens); n > 3 && are(tokens[n-3:], "IS", "NOT", "NULL") && isCaller(tokens[:n-3]) {
		return formula{op: signedIn}, true
	}
	if n := len(tokens); n > 2 && are(tokens[n-2:], "IS", "NULL") && isCaller(tokens[:n-2]) {
		return formula{op: anonymous}, true
	}
	if sides := split(tokens, "="); len(sides) == 2 {
		for _, pair := range [][2][]token{{sides[0], sides[1]}, {sides[1], sides[0]}} {
			if column := columnOf(pair[1], r.table, ""); isCaller(pair[0]) && column != "" {
				return formula{op: owner, column: column}, true
			}
			if isRole(pair[0]) {
				switch literal(pair[1]) {
				case catalog.Authenticated:
					return formula{op: signedIn}, true
				case catalog.Anonymous:
					return formula{op: anonymous}, true
				}
			}
		}
		return formula{}, false
	}
	if sides := split(tokens, "IN"); len(sides) == 2 && len(sides[1]) == 1 && sides[1][0].kind == group {
		return r.in(sides[0], sides[1][0].group)
	}
	if len(tokens) == 2 && tokens[0].is("EXISTS") && tokens[1].kind == group {
		if query, ok := readQuery(tokens[1].group); ok {
			return r.exists(query)
		}
	}
	return formula{}, false
}

// isCaller reports whether an expression is the id of the caller: auth.uid(), or the token's subject.
func isCaller(tokens []token) bool {
	tokens = value(tokens)
	return are(tokens, "auth", ".", "uid", "()") || isClaim(tokens, "sub")
}

// isRole reports whether an expression is the role of the caller.
func isRole(tokens []token) bool {
	tokens = value(tokens)
	return are(tokens, "auth", ".", "role", "()") || isClaim(tokens, "role")
}

// isClaim reports whether an expression is auth.jwt() ->> name.
func isClaim(tokens []token, name string) bool {
	sides := split(tokens, "->>")
	return len(sides) == 2 && are(value(sides[0]), "auth", ".", "jwt", "()") && literal(sides[1]) == name
}

// value removes what does not change a value: parentheses, a SELECT around it, and casts to uuid and text.
func value(tokens []token) []token {
	for {
		tokens = bare(tokens)
		n := len(tokens)
		switch {
		case n > 2 && tokens[n-2].is("::") && (tokens[n-1].is("text") || tokens[n-1].is("uuid")) && len(split(tokens[:n-2], "->>")) == 1:
			tokens = tokens[:n-2]
		case n > 3 && are(tokens[n-3:], "::", "character", "varying"):
			tokens = tokens[:n-3]
		case n > 3 && tokens[0].is("SELECT") && tokens[n-2].is("AS"):
			tokens = tokens[1 : n-2]
		case n > 1 && tokens[0].is("SELECT") && !slices.ContainsFunc(tokens, func(t token) bool { return t.is("FROM") || t.is(",") }):
			tokens = tokens[1:]
		default:
			return tokens
		}
	}
}

// literal returns a string constant, "" for anything else.
func literal(tokens []token) string {
	if tokens = value(tokens); len(tokens) == 1 && tokens[0].kind == text {
		return tokens[0].text
	}
	return ""
}

// columnOf returns the column of a table that an expression is, "" if it is something else. alias is the table's name in
// a query, "" for a policy's own table.
func columnOf(tokens []token, table *catalog.Table, alias string) string {
	tokens = value(tokens)
	if len(tokens) == 3 && tokens[1].is(".") && (tokens[0].text == table.Name && alias == "" || tokens[0].text == alias && alias != "") {
		tokens = tokens[2:]
	} else if alias != "" {
		return ""
	}
	if len(tokens) == 1 && (tokens[0].kind == word || tokens[0].kind == quoted) && table.Column(tokens[0].text) != nil {
		return tokens[0].text
	}
	return ""
}

// query is SELECT what FROM table alias WHERE conditions, joined by AND.
type query struct {
	what          []token
	schema, table string
	alias         string
	conditions    [][]token
}

// readQuery reads a query of one table.
func readQuery(tokens []token) (q query, ok bool) {
	tokens = bare(tokens)
	from, where := slices.IndexFunc(tokens, func(t token) bool { return t.is("FROM") }), slices.IndexFunc(tokens, func(t token) bool { return t.is("WHERE") })
	if len(tokens) == 0 || !tokens[0].is("SELECT") || from < 0 || where < from || slices.ContainsFunc(tokens[where:], func(t token) bool {
		return t.is("GROUP") || t.is("LIMIT") || t.is("UNION") || t.is("EXCEPT") || t.is("INTERSECT") || t.is("OFFSET") || t.is("HAVING") || t.is("ORDER")
	}) {
		return q, false
	}
	q.what = tokens[1:from]
	named := tokens[from+1 : where]
	if len(named) < 3 || !named[1].is(".") || len(named) > 4 {
		return q, false
	}
	q.schema, q.table, q.alias = named[0].text, named[2].text, named[len(named)-1].text
	conditions := bare(tokens[where+1:])
	if len(split(conditions, "OR")) > 1 {
		return q, false
	}
	for _, condition := range split(conditions, "AND") {
		q.conditions = append(q.conditions, bare(condition))
	}
	return q, true
}

// column returns the column of the query's table that an expression is, "" if it is something else.
func (q query) column(tokens []token) string {
	tokens = value(tokens)
	if len(tokens) == 3 && tokens[0].text == q.alias && tokens[1].is(".") {
		return tokens[2].text
	}
	return ""
}

// userColumn returns the column that a condition compares with the caller.
func (q query) userColumn(tokens []token) string {
	sides := split(tokens, "=")
	if len(sides) != 2 {
		return ""
	}
	if isCaller(sides[0]) {
		return q.column(sides[1])
	}
	if isCaller(sides[1]) {
		return q.column(sides[0])
	}
	return ""
}

// in reads column IN (SELECT key FROM table WHERE user = caller), and caller IN (SELECT user FROM table WHERE key = column).
func (r *reader) in(what, tokens []token) (formula, bool) {
	q, ok := readQuery(tokens)
	if !ok || len(q.conditions) != 1 {
		return formula{}, false
	}
	if isCaller(what) {
		if user := q.column(q.what); user != "" {
			return r.keyed(q, user, q.conditions)
		}
		return formula{}, false
	}
	column, key, user := columnOf(what, r.table, ""), q.column(q.what), q.userColumn(q.conditions[0])
	if column == "" || key == "" || user == "" {
		return formula{}, false
	}
	return formula{op: member, column: column, of: Membership{q.schema, q.table, key, user}}, true
}

// exists reads EXISTS (SELECT 1 FROM table WHERE key = column AND user = caller).
func (r *reader) exists(q query) (formula, bool) {
	if len(q.conditions) != 2 {
		return formula{}, false
	}
	for i, condition := range q.conditions {
		if user := q.userColumn(condition); user != "" {
			return r.keyed(q, user, [][]token{q.conditions[1-i]})
		}
	}
	return formula{}, false
}

// keyed reads the condition that joins the query's table with the policy's.
func (r *reader) keyed(q query, user string, conditions [][]token) (formula, bool) {
	sides := split(conditions[0], "=")
	if len(sides) != 2 || q.alias == r.table.Name {
		return formula{}, false
	}
	for i := range sides {
		key, column := q.column(sides[i]), columnOf(sides[1-i], r.table, r.table.Name)
		if key != "" && column != "" {
			return formula{op: member, column: column, of: Membership{q.schema, q.table, key, user}}, true
		}
	}
	return formula{}, false
}

// as returns the formula for callers of a role: what is known of them is decided.
func (f formula) as(role string) formula {
	isAnonymous := role == catalog.Anonymous
	switch f.op {
	case signedIn:
		if isAnonymous {
			return formula{op: never}
		}
		return formula{op: always}
	case anonymous:
		if isAnonymous {
			return formula{op: always}
		}
		return formula{op: never}
	case owner, member:
		if isAnonymous {
			return formula{op: never} // nothing equals null
		}
	case and, or:
		var parts []formula
		for _, part := range f.parts {
			parts = append(parts, part.as(role))
		}
		return join(f.op, parts...)
	}
	return f
}

// join returns the parts joined by and, or by or, without those that change nothing.
func join(by op, parts ...formula) formula {
	neutral, absorbing := always, never
	if by == or {
		neutral, absorbing = never, always
	}
	var kept []formula
	for _, part := range parts {
		if part.op == by {
			kept = append(kept, part.parts...)
		} else {
			kept = append(kept, part)
		}
	}
	var unique []formula
	for _, part := range kept {
		if part.op == absorbing {
			return formula{op: absorbing}
		}
		if part.op != neutral && !slices.ContainsFunc(unique, part.equal) {
			unique = append(unique, part)
		}
	}
	switch len(unique) {
	case 0:
		return formula{op: neutral}
	case 1:
		return unique[0]
	}
	return formula{op: by, parts: unique}
}

func (f formula) equal(other formula) bool { return f.op == other.op && f.String() == other.String() }

// String returns the formula in SQL's words.
func (f formula) String() string {
	switch f.op {
	case always:
		return "true"
	case never:
		return "false"
	case signedIn:
		return "auth.uid() IS NOT NULL"
	case anonymous:
		return "auth.uid() IS NULL"
	case owner:
		return catalog.Quote(f.column) + " = auth.uid()"
	case member:
		return catalog.Quote(f.column) + " IN (SELECT " + catalog.Quote(f.of.Key) + " FROM " + catalog.Quote(f.of.Schema) + "." + catalog.Quote(f.of.Table) + " WHERE " + catalog.Quote(f.of.User) + " = auth.uid())"
	case condition:
		return f.source
	}
	keyword := " AND "
	if f.op == or {
		keyword = " OR "
	}
	var parts []string
	for _, part := range f.parts {
		text := part.String()
		if part.op == and || part.op == or {
			text = "(" + text + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, keyword)
}
