package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"usergraph/auth"
)

const (
	maxJWKSBytes = 256 << 10
	// Package auth accepts a clock that is behind by earlyLeeway, so that new tokens are not in the future, and one
	// that is ahead by clockLeeway, so that others have not expired. Beyond badClock every request shows the
	// difference.
	clockLeeway = 5 * time.Second
	earlyLeeway = 30 * time.Second
	badClock    = time.Minute
)

// projectHost matches the host of a project on supabase.co: its ref has 20 letters.
var projectHost = regexp.MustCompile(`^[a-z0-9]{20}\.supabase\.(co|in|red)$`)

// url checks the form of SUPABASE_URL.
func (p *examination) url(context.Context) {
	parsed, err := url.Parse(p.SupabaseURL)
	if p.SupabaseURL == "" || err != nil || parsed.Host == "" {
		return // the settings have reported it
	}
	host := parsed.Hostname()
	const advice = "take the URL from Supabase's dashboard, Connect: https://<ref>.supabase.co"
	switch {
	case strings.HasSuffix(host, ".supabase.co") && !projectHost.MatchString(host):
		p.found("url", Warning, host+" does not look like a project: a ref has 20 letters and digits", advice)
	case projectHost.MatchString(host) || auth.IsLoopback(host):
		p.found("url", OK, p.SupabaseURL, "")
	default:
		advice := "if tokens are refused because of iss, set SUPABASE_JWT_ISSUER to what --token shows"
		if !p.AcceptsNoIssuer {
			advice += ", or SUPABASE_ACCEPT_NO_ISSUER=on if they have none"
		}
		p.found("url", Note, p.SupabaseURL+" is a custom domain or self-hosted", advice)
	}
}

