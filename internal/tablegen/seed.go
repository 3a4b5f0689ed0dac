package tablegen

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"usergraph/internal/access"
	"usergraph/internal/catalog"
)

// The users of the tests: whose the rows are, somebody else, and one who has no rows yet.
const (
	ownerID    = "00000000-0000-4000-8000-00000000000a"
	otherID    = "00000000-0000-4000-8000-00000000000b"
	newcomerID = "00000000-0000-4000-8000-00000000000c"
)

// firstKey is the number of the first row: what a sequence gives out in a test is smaller.
const firstKey = 1001

// seeder writes the SQL that inserts rows for tests, with the rows that they refer to.
type seeder struct {
	database   *catalog.Catalog
	statements []string
}

func newSeeder(database *catalog.Catalog) *seeder {
	s := &seeder{database: database}
	s.statements = append(s.statements, fmt.Sprintf("insert into auth.users (id) values ('%s'), ('%s'), ('%s') on conflict do nothing;", ownerID, otherID, newcomerID))
	return s
}

// row inserts the n-th row of a table, n from 1, with these values for some columns, and returns its values in SQL. The
// owner of a row that has one is user.
func (s *seeder) row(table *catalog.Table, n int, user string, given map[string]string) map[string]string {
	values := map[string]string{}
	for name, value := range given {
		values[name] = value
	}
	keys := table.PrimaryKey
	for _, key := range table.ForeignKeys {
		needed := slices.ContainsFunc(key.Columns, func(name string) bool {
			c := table.Column(name)
			return c.NotNull && given[name] == "" || slices.Contains(keys, name) && given[name] == ""
		})
		if !needed {
			s.referenced(table, key, values, n, user)
			continue
		}
		if key.Schema == "auth" && key.Table == "users" {
			values[key.Columns[0]] = quoteText(user)
			continue
		}
		if parent := s.database.Table(key.Schema, key.Table); parent != nil && parent != table {
			referenced := s.parent(parent, n, user)
			for i, name := range key.Columns {
				if values[name] == "" {
					values[name] = referenced[key.References[i]]
				}
			}
		}
	}
	for i := range table.Columns {
		c := &table.Columns[i]
		isKey := slices.Contains(keys, c.Name)
		if values[c.Name] != "" || c.Generated || !isKey && (!c.NotNull || c.Default != "" || c.Identity) {
			continue
		}
		values[c.Name] = sampleOf(table, c, n, isKey)
	}
	s.insert(table, values)
	return values
}

// referenced inserts the row that given values refer to.
func (s *seeder) referenced(table *catalog.Table, key catalog.ForeignKey, values map[string]string, n int, user string) {
	parent := s.database.Table(key.Schema, key.Table)
	if parent == nil || parent == table || key.Schema == "auth" || slices.ContainsFunc(key.Columns, func(name string) bool { return values[name] == "" }) {
		return
	}
	given := map[string]string{}
	for i, name := range key.Columns {
		given[key.References[i]] = values[name]
	}
	s.row(parent, n, user, given)
}

// parent inserts the row that another one refers to.
func (s *seeder) parent(table *catalog.Table, n int, user string) map[string]string {
	given := map[string]string{}
	for _, key := range table.ForeignKeys {
		if key.Schema == "auth" && key.Table == "users" {
			given[key.Columns[0]] = quoteText(user)
		}
	}
	return s.row(table, n, user, given)
}

func (s *seeder) insert(table *catalog.Table, values map[string]string) {
	var names, given []string
	overriding := ""
	for _, c := range table.Columns {
		if values[c.Name] == "" {
			continue
		}
		names, given = append(names, catalog.Quote(c.Name)), append(given, values[c.Name])
		if c.IdentityAlways {
			overriding = " overriding system value"
		}
	}
	statement := fmt.Sprintf("insert into %s (%s)%s values (%s) on conflict do nothing;", table.SQL(), strings.Join(names, ", "), overriding, strings.Join(given, ", "))
	if !slices.Contains(s.statements, statement) {
		s.statements = append(s.statements, statement)
	}
}

// oneOf matches a check that a column is one of some texts, as PostgreSQL prints it.
var oneOf = regexp.MustCompile(`= ANY \(\(?ARRAY\['((?:[^']|'')*)'`)

