package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How long a key set is used. Supabase sends max-age=600 and asks for 20 minutes between the steps of a rotation, which
// is 10 minutes for its own caches and 10 for ours.
const (
	maxKeySetLife = 10 * time.Minute
	minKeySetLife = time.Minute
	// refreshPercent is the part of its life after which a key set is refreshed while requests go on with it.
	refreshPercent = 80
	// defaultMaxStale is how old the last good set may grow while fetches fail.
	defaultMaxStale = time.Hour
)

// How often keys are fetched, whatever arrives.
const (
	// minFetchInterval lies between two fetches while there are keys.
	minFetchInterval = 10 * time.Second
	// firstRetry, doubled each time up to minFetchInterval, lies between failed fetches while there are none.
	firstRetry = time.Second
)

// What a fetch may take. Supabase's key sets have some 500 bytes.
const (
	fetchTimeout       = 5 * time.Second
	maxJWKSBytes       = 256 << 10
	maxJWKSHeaderBytes = 64 << 10
)

// maxWaiting is how many requests may wait to learn whether their key exists. Further ones are told to try again.
const maxWaiting = 100

// RemoteConfig is where keys are fetched from.
type RemoteConfig struct {
	// URL of a JWKS: https, or http on a loopback address.
	URL string
	// MaxStale is how long the last good set is used while fetches fail; 1 h by default, at least 10 min.
	MaxStale time.Duration
	// Fetched, if set, is told of each fetch, after it.
	Fetched func(Fetch)
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Fetch is how fetching a key set went.
type Fetch struct {
	URL        string
	Duration   time.Duration
	Keys       int     // how many keys can verify tokens
	Unsuitable []error // what is wrong with keys of the set
	Err        error   // nil if the set was replaced
}

// RemoteKeySet is a key set that is fetched from a URL when it is needed, and refreshed while it is used. See the
// package documentation for when. It is safe for concurrent use.
type RemoteKeySet struct {
	cfg     RemoteConfig
	client  *http.Client
	ctx     context.Context // of all fetches; ends at Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	current atomic.Pointer[fetchedSet] // nil until the first good fetch, and after Purge

	mu       sync.Mutex
	flight   *flight   // the fetch under way, or nil
	notUntil time.Time // when the next one may begin
	failures int       // in a row
	lastErr  error     // of the last fetch
	waiting  int       // requests that wait for a fetch
}

// fetchedSet is what a good fetch brought. It is never changed.
type fetchedSet struct {
	keys       keyMap
	fetchedAt  time.Time
	asOf       time.Time // the set was the issuer's at this time: earlier than fetchedAt if a cache had it
	issuerAsOf time.Time // the same time by the issuer's clock
	refreshAt  time.Time // from here on it is refreshed in the background
	expiresAt  time.Time // from here on requests wait for the refresh, unless the last fetch failed
	uselessAt  time.Time // from here on nothing can be verified
}

// flight is a fetch under way. It counts only as long as it is RemoteKeySet.flight.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it is over
}

