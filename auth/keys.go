package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// The algorithms of Supabase Auth's signatures (RFC 7518, section 3.1, and RFC 8037, section 3.1).
var (
	algorithmES256 = jwt.SigningMethodES256.Alg()
	algorithmRS256 = jwt.SigningMethodRS256.Alg()
	algorithmEdDSA = jwt.SigningMethodEdDSA.Alg()
)

// The bounds of an RSA modulus: shorter is weak (RFC 7518, section 3.3), longer makes verification expensive.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// maxRSAExponent keeps verification cheap. Almost every key uses 65537.
const maxRSAExponent = 1<<31 - 1

// maxKeys bounds the keys of a set. Supabase publishes two or three.
const maxKeys = 100

// maxKeyIDBytes bounds a key id. Supabase's are UUIDs.
const maxKeyIDBytes = 256

// Key verifies the signatures of one algorithm.
type Key struct {
	ID        string
	Algorithm string
	material  publicKey
	others    []publicKey // more keys that the issuer published under the same id and algorithm
	published bool        // its private key is public knowledge
}

// publicKey is a key of golang-jwt's signing methods: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey.
type publicKey interface {
	Equal(other crypto.PublicKey) bool
}

// all returns every public key that may have signed.
func (k *Key) all() []publicKey { return append([]publicKey{k.material}, k.others...) }

func (k *Key) has(public publicKey) bool {
	return slices.ContainsFunc(k.all(), func(known publicKey) bool { return known.Equal(public) })
}

func (k *Key) equal(other *Key) bool {
	return k.ID == other.ID && k.Algorithm == other.Algorithm && len(k.others) == len(other.others) &&
		!slices.ContainsFunc(k.all(), func(public publicKey) bool { return !other.has(public) })
}

// add adds a key that was published under the same id and algorithm. Either may have signed, since the id does not tell
// them apart. A key whose private key is public knowledge does not affect the other.
func (k *Key) add(other *Key) {
	switch {
	case k.published && !other.published:
		*k = *other
	case k.published == other.published && !k.has(other.material):
		k.others = append(k.others, other.material)
	}
}

// materials returns the keys for golang-jwt.
func (k *Key) materials() any {
	if len(k.others) == 0 {
		return k.material
	}
	var set jwt.VerificationKeySet
	for _, public := range k.all() {
		set.Keys = append(set.Keys, public)
	}
	return set
}

// KeySet holds the public keys of an issuer.
type KeySet interface {
	// Key returns the key that was published with this id for this algorithm. While the key stays in the set, the
	// pointer stays the same; this ties cached tokens to the key that verified them. The error is ErrTokenInvalid if
	// there is no such key. It is ErrKeysUnavailable if that is unknown: issuedAt is when the token was signed, or
	// zero, and the set may have gained a younger key since it was fetched.
	Key(ctx context.Context, algorithm, keyID string, issuedAt time.Time) (*Key, error)
	// Ready returns nil if there is a set, fetching it if needed, and else ErrKeysUnavailable with the reason.
	Ready(ctx context.Context) error
	// Status returns the state of the set without waiting.
	Status() KeyStatus
	// Purge drops the fetched set, so that the next call of Key fetches it again.
	Purge()
	// Close ends background work. It may be called more than once.
	Close() error
}

// KeyStatus is the state of a key set.
type KeyStatus struct {
	Keys      int
	FetchedAt time.Time // of the set in use; zero if there is none, or it is static
	Err       error     // of the last fetch; if it failed, the last fetched set is in use
}

// StaticKeySet is a key set that never changes.
type StaticKeySet struct {
	keys keyMap
}

// ErrNoKeys means that a static key set is empty. An issuer that only has a secret needs no set.
var ErrNoKeys = errors.New("the key set is empty")

// NewStaticKeySet parses a JWKS (RFC 7517, section 5), or the bare list of its keys. It refuses a set with a key that
// cannot verify tokens, such as a private or a symmetric one, because it was put there by mistake. It refuses an empty
// set with ErrNoKeys.
func NewStaticKeySet(jwks []byte) (*StaticKeySet, error) {
	if jwks = bytes.TrimSpace(jwks); bytes.HasPrefix(jwks, []byte("[")) {
		jwks = slices.Concat([]byte(`{"keys":`), jwks, []byte("}"))
	}
	keys, unsuitable, err := parseJWKS(jwks)
	if err = errors.Join(err, errors.Join(unsuitable...)); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, ErrNoKeys
	}
	return &StaticKeySet{keys}, nil
}

// Key implements KeySet.
func (s *StaticKeySet) Key(_ context.Context, algorithm, keyID string, _ time.Time) (*Key, error) {
	if key, ok := s.keys[keyName{algorithm, keyID}]; ok {
		return key, nil
	}
	return nil, errUnknownKey
}

// Ready implements KeySet.
func (s *StaticKeySet) Ready(context.Context) error { return nil }

// Status implements KeySet.
func (s *StaticKeySet) Status() KeyStatus { return KeyStatus{Keys: len(s.keys)} }

// Purge implements KeySet. It does nothing.
func (s *StaticKeySet) Purge() {}

// Close implements KeySet. It does nothing.
func (s *StaticKeySet) Close() error { return nil }

var errUnknownKey = refuse(ErrTokenInvalid, "token is signed with a key that is not, or no longer, in the issuer's key set", nil)

type keyName struct{ algorithm, id string }

type keyMap map[keyName]*Key

