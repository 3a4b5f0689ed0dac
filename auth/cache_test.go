package auth

import (
	"fmt"
	"strings"
	"testing"
)

// The cache stays within its bounds, whatever the number and the length of the tokens.
func TestCacheIsBounded(t *testing.T) {
	for name, test := range map[string]struct{ entries, bytes, tokens, length int }{
		"by entries": {100, 1 << 20, 5000, 1000},
		"by bytes":   {1000, 1 << 20, 500, 16 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			cache, err := newCache(test.entries, test.bytes)
			if err != nil {
				t.Fatal(err)
			}
			for i := range test.tokens {
				rawToken := fmt.Sprint(i, strings.Repeat("x", test.length))
				cache.put(rawToken, &verified{claims: &Claims{Payload: make([]byte, test.length)}})
				if n := cache.tokens.EstimatedSize(); n > test.entries+1 {
					t.Fatalf("%d entries after %d", n, i)
				}
				if n := cache.tokens.WeightedSize(); n > uint64(test.bytes) {
					t.Fatalf("%d bytes after %d", n, i)
				}
			}
			if cache.tokens.EstimatedSize() == 0 {
				t.Error("nothing is kept")
			}
		})
	}
}