// NewRemoteKeySet fetches nothing yet: Ready does, and the first Key.
func NewRemoteKeySet(cfg RemoteConfig) (*RemoteKeySet, error) {
	parsed, err := url.Parse(cfg.URL)
	switch {
	case err != nil || parsed.Host == "" || parsed.User != nil:
		return nil, errors.New("the key set's URL is not one that starts with https:// and holds no password")
	case parsed.Scheme != "https" && (parsed.Scheme != "http" || !IsLoopback(parsed.Hostname())):
		return nil, errors.New("the key set's URL must be https, or http on a loopback address: keys fetched over http can be anybody's")
	}
	cfg.MaxStale = cmp.Or(cfg.MaxStale, defaultMaxStale)
	if cfg.MaxStale < maxKeySetLife {
		return nil, fmt.Errorf("a key set must be of use for at least %s", maxKeySetLife)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &RemoteKeySet{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.client = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// There is one fetch in several minutes: a connection kept open would only go stale.
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxJWKSHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Key implements KeySet. It waits, no longer than ctx, only if there is no key to go on with.
func (s *RemoteKeySet) Key(ctx context.Context, algorithm, keyID string, issuedAt time.Time) (*Key, error) {
	name := keyName{algorithm, keyID}
	arrived := s.cfg.Now()
	if set := s.current.Load(); set != nil {
		if key := set.keys[name]; key != nil && arrived.Before(set.refreshAt) {
			return key, nil
		}
	}
	for {
		key, flight, err := s.look(name, issuedAt, arrived)
		if flight == nil {
			return key, err
		}
		err = flight.wait(ctx)
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
		if err != nil {
			return nil, unavailable(err)
		}
	}
}

// look returns a key, or the fetch to wait for, or an error. Whoever waits must count s.waiting down afterwards.
func (s *RemoteKeySet) look(name keyName, issuedAt, arrived time.Time) (*Key, *flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	set := s.usable(now)
	if set == nil {
		if s.begin(now); s.flight == nil {
			return nil, nil, unavailable(s.lastErr)
		}
		s.waiting++
		return nil, s.flight, nil
	}
	key := set.keys[name]
	if key == nil {
		return s.lookForUnknown(set, name, issuedAt, arrived)
	}
	if !now.Before(set.refreshAt) {
		s.begin(now)
	}
	// An outage does not hold up those whose key is known.
	if now.Before(set.expiresAt) || s.flight == nil || s.lastErr != nil {
		return key, nil, nil
	}
	s.waiting++
	return nil, s.flight, nil
}

// lookForUnknown decides about a key that is not in the set.
func (s *RemoteKeySet) lookForUnknown(set *fetchedSet, name keyName, issuedAt, arrived time.Time) (*Key, *flight, error) {
	if !arrived.After(set.asOf) && len(set.keys) > 0 {
		return nil, nil, errUnknownKey
	}
	s.begin(s.cfg.Now())
	mayBeNew := set.mayLack(name, issuedAt)
	switch {
	case s.flight != nil && s.waiting < maxWaiting:
		s.waiting++
		return nil, s.flight, nil
	case !mayBeNew:
		return nil, nil, errUnknownKey
	case s.flight != nil:
		return nil, nil, unavailable(errTooManyWait)
	case s.lastErr != nil:
		return nil, nil, unavailable(s.lastErr)
	}
	return nil, nil, errKeyNotKnownYet
}

// mayLack reports whether a key that is not in the set may be in the issuer's set now. A token that is younger than the
// set may be signed with a younger key. A key that signed an older token was published by then, so it is a key no more.
// A set without keys is a fault of who publishes it, or of a project that only has a secret: it says nothing.
func (set *fetchedSet) mayLack(name keyName, issuedAt time.Time) bool {
	if len(set.keys) == 0 {
		return true
	}
	for known := range set.keys {
		if known.id == name.id {
			return false // published for another algorithm
		}
	}
	return issuedAt.IsZero() || issuedAt.After(set.issuerAsOf)
}

var (
	errTooManyWait    = errors.New("too many requests wait to learn whether their key exists")
	errKeyNotKnownYet = refuse(ErrKeysUnavailable, "the key that signed the token is not known yet, try again", nil)
)

func unavailable(cause error) error {
	return refuse(ErrKeysUnavailable, "the keys that verify tokens cannot be fetched, try again", cause)
}

// usable returns the set in use, or nil.
func (s *RemoteKeySet) usable(now time.Time) *fetchedSet {
	if set := s.current.Load(); set != nil && now.Before(set.uselessAt) {
		return set
	}
	return nil
}

// begin starts a fetch, unless one is under way or the last one was too short a time ago.
func (s *RemoteKeySet) begin(now time.Time) {
	if s.flight != nil || now.Before(s.notUntil) || s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
	f := &flight{cancel: cancel, done: make(chan struct{})}
	s.flight = f
	s.running.Go(func() {
		defer cancel()
		set, report := s.fetch(ctx)
		s.land(f, set, report.Err)
		if s.cfg.Fetched != nil {
			s.cfg.Fetched(report)
		}
	})
}

// land makes the outcome of a fetch known.
func (s *RemoteKeySet) land(f *flight, set *fetchedSet, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	if s.flight != f {
		return // purged
	}
	now := s.cfg.Now()
	s.flight, s.lastErr = nil, err
	if err == nil {
		s.failures, s.notUntil = 0, now.Add(minFetchInterval)
		set.keepKnown(s.current.Load())
		s.current.Store(set)
		return
	}
	delay := minFetchInterval
	if s.usable(now) == nil {
		delay = min(firstRetry<<min(s.failures, 10), minFetchInterval)
	}
	s.failures++
	s.notUntil = now.Add(delay)
}

// keepKnown keeps the pointers of keys that were in the set before.
func (set *fetchedSet) keepKnown(before *fetchedSet) {
	if before == nil {
		return
	}
	for name, key := range set.keys {
		if known := before.keys[name]; known != nil && known.equal(key) {
			set.keys[name] = known
		}
	}
}

// wait returns when the fetch is over, or with an error when ctx is.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ready implements KeySet.
func (s *RemoteKeySet) Ready(ctx context.Context) error {
	for {
		s.mu.Lock()
		now := s.cfg.Now()
		set := s.usable(now)
		if set == nil || !now.Before(set.refreshAt) {
			s.begin(now)
		}
		flight, lastErr := s.flight, s.lastErr
		s.mu.Unlock()
		switch {
		case set != nil:
			return nil
		case flight == nil:
			return unavailable(lastErr)
		}
		if err := flight.wait(ctx); err != nil {
			return unavailable(errors.Join(err, lastErr))
		}
	}
}

// Status implements KeySet.
func (s *RemoteKeySet) Status() KeyStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := KeyStatus{Err: s.lastErr}
	if set := s.usable(s.cfg.Now()); set != nil {
		status.Keys, status.FetchedAt = len(set.keys), set.fetchedAt
	}
	return status
}

// Purge implements KeySet. A fetch that is under way counts for nothing: it may have begun before a key was revoked.
func (s *RemoteKeySet) Purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		s.flight.cancel()
	}
	s.flight, s.lastErr, s.failures, s.notUntil = nil, nil, 0, time.Time{}
	s.current.Store(nil)
}

