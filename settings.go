package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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

	"usergraph/auth"
	"usergraph/internal/ratelimit"
)

// setting is one environment variable.
type setting struct {
	// fallback is the value where none is set; "" means that there is none. Durations are written as Go's are: 15s, 2m.
	name, fallback, meaning string
	// set puts a value into the config. Its error goes on where the name ends, "is not a URL", and shows no secret.
	set func(c *config, value string) error
}

// ownPrefix is that of variables that can only be meant for this program.
const ownPrefix = "USERGRAPH_"

// errNothingSet says that somebody started the server to see what happens.
var errNothingSet = errors.New(`no settings: DATABASE_URL and SUPABASE_URL are missing

To try usergraph here, with a database and users of its own:   usergraph dev
To run it with your Supabase project, set DATABASE_URL and SUPABASE_URL; ` + "`usergraph serve --help`" + ` lists all settings`)

// readConfig reads all settings and reports everything that is wrong with them at once.
func readConfig(getenv func(string) string) (config, error) {
	c, problems := readWhatIsRight(getenv)
	if len(problems) > 0 {
		return config{}, errors.Join(problems...)
	}
	return c, nil
}

// readWhatIsRight leaves out the settings that are wrong.
func readWhatIsRight(getenv func(string) string) (c config, problems []error) {
	values, problems := readValues(getenv)
	if len(values) == 0 && len(problems) == 0 {
		return c, []error{errNothingSet}
	}
	addDefaults(values)
	for _, s := range settings {
		if value := values[s.name]; value != "" {
			before := c
			if err := s.set(&c, value); err != nil {
				c, problems = before, append(problems, fmt.Errorf("%s %w", s.name, err))
			}
		}
	}
	return c, append(problems, c.problems()...)
}

// readValues returns what is set, by name. HOST and PORT alone do not count: shells and platforms set them unasked.
func readValues(getenv func(string) string) (values map[string]string, problems []error) {
	values, problems = map[string]string{}, checkRemoved(getenv)
	for _, s := range settings {
		value, err := lookUp(getenv, s.name)
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

// lookUp returns the value of a setting, or "", from where it may be: the variable itself, another name of it, or a file.
func lookUp(getenv func(string) string, name string) (string, error) {
	value := getenv(name)
	switch name {
	case "DATABASE_URL":
		value = cmp.Or(value, getenv("SUPABASE_DB_URL"))
	case "SUPABASE_PUBLISHABLE_KEYS":
		value = cmp.Or(value, getenv("SUPABASE_PUBLISHABLE_KEY"))
	}
	file := ""
	if slices.Contains(secrets, name) {
		file = getenv(name + "_FILE")
	}
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("%s and %s_FILE are both set: keep one", name, name)
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

// addDefaults fills in what is not set.
func addDefaults(values map[string]string) {
	for _, s := range settings {
		values[s.name] = cmp.Or(values[s.name], s.fallback)
	}
	derive(values)
}

// checkNames refuses variables that are meant for this program but mean nothing to it.
func checkNames(names []string) error {
	var problems []error
	for _, name := range names {
		rest, own := strings.CutPrefix(name, ownPrefix)
		if !own || isSetting(name) {
			continue
		}
		hint := "`usergraph serve --help` lists the settings"
		if isSetting(rest) {
			hint = "it is called " + rest
		}
		problems = append(problems, fmt.Errorf("%s is no setting: %s", name, hint))
	}
	if len(problems) == 0 {
		return nil
	}
	return usageError{errors.Join(problems...)}
}

// isSetting tells whether a variable is read.
func isSetting(name string) bool {
	if secret, file := strings.CutSuffix(name, "_FILE"); file && slices.Contains(secrets, secret) {
		return true
	}
	return slices.ContainsFunc(settings, func(s setting) bool { return s.name == name })
}

// variableNames returns the names of an environment of the form NAME=value.
func variableNames(environ []string) []string {
	var names []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		names = append(names, name)
	}
	return names
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
		if err := checkNames(slices.Sorted(maps.Keys(parsed))); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for key, value := range parsed {
			values[key] = value
		}
	}
	return func(name string) string { return cmp.Or(getenv(name), values[name]) }, nil
}

// printSettings writes the table of settings for people in a terminal.
func printSettings(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.name, s.fallback, s.meaning)
	}
	_ = table.Flush()
	fmt.Fprintf(w, "\nDurations are written as 15s or 2m. %s can be read from a file: NAME_FILE is its path.\n", strings.Join(secrets, ", "))
}

// printConfig writes the settings in use. Secrets are hidden, but for where the database is and who logs in.
func printConfig(w io.Writer, getenv func(string) string) {
	values, _ := readValues(getenv)
	given := maps.Clone(values)
	addDefaults(values)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		value, from := values[s.name], "default"
		if _, ok := given[s.name]; ok {
			from = "set"
		}
		if value == "" {
			from = "not set"
		}
		if value != "" && slices.Contains(secrets, s.name) {
			value = hidden(s.name, value)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.name, from, value)
	}
	_ = table.Flush()
}

// hidden shows of a secret URL where it leads, and of other secrets nothing. Parameters may hold passwords as well.
func hidden(name, secret string) string {
	parsed, err := url.Parse(secret)
	if !strings.HasSuffix(name, "_URL") || err != nil || parsed.Host == "" {
		return "(hidden)"
	}
	shown := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}
	if parsed.User != nil {
		shown.User = url.User(parsed.User.Username())
	}
	return shown.String() + " (password and parameters hidden)"
}

func checkURL(value string, schemes ...string) error {
	parsed, err := url.Parse(value)
	if err != nil || parsed.Host == "" || !slices.Contains(schemes, parsed.Scheme) {
		// The value may hold a password: it is not shown.
		return fmt.Errorf("is not a URL that starts with %s://", schemes[0])
	}
	return nil
}

// checkURLs takes https, and http on this machine.
func checkURLs(list []string) error {
	for _, value := range list {
		if err := checkURL(value, "https", "http"); err != nil {
			return fmt.Errorf("has an entry that %w", err)
		}
		if strings.HasPrefix(value, "http:") && !auth.IsLoopbackURL(value) {
			return errors.New("has an entry that is not https")
		}
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
