package endpoint

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"usergraph/auth"
)

// Origins are the sites whose pages may use the API.
type Origins struct {
	exact    map[string]bool
	patterns []*regexp.Regexp
}

// label matches what a * of a pattern stands for: a part of one label of a host name, never a dot.
const label = "[a-z0-9-]+"

// ParseOrigins parses origins such as https://app.example.com, and patterns such as https://app-*-team.vercel.app for
// preview deployments. The last two labels of a pattern must not contain a *: the owner of that domain owns every
// match. Only loopback hosts may use http.
func ParseOrigins(list []string) (*Origins, error) {
	origins := &Origins{exact: map[string]bool{}}
	for _, text := range list {
		if err := checkOrigin(text); err != nil {
			return nil, fmt.Errorf("origin %q %w", text, err)
		}
		if !strings.Contains(text, "*") {
			origins.exact[text] = true
			continue
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, label)
		origins.patterns = append(origins.patterns, regexp.MustCompile("^"+pattern+"$"))
	}
	return origins, nil
}

// checkOrigin refuses origins that browsers do not send, and patterns that match the sites of strangers.
func checkOrigin(text string) error {
	// A * is not allowed in a port.
	parsed, err := url.Parse(strings.ReplaceAll(text, ":*", ":0"))
	if err != nil || parsed.Host == "" || parsed.Scheme+"://"+parsed.Host != strings.ReplaceAll(text, ":*", ":0") || text != strings.ToLower(text) {
		return fmt.Errorf("is not of the form https://app.example.com: scheme, host and port in lower case, and nothing else")
	}
	if number, err := strconv.Atoi(parsed.Port()); parsed.Port() != "" && (err != nil || number > 65535 || (number == 0 && !strings.HasSuffix(text, ":*"))) {
		return fmt.Errorf("has a port that is not a number from 1 to 65535")
	}
	host := parsed.Hostname()
	if auth.IsLoopback(host) {
		return nil
	}
	if parsed.Scheme != "https" {
		return fmt.Errorf("must use https, because http does not authenticate the site; only loopback hosts may use http")
	}
	if strings.HasSuffix(text, ":*") {
		return fmt.Errorf("has a * as the port, which only loopback hosts may have")
	}
	if port := parsed.Port(); port == "443" {
		return fmt.Errorf("has the port 443, which browsers omit")
	}
	labels := strings.Split(host, ".")
	if strings.Contains(host, "*") && (len(labels) < 3 || strings.Contains(strings.Join(labels[len(labels)-2:], ""), "*")) {
		return fmt.Errorf("has a * in the last two labels of the host, and would match sites of other owners")
	}
	return nil
}

// Contains reports whether pages of origin may use the API. A nil Origins contains none.
func (o *Origins) Contains(origin string) bool {
	if o == nil {
		return false
	}
	if o.exact[origin] {
		return true
	}
	for _, pattern := range o.patterns {
		if pattern.MatchString(origin) {
			return true
		}
	}
	return false
}
