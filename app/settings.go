package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/joho/godotenv"

	"usergraph/auth"
	"usergraph/endpoint"
	"usergraph/internal/dsn"
	"usergraph/internal/ratelimit"
	"usergraph/internal/redisclient"
)

// setting is one environment variable.
type setting struct {
	// fallback is the default value, "" for none. Durations are written as in Go: 15s, 2m.
	name, fallback, meaning string
	// set puts a value into the config. Its error continues the setting's name ("is not a URL") and holds no secret.
	set func(c *config, value string) error
}

// catalogue holds all settings: the engine's and the team's.
type catalogue struct {
	settings []setting
	// secrets names the settings that are never shown. Each can also be given as NAME_FILE, the path of a file with the
	// value.
	secrets []string
}

// engineSettings are the settings of every program.
var engineSettings = catalogue{settings, secrets}

// Setting is an environment variable of the team.
type Setting struct {
	// Name is the variable's name. It must not be one that the engine reads.
	Name string
	// Default is the default value, "" for none.
	Default string
	// Doc describes the setting in `serve --help`.
	Doc string
	// Secret hides the value in `usergraph config`, and lets NAME_FILE name a file with the value.
	Secret bool
	// Set is called with the value, if there is one, before the server listens. It may be called more than once. Its
	// error continues the setting's name ("is not a number") and holds no secret. `usergraph dev` reads the team's settings
	// from the environment, and none of the engine's.
	Set func(value string) error
}

// catalogue adds the team's settings to the engine's.
func (p *application) catalogue() catalogue {
	return engineSettings.and(catalogueOf(p.Settings))
}

func (c catalogue) and(others catalogue) catalogue {
	return catalogue{slices.Concat(c.settings, others.settings), slices.Concat(c.secrets, others.secrets)}
}

// catalogueOf is all that a team has added.
func catalogueOf(settings []Setting) (all catalogue) {
	for _, own := range settings {
		all.settings = append(all.settings, setting{own.Name, own.Default, own.Doc, func(_ *config, value string) error { return own.Set(value) }})
		if own.Secret {
			all.secrets = append(all.secrets, own.Name)
		}
	}
	return all
}

// readConfig reads all settings and reports all problems at once.
func (p *application) readConfig(getenv func(string) string) (config, error) {
	cfg, problems := p.readValid(getenv)
	if len(problems) > 0 {
		return config{}, errors.Join(problems...)
	}
	return cfg, nil
}

// readValid reads the valid settings, and returns the problems of the others.
func (p *application) readValid(getenv func(string) string) (config, []error) {
	cfg, problems := p.catalogue().read(getenv)
	if err := p.checkDocuments(cfg); err != nil {
		problems = append(problems, err)
	}
	return cfg, problems
}

// minSecretBytes is the shortest HS256 key: the size of the hash (RFC 7518, section 3.2).
const minSecretBytes = 32

// ownPrefix begins the names of variables that belong to this program.
const ownPrefix = "USERGRAPH_"

// errNothingSet means that no setting is set. The user is probably trying the program, or is in another folder than the
// file with the settings.
var errNothingSet = errors.New(`no settings: DATABASE_URL and SUPABASE_URL are neither in the environment nor in .env.local or .env of this folder

To try usergraph here, with a database and users of its own:   go run . dev
To run it with your Supabase project, set DATABASE_URL and SUPABASE_URL; ` + "`usergraph serve --help`" + ` lists all settings`)

// read reads the valid settings. A problem with a setting that others follow from is reported once, for that setting.
func (c catalogue) read(getenv func(string) string) (cfg config, problems []error) {
	values, problems := c.readValues(getenv)
	if len(values) == 0 && len(problems) == 0 {
		return cfg, []error{errNothingSet}
	}
	wrong := map[string]bool{}
	for _, s := range c.settings {
		if value := values[s.name]; value != "" {
			if err := c.check(s, value); err != nil {
				problems = append(problems, fmt.Errorf("%s %w", c.givenAs(getenv, s.name), err))
				wrong[s.name] = true
				delete(values, s.name)
			}
		}
	}
	c.addDefaults(values)
	for _, s := range c.settings {
		if value := values[s.name]; value != "" {
			if err := s.set(&cfg, value); err != nil {
				problems = append(problems, fmt.Errorf("%s %w", s.name, err))
			}
		}
	}
	return cfg, append(problems, cfg.problems(wrong)...)
}

// check returns what is wrong with a given value. A secret in a setting that is shown may be a mix-up of two settings.
func (c catalogue) check(s setting, value string) error {
	if !slices.Contains(c.secrets, s.name) && holdsSecret(value) {
		return errors.New("holds what looks like a password or a secret key: it belongs into another setting, and is not shown")
	}
	return s.set(new(config), value)
}