// sampleOf returns the n-th value for a column, in SQL.
func sampleOf(table *catalog.Table, c *catalog.Column, n int, isKey bool) string {
	if c.Element != "" {
		return "'{}'"
	}
	for _, check := range table.Checks {
		if mentions(check, c.Name) {
			if found := oneOf.FindStringSubmatch(check); found != nil {
				return "'" + found[1] + "'"
			}
		}
	}
	if len(c.Enum) > 0 {
		return quoteText(c.Enum[(n-1)%len(c.Enum)].Value)
	}
	found, ok := kindOf(c)
	if !ok {
		return otherSample(c)
	}
	sql, _, _ := found.sample(n)
	if isKey { // columns of one key differ, so that their order is tested
		sql = keySample(found.goType, n+10*max(0, slices.Index(table.PrimaryKey, c.Name)))
	}
	if found.goType == "string" {
		sql = fitting(table, c.Name, sql)
	}
	if length := fixedLength.FindStringSubmatch(c.Type); isKey && length != nil { // PostgreSQL fills it with blanks, which ids show
		if n, err := strconv.Atoi(length[1]); err == nil && len(sql) == len("'A'") && n <= maxSample {
			sql = "'" + strings.Repeat(strings.Trim(sql, "'"), n) + "'"
		}
	}
	return sql
}

// fixedLength matches the type char(n), as PostgreSQL prints it.
var fixedLength = regexp.MustCompile(`^character\((\d+)\)$`)

// minLength matches a check of how long a text is at least, as PostgreSQL prints it.
var minLength = regexp.MustCompile(`length\(\(?"?([^")]+)"?\)?(?:::text)?\) (>=|>|=) (\d+)`)

// fitting makes a text of one letter one that the usual checks take: of a length, an address of a mailbox or of a page.
func fitting(table *catalog.Table, column, sql string) string {
	letter := strings.Trim(sql, "'")
	for _, check := range table.Checks {
		if !mentions(check, column) {
			continue
		}
		switch {
		case strings.Contains(check, "http"):
			letter = "https://example.com/" + letter
		case strings.Contains(check, "@"):
			letter += "@example.com"
		}
		for _, found := range minLength.FindAllStringSubmatch(check, -1) {
			length, err := strconv.Atoi(found[3])
			if found[2] == ">" {
				length++
			}
			if err == nil && found[1] == column && len(letter) < length && length <= maxSample {
				letter += strings.Repeat(letter[len(letter)-1:], length-len(letter))
			}
		}
	}
	return "'" + letter + "'"
}

// maxSample bounds the texts of tests.
const maxSample = 1000

func mentions(check, column string) bool {
	return regexp.MustCompile(`(^|[^\w"])` + regexp.QuoteMeta(catalog.Quote(column)) + `($|[^\w"])`).MatchString(check)
}

// keySample returns the key of the n-th row, in SQL.
func keySample(goType string, n int) string {
	switch goType {
	case "uuid.UUID":
		return quoteText(fmt.Sprintf(uuidSample, firstKey-1+n))
	case "string":
		return quoteText(string(rune('A' + (n-1)%26)))
	case "rows.Date":
		return quoteText(fmt.Sprintf("2026-01-%02d", n))
	case "time.Time":
		return quoteText(fmt.Sprintf("2026-01-%02dT00:00:00Z", n))
	}
	return fmt.Sprint(firstKey - 1 + n)
}

// otherSamples are values of types that the API leaves out.
var otherSamples = map[string]string{
	"bytea": `'\x00'`, "money": "1", "inet": "'127.0.0.1'", "cidr": "'127.0.0.0/8'", "macaddr": "'00:00:00:00:00:00'", "macaddr8": "'00:00:00:00:00:00:00:00'", "interval": "'1 day'", "time without time zone": "'12:00'",
	"time with time zone": "'12:00Z'", "bit": "b'1'", "bit varying": "b'1'", "xml": "'<a/>'", "point": "'(0,0)'", "tsvector": "''", "tsquery": "''", "oid": "1",
}

func otherSample(c *catalog.Column) string {
	if c.Kind == "range" {
		return "'empty'"
	}
	if sample, ok := otherSamples[c.Base]; ok {
		return sample
	}
	return "'' /* write a " + c.Type + " */"
}

// literal returns a value of SQL as an answer shows an id of it.
func literal(sql string) string {
	return `"` + strings.ReplaceAll(strings.Trim(sql, "'"), "''", "'") + `"`
}

// member inserts what makes a user a member of what a row belongs to, and returns the value that the row's column has.
func (s *seeder) member(of access.Membership, n int, user string) string {
	table := s.database.Table(of.Schema, of.Table)
	if table == nil {
		return ""
	}
	given := map[string]string{of.User: quoteText(user)}
	return s.row(table, n, user, given)[of.Key]
}
