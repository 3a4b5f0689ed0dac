package auth

import (
	"math"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
)

// The bounds of the cache of verified tokens, unless Config says otherwise. A token of Supabase takes some 2 KiB.
const (
	defaultCacheEntries = 10_000
	defaultCacheBytes   = 32 << 20
)

// entryOverhead is what an entry takes besides its texts: Claims, the table.
const entryOverhead = 1 << 10

// cache keeps verified tokens, and nothing but verified tokens, by the token itself.
type cache struct {
	tokens *otter.Cache[string, *verified]
}

// verified is a token that was found good.
type verified struct {
	claims  *Claims   // nil for an anon key
	keys    KeySet    // where key is from
	key     *Key      // nil if it was a secret, which never changes
	goodTil time.Time // leeway included
}

func newCache(entries, bytes int) (cache, error) {
	// An entry never weighs less than its share, so that the bound on bytes bounds the entries as well.
	share := max(bytes/entries, 1)
	tokens, err := otter.New(&otter.Options[string, *verified]{
		MaximumWeight: uint64(bytes),
		Weigher: func(token string, v *verified) uint32 {
			return uint32(min(max(weigh(token, v), share), math.MaxUint32))
		},
		// On the caller's goroutine: eviction is quick, and nothing is left running.
		Executor: func(task func()) { task() },
	})
	return cache{tokens}, err
}

// weigh returns the memory of an entry in bytes, or somewhat more.
func weigh(token string, v *verified) int {
	texts := len(token)
	if c := v.claims; c != nil {
		texts += len(c.Payload) + len(c.AppMetadata) + len(c.Email) + len(c.Phone) + len(c.AAL) + len(c.ClientID) + len(c.Issuer) + len(c.KeyID)
	}
	return entryOverhead + texts + texts/8 // memory is handed out in steps of up to an eighth
}

func (c cache) find(rawToken string) (*verified, bool) { return c.tokens.GetIfPresent(rawToken) }

func (c cache) put(rawToken string, v *verified) {
	// The token may be a piece of something larger, which must not stay in memory with it.
	c.tokens.Set(strings.Clone(rawToken), v)
}

func (c cache) purge() { c.tokens.InvalidateAll() }
