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

// The times for which a key set is used. Supabase sends max-age=600 and asks for 20 minutes between the steps of a
// rotation: 10 minutes for its caches and 10 for clients.
const (
	maxKeySetLife = 10 * time.Minute
	minKeySetLife = time.Minute
	// refreshPercent is the share of a key set's life after which it is refreshed in the background.
	refreshPercent = 80
	// defaultMaxStale bounds the age of the last set while fetches fail.
	defaultMaxStale = time.Hour
)

// The bounds on how often keys are fetched.
const (
	// minFetchInterval is the shortest time between two fetches while there are keys.
	minFetchInterval = 10 * time.Second
	// firstRetry is the first pause after a failed fetch while there are no keys. It doubles up to minFetchInterval.
	firstRetry = time.Second
)

// The bounds of a fetch. Supabase's key sets have about 500 bytes.
const (
	fetchTimeout       = 5 * time.Second
	maxJWKSBytes       = 256 << 10
	maxJWKSHeaderBytes = 64 << 10
)

// maxWaiting bounds the requests that wait for a fetch. Further ones are told to try again.
const maxWaiting = 100

// RemoteConfig configures a RemoteKeySet.
type RemoteConfig struct {
	// URL is the URL of a JWKS: https, or http on a loopback address.
	URL string
	// MaxStale is how long the last set is used while fetches fail, at least 10 min. Defaults to 1 h.
	MaxStale time.Duration
	// Fetched, if set, is called after each fetch.
	Fetched func(Fetch)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Fetch is the result of fetching a key set.
type Fetch struct {
	URL        string
	Duration   time.Duration
	Keys       int     // keys that can verify tokens
	Unsuitable []error // reasons why other keys cannot
	Err        error   // nil if the set was replaced
}

// RemoteKeySet is a key set that is fetched from a URL when needed, and refreshed while it is used. The package
// documentation says when. It is safe for concurrent use.
type RemoteKeySet struct {
	cfg     RemoteConfig
	client  *http.Client
	ctx     context.Context // of all fetches; cancelled by Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	current atomic.Pointer[fetchedSet] // nil until the first successful fetch, and after Purge

	mu       sync.Mutex
	pending  *pendingFetch // the running fetch, or nil
	notUntil time.Time     // when the next fetch may begin
	failures int           // in a row
	lastErr  error         // of the last fetch
	waiting  int           // requests waiting for a fetch
}

// fetchedSet is the result of a successful fetch. It is never changed.
type fetchedSet struct {
	keys       keyMap
	fetchedAt  time.Time
	asOf       time.Time // when the issuer had this set: before fetchedAt if a cache kept it
	issuerAsOf time.Time // the same time by the issuer's clock
	refreshAt  time.Time // then it is refreshed in the background
	expiresAt  time.Time // then requests wait for the refresh, unless the last fetch failed
	uselessAt  time.Time // then it verifies nothing
}

// pendingFetch is a running fetch. Its result is dropped if RemoteKeySet.pending no longer points to it.
type pendingFetch struct {
	cancel context.CancelFunc
	done   chan struct{} // closed at the end
}

// NewRemoteKeySet returns a key set and fetches nothing. Ready and the first Key do.
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
			// Fetches are minutes apart: a kept connection would be stale.
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxJWKSHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Key implements KeySet. It waits, at most until ctx ends, only if no usable key is known.
func (s *RemoteKeySet) Key(ctx context.Context, algorithm, keyID string, issuedAt time.Time) (*Key, error) {
	name := keyName{algorithm, keyID}
	arrived := s.cfg.Now()
	if set := s.current.Load(); set != nil {
		if key := set.keys[name]; key != nil && arrived.Before(set.refreshAt) {
			return key, nil
		}
	}
	for {
		key, pending, err := s.lookup(name, issuedAt, arrived)
		if pending == nil {
			return key, err
		}
		err = pending.wait(ctx)
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
		if err != nil {
			return nil, unavailable(err)
		}
	}
}

// lookup returns a key, or the fetch to wait for, or an error. With a fetch, the caller must decrement s.waiting
// afterwards.
func (s *RemoteKeySet) lookup(name keyName, issuedAt, arrived time.Time) (*Key, *pendingFetch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	set := s.usable(now)
	if set == nil {
		if s.begin(now); s.pending == nil {
			return nil, nil, unavailable(s.lastErr)
		}
		s.waiting++
		return nil, s.pending, nil
	}
	key := set.keys[name]
	if key == nil {
		return s.lookupUnknown(set, name, issuedAt, arrived)
	}
	if !now.Before(set.refreshAt) {
		s.begin(now)
	}
	// During an outage requests whose key is known do not wait.
	if now.Before(set.expiresAt) || s.pending == nil || s.lastErr != nil {
		return key, nil, nil
	}
	s.waiting++
	return nil, s.pending, nil
}

// lookupUnknown handles a key that is not in the set.
func (s *RemoteKeySet) lookupUnknown(set *fetchedSet, name keyName, issuedAt, arrived time.Time) (*Key, *pendingFetch, error) {
	if !arrived.After(set.asOf) && len(set.keys) > 0 {
		return nil, nil, errUnknownKey
	}
	s.begin(s.cfg.Now())
	mayBeNew := set.mayLack(name, issuedAt)
	switch {
	case s.pending != nil && s.waiting < maxWaiting:
		s.waiting++
		return nil, s.pending, nil
	case !mayBeNew:
		return nil, nil, errUnknownKey
	case s.pending != nil:
		return nil, nil, unavailable(errTooManyWait)
	case s.lastErr != nil:
		return nil, nil, unavailable(s.lastErr)
	}
	return nil, nil, errKeyNotKnownYet
}

// mayLack reports whether a key that is not in the set may be in the issuer's set now. A token younger than the set may
// be signed with a younger key. The key of an older token was published before the set, so it has been removed. A set
// without keys proves nothing: it is a fault, or belongs to a project that only has a secret.
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

// usable returns the current set if it may be used, or nil.
func (s *RemoteKeySet) usable(now time.Time) *fetchedSet {
	if set := s.current.Load(); set != nil && now.Before(set.uselessAt) {
		return set
	}
	return nil
}

// begin starts a fetch, unless one is running or the last one was too recent.
func (s *RemoteKeySet) begin(now time.Time) {
	if s.pending != nil || now.Before(s.notUntil) || s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
	f := &pendingFetch{cancel: cancel, done: make(chan struct{})}
	s.pending = f
	s.running.Go(func() {
		defer cancel()
		set, report := s.fetch(ctx)
		s.complete(f, set, report.Err)
		if s.cfg.Fetched != nil {
			s.cfg.Fetched(report)
		}
	})
}

// complete stores the result of a fetch and wakes the requests that wait for it.
func (s *RemoteKeySet) complete(f *pendingFetch, set *fetchedSet, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	if s.pending != f {
		return // by Purge
	}
	now := s.cfg.Now()
	s.pending, s.lastErr = nil, err
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

// keepKnown reuses the pointers of keys that the previous set had.
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

// wait returns when the fetch ends, or with an error when ctx ends.
func (f *pendingFetch) wait(ctx context.Context) error {
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
		pending, lastErr := s.pending, s.lastErr
		s.mu.Unlock()
		switch {
		case set != nil:
			return nil
		case pending == nil:
			return unavailable(lastErr)
		}
		if err := pending.wait(ctx); err != nil {
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

// Purge implements KeySet. The result of a running fetch is dropped: it may predate the revocation of a key.
func (s *RemoteKeySet) Purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		s.pending.cancel()
	}
	s.pending, s.lastErr, s.failures, s.notUntil = nil, nil, 0, time.Time{}
	s.current.Store(nil)
}

// Close implements KeySet. It cancels a running fetch. Known keys remain in use until they expire.
func (s *RemoteKeySet) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// fetch requests the key set once. The set is nil if the report has an error.
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

// errNoKeySet means that the server answered and has no key set, as in self-hosted projects that sign with their
// secret: older versions of Supabase Auth answer 404, and a gateway that requires an API key 401 or 403.
var errNoKeySet = errors.New("there is no key set")

func (s *RemoteKeySet) get(ctx context.Context) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		// The message already has the URL.
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

// keySetLife returns how long a key set may be used, from Cache-Control and Age (RFC 9111, sections 5.2.2 and 5.1),
// within the bounds above.
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

// keySetAge returns how long caches have kept a key set (RFC 9111, section 5.1).
func keySetAge(header http.Header) time.Duration {
	age, err := strconv.ParseUint(header.Get("Age"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(age, math.MaxInt32)) * time.Second
}

// issuerTime converts a time to the clock of the key set's server if that clock is behind: tokens carry its time. A
// difference beyond the leeway comes from a cache that sends an old Date, not from a clock.
func issuerTime(now time.Time, header http.Header) time.Time {
	date, err := http.ParseTime(header.Get("Date"))
	if behind := now.Sub(date); err != nil || behind < 0 || behind > earlyLeeway {
		return now
	}
	return date
}