// Close implements KeySet. It ends a fetch that is under way. Keys that are there remain in use until they expire.
func (s *RemoteKeySet) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// fetch asks for the key set once. The set is nil if the report carries an error.
func (s *RemoteKeySet) fetch(ctx context.Context) (*fetchedSet, Fetch) {
	report, start, began := Fetch{URL: s.cfg.URL}, s.cfg.Now(), time.Now()
	text, header, err := s.get(ctx)
	var keys keyMap
	if err == nil {
		keys, report.Unsuitable, err = parseJWKS(text)
	}
	report.Duration = time.Since(began)
	if err != nil {
		report.Err = fmt.Errorf("fetch %s: %w", s.cfg.URL, err)
		return nil, report
	}
	report.Keys = len(keys)
	life, age := keySetLife(header), keySetAge(header)
	return &fetchedSet{
		keys:       keys,
		fetchedAt:  start,
		asOf:       start.Add(-age),
		issuerAsOf: issuerTime(start, header).Add(-age),
		refreshAt:  start.Add(life * refreshPercent / 100),
		expiresAt:  start.Add(life),
		uselessAt:  start.Add(s.cfg.MaxStale),
	}, report
}

// errNoKeySet says that the server was reached and has no key set, as those of self-hosted projects that sign with their
// secret: Supabase Auth answers 404 in its older versions, and a gateway 401 or 403 where it demands an API key.
var errNoKeySet = errors.New("there is no key set")

func (s *RemoteKeySet) get(ctx context.Context) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		// The URL is part of our own message already.
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err
		}
		return nil, nil, err
	}
	defer response.Body.Close()
	switch code := response.StatusCode; code {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone, http.StatusUnauthorized, http.StatusForbidden:
		return nil, nil, fmt.Errorf("%w: the answer is %d %s", errNoKeySet, code, http.StatusText(code))
	default:
		return nil, nil, fmt.Errorf("the answer is %d %s", code, http.StatusText(code))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxJWKSBytes+1))
	if err == nil && len(text) > maxJWKSBytes {
		err = fmt.Errorf("the key set has more than %d bytes", maxJWKSBytes)
	}
	return text, response.Header, err
}

// keySetLife reads how long a key set may be used from Cache-Control and Age (RFC 9111, sections 5.2.2 and 5.1), within
// our own bounds.
func keySetLife(header http.Header) time.Duration {
	life := maxKeySetLife
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-cache", "no-store":
			return minKeySetLife
		case "max-age":
			if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && seconds >= 0 {
				life = time.Duration(min(seconds, int(maxKeySetLife/time.Second))) * time.Second
			}
		}
	}
	return max(life-keySetAge(header), minKeySetLife)
}

// keySetAge reads how long caches have kept a key set (RFC 9111, section 5.1).
func keySetAge(header http.Header) time.Duration {
	age, err := strconv.ParseUint(header.Get("Age"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(age, math.MaxInt32)) * time.Second
}

// issuerTime returns what a time is by the clock of whoever serves a key set, if that clock is behind ours: tokens carry
// its time. A difference beyond the leeway is no clock's, but a cache's, which tells the Date of long ago.
func issuerTime(now time.Time, header http.Header) time.Time {
	date, err := http.ParseTime(header.Get("Date"))
	if behind := now.Sub(date); err != nil || behind < 0 || behind > earlyLeeway {
		return now
	}
	return date
}