// keys fetches the key set.
func (p *examination) keys(ctx context.Context) {
	if p.JWKSURL == "" {
		if p.HasSecret {
			p.found("keys", OK, "none are fetched: tokens are verified with SUPABASE_JWT_SECRET, or a key of SUPABASE_JWKS", "")
		}
		return
	}
	start := time.Now()
	answer, text, err := fetch(ctx, p.JWKSURL)
	took := time.Since(start)
	if err != nil {
		p.found("keys", Error, fmt.Sprintf("%s: %v", p.JWKSURL, err), "without keys every signed-in caller gets 503: check SUPABASE_URL, the network and its proxy")
		return
	}
	if answer.StatusCode != http.StatusOK && p.HasSecret {
		p.found("keys", Note, fmt.Sprintf("%s answers %s: only tokens signed with SUPABASE_JWT_SECRET can be verified", p.JWKSURL, answer.Status),
			`if the project has no signing keys, set SUPABASE_JWKS={"keys":[]}: then nothing is fetched; else check SUPABASE_JWKS_URL`)
		return
	}
	if answer.StatusCode != http.StatusOK {
		advice := "check SUPABASE_URL or SUPABASE_JWKS_URL"
		if answer.StatusCode == http.StatusUnauthorized {
			advice = "Supabase's key set is at /auth/v1/.well-known/jwks.json and needs no API key: check SUPABASE_JWKS_URL"
		}
		p.found("keys", Error, fmt.Sprintf("%s answers %s", p.JWKSURL, answer.Status), advice)
		return
	}
	var set struct {
		Keys []struct {
			Algorithm string `json:"alg"`
		} `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil {
		p.found("keys", Error, p.JWKSURL+" is no key set", "check SUPABASE_URL or SUPABASE_JWKS_URL")
		return
	}
	var good, other []string
	for _, key := range set.Keys {
		if slices.Contains([]string{"ES256", "RS256", "EdDSA"}, key.Algorithm) {
			good = append(good, key.Algorithm)
		} else {
			other = append(other, cmp.Or(key.Algorithm, "none named"))
		}
	}
	slices.Sort(good)
	if len(other) > 0 {
		p.found("keys", Warning, "keys that cannot be used: "+strings.Join(other, ", "), "publish keys for ES256, RS256 or EdDSA")
	}
	switch {
	case len(good) > 0:
		p.found("keys", OK, fmt.Sprintf("%s, fetched in %s", strings.Join(good, ", "), round(took)), "")
		if p.HasSecret {
			p.found("secret", Note, "the HS256 secret is accepted besides the published keys", "take SUPABASE_JWT_SECRET away when no session signed with it is left")
		}
	case p.HasSecret:
		p.found("keys", Note, "the key set is empty: tokens are verified with SUPABASE_JWT_SECRET",
			"move to signing keys in Supabase's dashboard, JWT Keys: then no server needs the secret")
	default:
		p.found("keys", Error, "the key set is empty, and there is no secret: no token can be verified",
			"create a signing key in Supabase's dashboard, JWT Keys, or set SUPABASE_JWT_SECRET")
	}
}

// clock compares this machine's clock with Supabase Auth's, by the Date header of an uncached response.
func (p *examination) clock(ctx context.Context) {
	if len(p.Issuers) == 0 {
		return
	}
	server := p.Issuers[0]
	if p.SupabaseURL != "" {
		server = strings.TrimSuffix(p.SupabaseURL, "/") + "/auth/v1"
	}
	start := time.Now()
	answer, _, err := fetch(ctx, server+"/health")
	here := start.Add(time.Since(start) / 2)
	var there time.Time
	if err == nil {
		there, err = http.ParseTime(answer.Header.Get("Date")) // in whole seconds
	}
	if err != nil {
		p.found("clock", Note, "could not be compared with that of "+server, "check that this machine's clock is set by NTP")
		return
	}
	ahead := here.Sub(there.Add(500 * time.Millisecond))
	where := "ahead of"
	if ahead < 0 {
		where = "behind"
	}
	message := fmt.Sprintf("this machine's clock is %s %s that of the key server", words(ahead.Abs()), where)
	switch {
	case ahead > badClock:
		p.found("clock", Error, message, "set it by NTP: tokens are refused before they expire")
	case -ahead > earlyLeeway:
		p.found("clock", Error, message, "set it by NTP: fresh tokens are refused as issued in the future, and expired ones accepted")
	case ahead > clockLeeway:
		p.found("clock", Warning, message, "set it by NTP: tokens are refused before they expire")
	case -ahead > clockLeeway:
		p.found("clock", Warning, message, "set it by NTP: beyond 30 s fresh tokens are refused as issued in the future")
	default:
		p.found("clock", OK, "agrees with that of the key server", "")
	}
}

// origins checks the allowed origins.
func (p *examination) origins(context.Context) {
	for _, origin := range p.Origins {
		parsed, err := url.Parse(strings.TrimSuffix(origin, ":*"))
		switch {
		case origin == "*":
			p.found("origins", Warning, "pages of every origin may ask", "name your own: https://app.example.com")
		case err != nil || parsed.Host == "" || (parsed.Scheme != "https" && parsed.Scheme != "http"):
			p.found("origins", Error, origin+" is no origin", "write it as browsers do: https://app.example.com")
		case parsed.Path != "" || parsed.RawQuery != "":
			p.found("origins", Error, origin+" has a path, which no browser sends", "write "+parsed.Scheme+"://"+parsed.Host)
		case parsed.Scheme == "http" && !auth.IsLoopback(parsed.Hostname()):
			p.found("origins", Warning, origin+" is not https: anybody on the way can change that page", "serve it over https")
		case auth.IsLoopback(parsed.Hostname()) && !auth.IsLoopbackURL(p.SupabaseURL):
			p.found("origins", Note, origin+" is somebody's own machine", "leave it out in production")
		default:
			p.found("origins", OK, origin, "")
		}
	}
}

func fetch(ctx context.Context, address string) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		if urlErr := (*url.Error)(nil); errors.As(err, &urlErr) {
			err = urlErr.Err
		}
		return nil, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJWKSBytes))
	return answer, text, err
}

// round formats a short duration with its significant digits.
func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// words formats a duration in its largest unit of which there are two or more.
func words(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.length {
			return fmt.Sprintf("%d %s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
