package dsn_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"

	"usergraph/internal/dsn"
)

func TestPostgres(t *testing.T) {
	const encode, placeholder, host = "percent-encoded", "[YOUR-PASSWORD]", "names no host"
	for text, want := range map[string]string{ // the password as it is read, or after a ! the error
		"postgres://user:secret@db.example:6543/postgres":                   "secret",
		"postgresql://user:secret@db.example:6543/postgres":                 "secret",
		"postgres://user:se%23c%2Fr%3Fe%40t%25%3A@db.example:6543/postgres": "se#c/r?e@t%:",
		"postgres://user:se@c:ret@db.example:6543/postgres":                 "se@c:ret",
		"postgres://user:secret@db.example:6543,db2.example:1/postgres":     "secret",
		"postgres://user:secret@/postgres?host=db.example&port=6543":        "secret",
		"postgres://user@db.example:6543/postgres?password=se%26cret":       "se&cret",

		"postgres://user:se#cret@db.example:6543/postgres":                "!" + encode,
		"postgres://user:12#34@db.example:6543/postgres":                  "!" + encode,
		"postgres://user:#@db.example:6543/postgres":                      "!" + encode,
		"postgres://user:12/34@db.example:6543/postgres":                  "!" + encode,
		"postgres://user:se@1/cret@db.example:6543/postgres":              "!" + encode,
		"postgres://user:12?34@db.example:6543/postgres":                  "!" + encode,
		"postgres://user:100%@db.example:6543/postgres":                   "!" + encode,
		"postgres://user:100%zz@db.example:6543/postgres":                 "!" + encode,
		"postgres://user:se cret@db.example:6543/postgres":                "!" + encode,
		"postgres://user:se\\cret@db.example:6543/postgres":               "!" + encode,
		"postgres://user:sécret@db.example:6543/postgres":                 "!" + encode,
		"postgres://user:[secret]@db.example:6543/postgres":               "!" + encode,
		"postgres://user:secret@db.example:6543/postgres\n":               "!" + encode,
		"postgres://user@db.example:6543/postgres?password=se&cret":       "!" + encode,
		"postgres://user@db.example:6543/postgres?password=se#cret":       "!" + encode,
		"postgres://user@db.example:6543/postgres?password=12%":           "!" + encode,
		"postgres://user@db.example:6543/postgres?password=secret@secret": "!" + encode,

		"postgres://postgres:[YOUR-PASSWORD]@db.example:6543/postgres":      "!" + placeholder,
		"postgres://postgres:%5BYOUR-PASSWORD%5D@db.example:6543/postgres":  "!" + placeholder,
		"postgres://postgres:[your-password]@db.example:6543/postgres":      "!" + placeholder,
		"postgres://postgres:<password>@db.example:6543/postgres":           "!" + placeholder,
		"postgres://postgres.<ref>:secret@db.example:6543/postgres":         "!" + placeholder,
		"postgres://postgres:secret@db.[PROJECT-REF].example:6543/postgres": "!" + placeholder,

		"postgres://user:secret":                                "!" + host,
		"postgres:///postgres":                                  "!" + host,
		"postgres://user:secret@/postgres":                      "!" + host,
		"postgres://user:secret@db.example:99999/postgres":      "!" + host,
		"postgres://user:secret@db.example:0/postgres":          "!" + host,
		"postgres://user:secret@db.example:1,db:99999/postgres": "!" + host,
		"postgres://user:secret@db.example:port/postgres":       "!" + host,
		"postgres://user:secret@[::1/postgres":                  "!" + host,
		"":                                                      "!postgres://",
		"db.example":                                            "!postgres://",
		"host=db.example password=secret":                       "!postgres://",
		"mysql://user:secret@db.example/postgres":               "!postgres://",
		"\"postgres://user:secret@db.example/postgres\"":        "!postgres://",
		"psql postgres://user:secret@db.example/postgres":       "!postgres://",
		"jdbc:postgresql://db.example/postgres?password=secret": "!postgres://",

		"postgres://user:secret@db.example:6543/postgres?pgbouncer=true&connection_limit=1&pool_timeout=0&schema=public&supa=base-pooler.x": "secret",
		"postgres://user:secret@db.example:6543/postgres?gssencmode=disable&keepalives=1&application_name=x&search_path=a,public&app.x=1":   "secret",
		"postgres://user:secret@db.example:6543/postgres?sslmode=require&channel_binding=prefer&TimeZone=UTC":                               "secret",
		"postgres://user:secret@db.example:6543/postgres?schema=private":                                                                    "!schema of another client: write search_path",
		"postgres://user:secret@db.example:6543/postgres?sslaccept=strict":                                                                  "!sslaccept of another client: write sslmode=verify-full",
		"postgres://user:secret@db.example:6543/postgres?ssl=true":                                                                          "!ssl of another client: write sslmode",
		"postgres://user:secret@db.example:6543/postgres?sslmod=require":                                                                    `!"sslmod", which is not known`,
		"postgres://user:secret@db.example:6543/postgres?sslmode=no-verify":                                                                 "!sslmode that is not one of",
		"postgres://user:secret@db.example:6543/postgres?connect_timeout=soon":                                                              "!connect_timeout",
		"postgres://user:secret@db.example:6543/postgres?sslmode=verify-full&sslrootcert=/nowhere":                                          "!file for sslcert, sslkey or sslrootcert",
	} {
		config, err := dsn.Postgres(text)
		if wrong, isError := strings.CutPrefix(want, "!"); isError {
			if err == nil || !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "db.example") {
				t.Errorf("%s: %v, want %q", text, err, wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if config.Password != want || config.Host != "db.example" || config.Port != 6543 || config.Database != "postgres" || config.User != "user" {
			t.Errorf("%s: %s %s %d %s %s", text, config.User, config.Password, config.Port, config.Host, config.Database)
		}
		for name := range config.RuntimeParams {
			if !strings.Contains("application_name search_path app.x TimeZone", name) {
				t.Errorf("%s: PostgreSQL gets the parameter %s", text, name)
			}
		}
	}
}

// A password is taken for a password or refused, whatever is in it, and no error has a piece of it.
func FuzzPassword(f *testing.F) {
	for _, password := range []string{"plain", "a@b", "a:b", "a#b", "12/34", "12?34", "1%2", "[x]", "12@34/56", "?host=evil", "/evil?sslmode=disable", "%41", "a&b=c", "@:5432/x?y", " ", "é"} {
		f.Add(password)
	}
	f.Fuzz(func(t *testing.T, password string) {
		for _, text := range []string{
			"postgres://user:" + password + "@db.example:6543/database",
			"postgres://user:" + password + "@db.example:6543/database?pgbouncer=true",
		} {
			config, err := dsn.Postgres(text)
			if err == nil {
				decoded, undecodable := url.PathUnescape(password)
				if (config.Password != decoded && password != "") || undecodable != nil || config.Host != "db.example" || config.Port != 6543 || config.Database != "database" || config.User != "user" {
					t.Errorf("%q is read as %q, %s:%d, %s, %s", text, config.Password, config.Host, config.Port, config.Database, config.User)
				}
				continue
			}
			checkError(t, password, err)
		}
		_, err := dsn.Postgres("postgres://user@db.example:6543/database?password=" + password)
		checkError(t, password, err)
		_, err = dsn.URL("redis://:"+password+"@db.example:6379/0", "redis", "rediss")
		checkError(t, password, err)
	})
}

// vocabulary are the words of the errors.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// checkError looks for words of the password in an error that the error for another password has not.
func checkError(t *testing.T, password string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	usual := map[string]bool{}
	for _, other := range []string{"#", "[password]", "@/", "@h:0/", ":99999/@"} {
		if _, err := dsn.Postgres("postgres://user:" + other + "@db.example:6543/database"); err != nil {
			for _, word := range words(err.Error()) {
				usual[word] = true
			}
		}
	}
	for _, text := range []string{"postgres://db.example:0", "postgres://db.example?schema=x", "postgres://db.example?sslmode=x", "postgres://db.example?connect_timeout=x", "postgres://db.example?sslmode=verify-full&sslrootcert=/x",
		"postgres://db.example?ssl=x", "postgres://db.example?sslaccept=x", "postgres://db.example?sslidentity=x", "postgres://db.example?uselibpqcompat=x", "postgres://db.example?currentSchema=x", ""} {
		if _, err := dsn.Postgres(text); err != nil {
			for _, word := range words(err.Error()) {
				usual[word] = true
			}
		}
	}
	for _, word := range words(err.Error()) {
		if !usual[word] {
			t.Errorf("the error says %q, with the password %q: %v", word, password, err)
		}
	}
}
