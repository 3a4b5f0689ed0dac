package auth

import (
	"math"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
)

// The default bounds of the cache of verified tokens. A token of Supabase takes about 2 KiB.
const (
	defaultCacheEntries = 10_000
	defaultCacheBytes   = 32 << 20
)

// entryOverhead is the memory of an entry apart from its texts: Claims and the hash table.
const entryOverhead = 1 << 10

// cache holds verified tokens, and nothing else, by the token itself.
type cache struct {
	tokens *otter.Cache[string, *verified]
}

// verified is the result of verifying a token.
type verified struct {
	claims  *Claims   // nil for an anon key
	keys    KeySet    // of key
	key     *Key      // nil for a secret, which never changes
	goodTil time.Time // including the leeway
}

func newCache(entries, bytes int) (cache, error) {
	// An entry weighs at least its share, so that the bound on bytes also bounds the entries.
	share := max(bytes/entries, 1)
	tokens, err := otter.New(&otter.Options[string, *verified]{
		MaximumWeight: uint64(bytes),
		Weigher: func(token string, v *verified) uint32 {
			return uint32(min(max(weigh(token, v), share), math.MaxUint32))
		},
		// Eviction is quick. It runs on the caller's goroutine, so that none is left behind.
		Executor: func(task func()) { task() },
	})
	return cache{tokens}, err
}

// weigh returns an upper estimate of an entry's memory in bytes.
func weigh(token string, v *verified) int {
	texts := len(token)
	if c := v.claims; c != nil {
		texts += len(c.Payload) + len(c.AppMetadata) + len(c.Email) + len(c.Phone) + len(c.AAL) + len(c.ClientID) + len(c.Issuer) + len(c.KeyID)
	}
	return entryOverhead + texts + texts/8 // the allocator rounds up by at most an eighth
}

func (c cache) find(rawToken string) (*verified, bool) { return c.tokens.GetIfPresent(rawToken) }

func (c cache) put(rawToken string, v *verified) {
	// The token may be a substring of a larger string, which must not stay in memory.
	c.tokens.Set(strings.Clone(rawToken), v)
}

func (c cache) purge() { c.tokens.InvalidateAll() }
