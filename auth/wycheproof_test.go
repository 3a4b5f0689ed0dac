package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The vectors of Wycheproof for JSON Web Signatures. Their payloads are not claims, so this tests the steps before
// them: decoding, the header, the choice of the key, and the signature.
func TestWycheproof(t *testing.T) {
	text, err := os.ReadFile("testdata/wycheproof/json_web_signature.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		TestGroups []struct {
			Public  json.RawMessage
			Private struct{ K, Kid string }
			Tests   []struct {
				TcID    int
				Comment string
				JWS     any
				Result  string
			}
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	// Valid ones that this package refuses on purpose.
	stricter := map[string]string{
		"InvalidCharacterInsertedInHeader":  "base64 is decoded strictly",
		"InvalidCharacterInsertedInPayload": "base64 is decoded strictly",
	}
	accepted, refused := 0, 0
	for _, group := range vectors.TestGroups {
		from := &issuer{}
		if group.Public != nil {
			// A key for another purpose or algorithm is left out.
			keys, _, err := parseJWKS(fmt.Appendf(nil, `{"keys":[%s]}`, group.Public))
			if err != nil {
				t.Fatal(err)
			}
			from.keys = &StaticKeySet{keys}
		} else if from.secret, err = jwt.NewParser().DecodeSegment(group.Private.K); err != nil {
			t.Fatal(err)
		}
		// Vectors 367 and 370 are called invalid for their padding, but have none: their text is that of valid ones.
		valid := map[string]bool{}
		for _, test := range group.Tests {
			if text, compact := test.JWS.(string); compact && test.Result == "valid" {
				valid[text] = true
			}
		}
		for _, test := range group.Tests {
			jws, compact := test.JWS.(string)
			if !compact {
				refused++
				continue // the JSON serialization, which an Authorization header cannot hold
			}
			algorithm, err := checkSignature(t, from, jws)
			ours := algorithm == "ES256" || algorithm == "RS256" || algorithm == "EdDSA" || algorithm == "HS256"
			switch {
			case err == nil && !valid[jws]:
				t.Errorf("%d %s: accepted", test.TcID, test.Comment)
			case err != nil && test.Result == "valid" && ours && stricter[test.Comment] == "":
				t.Errorf("%d %s: %v", test.TcID, test.Comment, err)
			case err == nil:
				accepted++
			default:
				refused++
			}
		}
	}
	if accepted < 15 || refused < 350 {
		t.Errorf("%d are accepted and %d refused: are these all vectors?", accepted, refused)
	}
}

// checkSignature does what check does, except for the payload.
func checkSignature(t *testing.T, from *issuer, jws string) (algorithm string, err error) {
	parser := jwt.NewParser(jwt.WithStrictDecoding())
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return "", errors.New("not three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		if decoded[i], err = parser.DecodeSegment(part); err != nil {
			return "", err
		}
	}
	token := &jwt.Token{}
	if err := json.Unmarshal(decoded[0], &token.Header); err != nil {
		return "", err
	}
	algorithm, _ = token.Header["alg"].(string)
	if token.Method = jwt.GetSigningMethod(algorithm); token.Method == nil {
		return algorithm, errors.New("no such algorithm")
	}
	if err := checkHeader(token.Header); err != nil {
		return algorithm, err
	}
	if token.Method == jwt.SigningMethodHS256 {
		if from.secret == nil {
			return algorithm, errors.New("no secret")
		}
		return algorithm, token.Method.Verify(parts[0]+"."+parts[1], decoded[2], from.secret)
	}
	key, err := from.keyFor(t.Context(), token, time.Time{})
	if err != nil {
		return algorithm, err
	}
	return algorithm, token.Method.Verify(parts[0]+"."+parts[1], decoded[2], key.material)
}