// secretValue matches URLs with a user, Supabase's secret keys, JWTs, and private keys in a key set.
var secretValue = regexp.MustCompile(`(?s)://.*@|sb_secret_|eyJ[\w-]+\.[\w-]+\.|"(d|k)"\s*:`)

func holdsSecret(value string) bool { return secretValue.MatchString(value) }

// readValues returns the values that are set, by name. HOST and PORT alone do not count: shells and platforms set them.
func (c catalogue) readValues(getenv func(string) string) (values map[string]string, problems []error) {
	values, problems = map[string]string{}, checkRemoved(getenv)
	for _, s := range c.settings {
		value, err := c.lookUp(getenv, s.name)
		if err != nil {
			problems = append(problems, err)
		}
		if value != "" {
			values[s.name] = value
		}
	}
	asked := slices.ContainsFunc(slices.Collect(maps.Keys(values)), func(name string) bool { return name != "HOST" && name != "PORT" })
	if !asked {
		clear(values)
	}
	return values, problems
}

// otherNames are names that Supabase's tools use for a setting.
var otherNames = map[string]string{"DATABASE_URL": "SUPABASE_DB_URL", "SUPABASE_PUBLISHABLE_KEYS": "SUPABASE_PUBLISHABLE_KEY"}

// lookUp returns the value of a setting, or "". It reads the variable, its other name, or the file.
func (c catalogue) lookUp(getenv func(string) string, name string) (string, error) {
	value := strings.TrimSpace(getenv(c.givenAs(getenv, name)))
	file := ""
	if slices.Contains(c.secrets, name) {
		file = getenv(name + "_FILE")
	}
	switch {
	case file == "":
		return value, nil
	case c.givenAs(getenv, name) != name+"_FILE":
		return "", fmt.Errorf("%s and %s_FILE are both set: keep one", c.givenAs(getenv, name), name)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", fmt.Errorf("%s_FILE: %s is empty", name, file)
	}
	return string(text), nil
}

// givenAs returns the name of the variable that a setting is read from.
func (c catalogue) givenAs(getenv func(string) string, name string) string {
	switch other := otherNames[name]; {
	case getenv(name) != "":
		return name
	case other != "" && getenv(other) != "":
		return other
	case slices.Contains(c.secrets, name) && getenv(name+"_FILE") != "":
		return name + "_FILE"
	}
	return name
}

// addDefaults fills in the defaults of settings that are not set.
func (c catalogue) addDefaults(values map[string]string) {
	for _, s := range c.settings {
		values[s.name] = cmp.Or(values[s.name], s.fallback)
	}
	derive(values)
}

// checkNames refuses variables that have the program's prefix but are not settings.
func (c catalogue) checkNames(names []string) error {
	var problems []error
	for _, name := range names {
		rest, own := strings.CutPrefix(name, ownPrefix)
		if !own || c.isSetting(name) {
			continue
		}
		hint := "`usergraph serve --help` lists the settings"
		if c.isSetting(rest) {
			hint = "it is called " + rest
		} else if meant := closest(rest, c.settingNames()); meant != "" {
			hint = "did you mean " + meant + "?"
		}
		problems = append(problems, fmt.Errorf("%s is no setting: %s", name, hint))
	}
	if len(problems) == 0 {
		return nil
	}
	return usageError{errors.Join(problems...)}
}

// shortestHint is the shortest name that misspelled reports. Too many other variables have shorter names.
const shortestHint = 8

// misspelled returns hints for unknown variables that resemble a setting that is not set. Other programs may use them,
// so they are not refused.
func (c catalogue) misspelled(names []string) (hints []string) {
	var unset []string
	for _, name := range c.settingNames() {
		if !slices.Contains(names, name) && len(name) >= shortestHint {
			unset = append(unset, name)
		}
	}
	for _, name := range names {
		if len(name) < shortestHint || c.isSetting(name) || strings.HasPrefix(name, ownPrefix) {
			continue
		}
		if meant := closest(name, unset); meant != "" {
			hints = append(hints, fmt.Sprintf("the variable %s is no setting, did you mean %s?", name, meant))
		}
	}
	return hints
}

func (c catalogue) settingNames() (names []string) {
	for _, s := range c.settings {
		names = append(names, s.name)
	}
	return names
}

