package app

import (
	"os"
	"path/filepath"
	"testing"

	"usergraph/endpoint"
)

// A file of documents is parsed like a request: invalid texts are reported, not corrected.
func TestTrustedDocumentsFileIsUnicode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "documents.json")
	for text, good := range map[string]bool{
		`{"a":"{ __typename }"}`: true, `{"a":"{ __typename } # \ud83d\ude00"}`: true,
		`{"a":"{ __typename } # \ud83d"}`: false, "{\"a\":\"{ __typename } # \xff\"}": false, `{"\ud83d":"{ __typename }"}`: false,
		`{"a":"{ __typename }","a":"{ me { id } }"}`: false, `{"a":1}`: false, `[]`: false, `{} {}`: false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readTrustedDocuments(endpointConfig{trust: endpoint.TrustPrefer, trustedFile: file}); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