// parseJWKS parses a key set. Keys that cannot verify tokens are left out, as RFC 7517, section 5, asks, and do not
// affect the others. unsuitable has their reasons, and names ids that occur twice. The error means that the document is
// no key set.
func parseJWKS(jwks []byte) (keys keyMap, unsuitable []error, err error) {
	var document struct {
		Keys []jsontext.Value `json:"keys"`
	}
	// A fault within a key invalidates that key, not the document.
	if err := json.Unmarshal(jwks, &document, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		// The cause may quote the document.
		return nil, nil, errors.New("the key set is not a JSON object with a list of keys")
	}
	if document.Keys == nil {
		return nil, nil, errors.New(`the key set has no list "keys"`)
	}
	if len(document.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("the key set has %d keys, more than %d", len(document.Keys), maxKeys)
	}
	keys = make(keyMap, len(document.Keys))
	for i, text := range document.Keys {
		key, err := parseJWK(text)
		if err != nil {
			unsuitable = append(unsuitable, fmt.Errorf("key %d of the set: %w", i+1, err))
			continue
		}
		name := keyName{key.Algorithm, key.ID}
		if known := keys[name]; known != nil {
			unsuitable = append(unsuitable, fmt.Errorf("key %d of the set: it has the id and algorithm of another, and either may have signed", i+1))
			known.add(key)
			continue
		}
		keys[name] = key
	}
	return keys, unsuitable, nil
}

// parseJWK parses a public key that was published for verifying signatures with a known algorithm.
func parseJWK(text []byte) (*Key, error) {
	var fields jwkset.JWKMarshal
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, errors.New("it is no JSON Web Key")
	}
	switch {
	case fields.KTY == jwkset.KtyOct || fields.K != "":
		return nil, errors.New("it is symmetric: a secret does not belong in a key set")
	case fields.D != "" || fields.P != "" || fields.Q != "" || fields.DP != "" || fields.DQ != "" || fields.QI != "" || len(fields.OTH) > 0:
		return nil, errors.New("it is a private key: whoever can read it can sign tokens")
	case fields.KID == "" || len(fields.KID) > maxKeyIDBytes:
		return nil, fmt.Errorf("its key id (kid) is empty or over %d bytes", maxKeyIDBytes)
	case fields.USE != "" && fields.USE != jwkset.UseSig:
		return nil, errors.New("it is not for signatures (use)")
	case fields.KEYOPS != nil && !slices.Contains(fields.KEYOPS, jwkset.KeyOpsVerify):
		return nil, errors.New("it is not for verifying (key_ops)")
	}
	// Certificates are neither needed nor fetched.
	fields.X5U, fields.X5C, fields.X5T, fields.X5TS256 = "", nil, "", ""
	jwk, err := jwkset.NewJWKFromMarshal(fields, jwkset.JWKMarshalOptions{},
		jwkset.JWKValidateOptions{SkipKeyOps: true, StrictPadding: true})
	if err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	key := &Key{ID: fields.KID}
	switch material := jwk.Key().(type) {
	case *ecdsa.PublicKey:
		if material.Curve != elliptic.P256() {
			return nil, errors.New("its curve is not P-256")
		}
		point, err := material.Bytes()
		if err != nil {
			return nil, fmt.Errorf("it cannot be read: %w", err)
		}
		key.Algorithm, key.material = algorithmES256, material
		// SEC 1, section 2.3.3: point is 4, x, y, with 32 bytes a coordinate.
		key.published = key.ID == publishedKeyID || hex.EncodeToString(point[1:33]) == publishedX
	case *rsa.PublicKey:
		if err := checkRSA(material, fields.E); err != nil {
			return nil, err
		}
		key.Algorithm, key.material = algorithmRS256, material
	case ed25519.PublicKey:
		key.Algorithm, key.material = algorithmEdDSA, material
	default:
		return nil, errors.New("its type is not one that signs tokens")
	}
	if fields.ALG != "" && string(fields.ALG) != key.Algorithm {
		return nil, fmt.Errorf("its algorithm (alg) is not %s", key.Algorithm)
	}
	return key, nil
}

// checkRSA refuses moduli and exponents that make forgery possible or verification slow.
func checkRSA(key *rsa.PublicKey, exponent string) error {
	bits := key.N.BitLen()
	switch {
	case bits < minRSABits || bits > maxRSABits:
		return fmt.Errorf("its modulus has %d bits, not %d to %d", bits, minRSABits, maxRSABits)
	case key.N.Bit(0) == 0:
		return errors.New("its modulus is even")
	// The library truncates long exponents. Six characters of base64 hold 32 bits.
	case len(exponent) > 6 || key.E < 3 || key.E > maxRSAExponent || key.E%2 == 0:
		return errors.New("its exponent is not an odd number from 3 to 2³¹-1")
	}
	return nil
}

// publishedKeyID is the id of the signing key of `supabase start`. Its private key is in Supabase's public repository.
const publishedKeyID = "b81269f1-21d8-4f2e-b719-c2240a840d90"

// publishedX is the x coordinate of that key. It identifies the key under any id.
const publishedX = "3394a3aa7e73c02f4a975cd57d4506beff5ba108c219de391bcb1da29044c41e"

// publishedSecrets are the HS256 secrets of `supabase start` and of Supabase's docker-compose example.
var publishedSecrets = []string{
	"super-secret-jwt-token-with-at-least-32-characters-long",
	"your-super-secret-jwt-token-with-at-least-32-characters-long",
}