// isSetting reports whether the program reads a variable.
func (c catalogue) isSetting(name string) bool {
	if secret, file := strings.CutSuffix(name, "_FILE"); file && slices.Contains(c.secrets, secret) {
		return true
	}
	return slices.ContainsFunc(c.settings, func(s setting) bool { return s.name == name || otherNames[s.name] == name })
}

// variableNames returns the names in an environment of NAME=value entries.
func variableNames(environ []string) []string {
	var names []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		names = append(names, name)
	}
	return names
}

// withDotenv adds .env.local and then .env of dir to an environment, which takes precedence. warn is called for names
// in them that may be misspelled.
func (c catalogue) withDotenv(getenv func(string) string, dir string, warn func(string)) (func(string) string, error) {
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
		if err := c.checkNames(slices.Sorted(maps.Keys(parsed))); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, hint := range c.misspelled(slices.Sorted(maps.Keys(parsed))) {
			warn(name + ": " + hint)
		}
		for key, value := range parsed {
			values[key] = value
		}
	}
	return func(name string) string { return cmp.Or(getenv(name), values[name]) }, nil
}

// printSettings writes the table of settings for a terminal.
func (c catalogue) printSettings(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range c.settings {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.name, s.fallback, s.meaning)
	}
	_ = table.Flush()
	fmt.Fprintf(w, "\nDurations are written as 15s or 2m. %s can be read from a file: NAME_FILE is its path.\n", strings.Join(c.secrets, ", "))
}

// printConfig writes the settings in use. Secrets are hidden, except host, path and user of a secret URL.
func (c catalogue) printConfig(w io.Writer, getenv func(string) string) {
	values, _ := c.readValues(getenv)
	given := maps.Clone(values)
	c.addDefaults(values)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range c.settings {
		value, from := values[s.name], "default"
		if _, ok := given[s.name]; ok {
			from = "set"
		}
		if value == "" {
			from = "not set"
		}
		switch {
		case value == "":
		case slices.Contains(c.secrets, s.name):
			value = hidden(s.name, value)
		case holdsSecret(value):
			value = "(hidden)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.name, from, value)
	}
	_ = table.Flush()
}

// hidden returns a secret URL without its password and parameters, and "(hidden)" for other secrets. Parameters may
// hold passwords as well.
func hidden(name, secret string) string {
	parsed, err := dsn.URL(secret, "postgres", "postgresql", "redis", "rediss")
	if !strings.HasSuffix(name, "_URL") || err != nil {
		return "(hidden)"
	}
	shown := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}
	if parsed.User != nil {
		shown.User = url.User(parsed.User.Username())
	}
	return shown.String() + " (password and parameters hidden)"
}

// checkURL checks an http or https URL. Like all checks it never repeats the value, which may be a secret.
func checkURL(value string) error {
	parsed, err := url.Parse(value)
	if err != nil || parsed.Host == "" || !slices.Contains([]string{"https", "http"}, parsed.Scheme) {
		return errors.New("is not a URL that starts with https://")
	}
	return checkWebAddress(parsed)
}

// checkWebAddress refuses URLs with an invalid port, a user or a fragment.
func checkWebAddress(parsed *url.URL) error {
	if number, err := strconv.Atoi(parsed.Port()); parsed.Port() != "" && (err != nil || number < 1 || number > 65535) {
		return errors.New("has a port that is not a number from 1 to 65535")
	}
	if parsed.User != nil || parsed.Fragment != "" {
		return errors.New("has a user, a password or a # in it")
	}
	return nil
}

// setProject takes the URL of a Supabase project as the dashboard shows it, without a path. The issuer of its tokens is
// compared character by character, so only one spelling is accepted.
func setProject(target *string, value string) error {
	if err := checkURL(value); err != nil {
		return err
	}
	parsed, err := url.Parse(value)
	if err != nil {
		return err
	}
	if mistaken := otherAddress(parsed); mistaken != nil {
		return mistaken
	}
	host := strings.ToLower(parsed.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[parsed.Scheme]; parsed.Port() != "" {
		host = strings.TrimSuffix(host, port)
	}
	*target = strings.TrimSuffix(value, "/")
	if right := parsed.Scheme + "://" + host; *target != right {
		return fmt.Errorf("is not the address of a project alone: write %s, without a path such as /rest/v1. "+
			"A project that has a path on purpose is named by SUPABASE_JWT_ISSUER and SUPABASE_JWKS_URL", right)
	}
	return nil
}

// projectRef is the name of a project, as the dashboard and the database's host have it.
var projectRef = regexp.MustCompile(`^[a-z0-9]{20}$`)

// otherAddress refuses addresses of Supabase that are no project's, and says which one belongs there.
func otherAddress(parsed *url.URL) error {
	host, ref := strings.ToLower(parsed.Hostname()), "<ref>"
	refuse := func(what string) error {
		return fmt.Errorf("is the address of %s: write that of the project, https://%s.supabase.co", what, ref)
	}
	named := func(text string) {
		if projectRef.MatchString(text) {
			ref = text
		}
	}
	switch {
	case host == "supabase.com" || host == "app.supabase.com":
		_, rest, _ := strings.Cut(parsed.Path, "/project/")
		rest, _, _ = strings.Cut(rest, "/")
		named(rest)
		return refuse("the dashboard")
	case strings.HasPrefix(host, "db.") && strings.HasSuffix(host, ".supabase.co"):
		named(strings.TrimSuffix(strings.TrimPrefix(host, "db."), ".supabase.co"))
		return refuse("the database")
	case strings.HasSuffix(host, ".pooler.supabase.com"):
		return refuse("the database's pooler")
	}
	return nil
}

// setIssuers takes issuers: the values of iss in tokens.
func setIssuers(target *[]string, value string) error {
	*target = splitList(value)
	for i, issuer := range *target {
		if err := checkURL(issuer); err != nil {
			return fmt.Errorf("has an entry, number %d, that %w", i+1, err)
		}
		if slices.Contains((*target)[:i], issuer) {
			return fmt.Errorf("has the entry number %d twice", i+1)
		}
	}
	return checkNotEmpty(*target)
}

// setNames takes a list of names without spaces.
func setNames(target *[]string, value string) error {
	*target = splitList(value)
	for _, name := range *target {
		if strings.ContainsFunc(name, unicode.IsSpace) {
			return errors.New("has a space in an entry: entries are separated by commas")
		}
	}
	return checkNotEmpty(*target)
}

// setCookieOrigins takes origins in the form that browsers send.
func setCookieOrigins(target *[]string, value string) error {
	*target = splitList(value)
	if strings.Contains(value, "*") {
		return errors.New("has a *: each origin that may use the session cookie is written out")
	}
	if _, err := endpoint.ParseOrigins(*target); err != nil {
		return fmt.Errorf("has an entry that no browser sends: %w", err)
	}
	return checkNotEmpty(*target)
}

// setCookie takes off, on, or a cookie name (RFC 6265, section 4.1.1).
func setCookie(target *string, value string) error {
	switch strings.ToLower(value) {
	case "off", "on":
		if value != strings.ToLower(value) {
			return errors.New("is neither off nor on in small letters, nor the name of a cookie")
		}
	case "true", "false", "yes", "no", "0", "1":
		return errors.New("is neither off nor on, nor the name of a cookie")
	}
	if (&http.Cookie{Name: value, Value: "x"}).Valid() != nil {
		return errors.New("has a character that no name of a cookie has")
	}
	if value != "off" {
		*target = value
	}
	return nil
}

// setSecret takes an HS256 key.
func setSecret(target *string, value string) error {
	if *target = value; len(value) < minSecretBytes {
		return fmt.Errorf("is shorter than %d bytes: copy all of it from Supabase's dashboard, JWT Keys, Legacy JWT Secret", minSecretBytes)
	}
	return nil
}

func setJWKS(target *string, value string) error {
	*target = value
	if _, err := auth.NewStaticKeySet([]byte(value)); err != nil && !errors.Is(err, auth.ErrNoKeys) {
		return fmt.Errorf("is no key set: %w", err)
	}
	return nil
}

func setDatabase(target *string, value string) error {
	*target = value
	if strings.HasPrefix(value, "https://") {
		return errors.New("is the address of a web server: the database's begins with postgres://, and the project's belongs into SUPABASE_URL")
	}
	_, err := dsn.Postgres(value)
	return err
}

func setRedis(target *string, value string) error {
	*target = value
	if _, err := dsn.URL(value, "redis", "rediss"); err != nil {
		return err
	}
	client, err := redisclient.New(value, nil)
	if err != nil {
		return errors.New("is not of the form redis://user:password@host:6379/0")
	}
	return client.Close()
}

func checkNotEmpty(list []string) error {
	if len(list) == 0 {
		return errors.New("is a list without an entry")
	}
	return nil
}

func checkAddress(value string) error {
	host, port, err := net.SplitHostPort(value)
	number, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || number < 0 || number > 65535 {
		return fmt.Errorf("is %q, not an address such as 127.0.0.1:9090", value)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		return fmt.Errorf("is %q, which does not begin with an IP address", value)
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

func setLimit(target *ratelimit.Limit, value string) (err error) {
	*target, err = ratelimit.Parse(value)
	return err
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
