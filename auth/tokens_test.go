package auth_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"usergraph/auth"
	"usergraph/auth/authtest"
)

// fixture is a verifier for an issuer with a key of each algorithm and a secret.
type fixture struct {
	issuer           *authtest.Issuer
	es256, rs256, ed *authtest.Key
	hs256            *authtest.Key
	verifier         *auth.Verifier
	log              *strings.Builder // the refusals that the hooks received
}

func newFixture(t testing.TB, changes ...func(*auth.Config)) *fixture {
	t.Helper()
	f := &fixture{issuer: authtest.New(t), log: new(strings.Builder)}
	f.es256, f.rs256, f.ed = f.issuer.Publish("ES256"), f.issuer.Publish("RS256"), f.issuer.Publish("EdDSA")
	f.hs256 = authtest.NewSecret(t, f.issuer.Secret())
	f.issuer.Use(f.es256)
	f.verifier = newVerifier(t, f.issuer, append(changes, func(cfg *auth.Config) {
		cfg.Hooks.Refused = func(_ context.Context, code string, err error) { fmt.Fprintln(f.log, code, err) }
	})...)
	return f
}

// send sends a request through the middleware, and returns the caller: "" for none.
func (f *fixture) send(change func(r *http.Request)) (answer *httptest.ResponseRecorder, called string) {
	handler := auth.Middleware(f.verifier, auth.Options{})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called = "anonymous"
		if claims, ok := auth.FromContext(r.Context()); ok {
			called = claims.UserID.String()
		}
	}))
	request := httptest.NewRequest(http.MethodPost, "https://api.example.com/graphql", nil)
	request.Header.Set("Content-Type", "application/json")
	change(request)
	answer = httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer, called
}

func (f *fixture) sendToken(rawToken string) (answer *httptest.ResponseRecorder, called string) {
	return f.send(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+rawToken) })
}

// expectRefusal requires the whole response to a refused client, without any part of the token.
func (f *fixture) expectRefusal(t *testing.T, rawToken string, code string) {
	t.Helper()
	f.log.Reset()
	answer, called := f.sendToken(rawToken)
	body, challenge := answer.Body.String(), answer.Header().Get("WWW-Authenticate")
	if answer.Code != http.StatusUnauthorized || called != "" || !strings.Contains(body, `"code":"`+code+`"`) {
		t.Fatalf("got %d, called %q, %s; want 401 and %s", answer.Code, called, body, code)
	}
	if !strings.HasPrefix(challenge, `Bearer error="invalid_token", error_description="`) || strings.Count(challenge, `"`) != 4 {
		t.Errorf("challenge is %s", challenge)
	}
	if answer.Header().Get("Cache-Control") != "no-store" {
		t.Error("the refusal may be cached")
	}
	if !strings.Contains(f.log.String(), code) {
		t.Errorf("the hook was told %q", f.log)
	}
	secrets := append(strings.Split(rawToken, "."), string(f.issuer.Secret()), base64.StdEncoding.EncodeToString(f.issuer.Secret()))
	for where, text := range map[string]string{"body": body, "challenge": challenge, "log": f.log.String()} {
		for _, secret := range secrets {
			if len(secret) > 12 && strings.Contains(text, secret) {
				t.Errorf("the %s shows %q: %s", where, secret, text)
			}
		}
	}
}

// draft is a token before it is signed. Each test changes one thing of a valid one.
type draft struct {
	header  map[string]any
	claims  jwt.MapClaims
	edit    func(payload string) string // changes the text of the payload
	sign    func(text string) []byte
	after   func(rawToken string) string // changes the token
	encoded string                       // the payload in base64url, instead of that of the claims
}

func (d *draft) token(t testing.TB) string {
	t.Helper()
	encode := func(value any) string {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if _, isClaims := value.(jwt.MapClaims); isClaims && d.edit != nil {
			text = []byte(d.edit(string(text)))
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	if d.encoded == "" {
		d.encoded = encode(d.claims)
	}
	text := encode(d.header) + "." + d.encoded
	rawToken := text + "." + base64.RawURLEncoding.EncodeToString(d.sign(text))
	if d.after != nil {
		rawToken = d.after(rawToken)
	}
	return rawToken
}

func (f *fixture) draft(key *authtest.Key) *draft {
	d := &draft{header: map[string]any{"alg": key.Algorithm, "typ": "JWT"}, claims: f.issuer.Claims(ada), sign: key.Signature}
	if key.ID != "" {
		d.header["kid"] = key.ID
	}
	return d
}

type tokenTest struct {
	name   string
	change func(*draft)
	code   string // "" means TOKEN_INVALID for bad tokens
}

func claim(name string, value any) func(*draft) {
	return func(d *draft) { d.claims[name] = value }
}

func noClaim(name string) func(*draft) {
	return func(d *draft) { delete(d.claims, name) }
}

func header(name string, value any) func(*draft) {
	return func(d *draft) { d.header[name] = value }
}

// unknownKey is a key id that is not in the set, in a token older than the set.
func unknownKey(id string) func(*draft) {
	return func(d *draft) { d.header["kid"], d.claims["iat"] = id, time.Now().Unix()-60 }
}

func noHeader(name string) func(*draft) {
	return func(d *draft) { delete(d.header, name) }
}

// more adds members to the text of the payload, in front of the others.
func more(members string) func(*draft) {
	return func(d *draft) { d.edit = func(payload string) string { return "{" + members + "," + payload[1:] } }
}

func payload(text string) func(*draft) {
	return func(d *draft) { d.edit = func(string) string { return text } }
}

func rewrite(after func(rawToken string) string) func(*draft) {
	return func(d *draft) { d.after = after }
}

func signedBy(key *authtest.Key) func(*draft) {
	return func(d *draft) { d.sign = key.Signature }
}

func goodTokens(f *fixture) []tokenTest {
	now := time.Now().Unix()
	return []tokenTest{
		{name: "as Supabase Auth signs it", change: func(*draft) {}},
		{name: "audience as a list", change: claim("aud", []string{"other", "authenticated"})},
		{name: "expired within the leeway", change: claim("exp", now-2)},
		{name: "issued by a clock that is ahead", change: claim("iat", now+25)},
		{name: "issued long ago", change: claim("iat", 0)},
		{name: "nbf in the past", change: claim("nbf", now-60)},
		{name: "nbf by a clock that is ahead", change: claim("nbf", now+25)},
		{name: "nbf at the beginning of time", change: claim("nbf", 0)},
		{name: "numbers that PostgreSQL holds", change: more(`"a":[1e400,1.5E-300,0e1,1e0000000000000000001],"b":"1e200000","1e99999":1`)},
		{name: "without what a hook may drop", change: func(d *draft) {
			for _, name := range []string{"app_metadata", "user_metadata", "amr", "email", "phone", "session_id", "is_anonymous", "aal"} {
				delete(d.claims, name)
			}
		}},
		{name: "null where a string could be", change: claim("email", nil)},
		{name: "anonymous sign-in", change: claim("is_anonymous", true)},
		{name: "further claims", change: claim("hook", map[string]any{"tenant": []any{1, "x", nil, 1.5}})},
		{name: "names that differ in case only", change: more(`"SUB":"x","Exp":"x","AUD":1`)},
		{name: "no typ", change: noHeader("typ")},
		{name: "typ of RFC 9068", change: header("typ", "at+jwt")},
		{name: "characters outside the BMP", change: more(`"a":"😀 \ud83d\ude00"`)},
		{name: "an escaped backslash before u0000", change: more(`"a":"\\u0000"`)},
		{name: "white space in the payload", change: func(d *draft) {
			d.edit = func(p string) string { return " \n" + strings.ReplaceAll(p, ",", " ,\t") + "\r\n" }
		}},
		{name: "HS256", change: func(d *draft) { d.header = map[string]any{"alg": "HS256", "typ": "JWT"}; d.sign = f.hs256.Signature }},
		{name: "HS256 with a key id of no set", change: func(d *draft) {
			d.header = map[string]any{"alg": "HS256", "kid": "legacy"}
			d.sign = f.hs256.Signature
		}},
		{name: "RS256", change: func(d *draft) {
			d.header = map[string]any{"alg": "RS256", "kid": f.rs256.ID}
			d.sign = f.rs256.Signature
		}},
		{name: "EdDSA", change: func(d *draft) { d.header = map[string]any{"alg": "EdDSA", "kid": f.ed.ID}; d.sign = f.ed.Signature }},
	}
}

func TestGoodTokens(t *testing.T) {
	f := newFixture(t)
	for _, test := range goodTokens(f) {
		t.Run(test.name, func(t *testing.T) {
			d := f.draft(f.es256)
			test.change(d)
			rawToken := d.token(t)
			for range 2 { // the second one hits the cache
				if answer, called := f.sendToken(rawToken); called != ada.String() {
					t.Fatalf("refused: %d %s", answer.Code, answer.Body)
				}
			}
		})
	}
}

func badTokens(t testing.TB, f *fixture) []tokenTest {
	now := time.Now().Unix()
	tests := []tokenTest{
		// Algorithms.
		{name: "alg missing", change: noHeader("alg")},
		{name: "alg null", change: header("alg", nil)},
		{name: "alg is a number", change: header("alg", 256)},
		{name: "alg is a list", change: header("alg", []string{"ES256"})},
		{name: "alg in lower case", change: header("alg", "es256")},
		{name: "alg with a space", change: header("alg", "ES256 ")},

		// Header parameters that provide a key, or change what is signed.
		{name: "jku", change: header("jku", f.issuer.JWKSURL())},
		{name: "x5u", change: header("x5u", "https://evil.example/cert.pem")},
		{name: "x5c", change: header("x5c", []string{"MIIB"})},
		{name: "x5t", change: header("x5t", "AAAA")},
		{name: "jwk", change: header("jwk", f.es256.JWK())},
		{name: "crit", change: header("crit", []string{"exp"})},
		{name: "crit, empty", change: header("crit", []string{})},
		{name: "b64 false", change: header("b64", false)},
		{name: "b64 true", change: header("b64", true)},
		{name: "enc", change: header("enc", "A128GCM")},
		{name: "zip", change: header("zip", "DEF")},
		{name: "cty: a nested JWT", change: header("cty", "JWT")},
		{name: "typ of a refresh token", change: header("typ", "rt+jwt")},
		{name: "typ is a number", change: header("typ", 1)},

		// Key ids.
		{name: "kid missing", change: noHeader("kid")},
		{name: "kid empty", change: header("kid", "")},
		{name: "kid made up", change: unknownKey("made-up")},
		{name: "kid of another algorithm's key", change: header("kid", f.rs256.ID)},
		{name: "kid of the published development key", change: unknownKey("b81269f1-21d8-4f2e-b719-c2240a840d90")},
		{name: "kid with traversal", change: unknownKey("../../../../../../dev/null")},
		{name: "kid with SQL", change: unknownKey("x' union select 'secret' --")},
		{name: "kid with NUL", change: unknownKey(f.es256.ID + "\x00")},
		{name: "kid is a list", change: header("kid", []string{f.es256.ID})},
		{name: "kid is an object", change: header("kid", map[string]any{"kid": f.es256.ID})},
		{name: "kid is a number", change: header("kid", 1)},
		{name: "kid is very long", change: header("kid", strings.Repeat("k", 5000))},

		// Signatures.
		{name: "no signature", change: func(d *draft) { d.sign = func(string) []byte { return nil } }},
		{name: "signed with another's key", change: signedBy(authtest.NewKey(t, "ES256"))},
		{name: "signed with another key of the set", change: func(d *draft) { other := f.issuer.Publish("ES256"); d.sign = other.Signature }},
		{name: "signature of another token", change: func(d *draft) { d.sign = func(text string) []byte { return f.es256.Signature(text + "x") } }},
		{name: "one bit of the signature", change: func(d *draft) {
			d.sign = func(text string) []byte { s := f.es256.Signature(text); s[10] ^= 1; return s }
		}},
		{name: "signature cut", change: func(d *draft) { d.sign = func(text string) []byte { return f.es256.Signature(text)[:63] } }},
		{name: "signature extended", change: func(d *draft) { d.sign = func(text string) []byte { return append(f.es256.Signature(text), 0) } }},
		{name: "signature twice", change: func(d *draft) {
			d.sign = func(text string) []byte { s := f.es256.Signature(text); return append(s, s...) }
		}},
		{name: "signature in DER", change: func(d *draft) {
			d.sign = func(text string) []byte { return derSignature(f.es256.Signature(text)) }
		}},
		{name: "one character of the payload", change: rewrite(func(raw string) string { return strings.Replace(raw, ".ey", ".eY", 1) })},
		{name: "payload of another token", change: rewrite(func(raw string) string {
			parts := strings.Split(raw, ".")
			parts[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"role":"authenticated"}`))
			return strings.Join(parts, ".")
		})},

		// Expiry and other times.
		{name: "expired", change: claim("exp", now-60), code: "TOKEN_EXPIRED"},
		{name: "expired just over the leeway", change: claim("exp", now-6), code: "TOKEN_EXPIRED"},
		{name: "expired long ago", change: claim("exp", 1), code: "TOKEN_EXPIRED"},
		{name: "expired, HS256", change: func(d *draft) {
			d.header, d.sign, d.claims["exp"] = map[string]any{"alg": "HS256"}, f.hs256.Signature, now-60
		}, code: "TOKEN_EXPIRED"},
		{name: "exp missing", change: noClaim("exp")},
		{name: "exp null", change: claim("exp", nil)},
		{name: "exp zero", change: claim("exp", 0)},
		{name: "exp negative", change: claim("exp", -1)},
		{name: "exp huge", change: claim("exp", int64(1)<<62)},
		{name: "exp beyond 64 bits", change: func(d *draft) { delete(d.claims, "exp"); more(`"exp":18446744073709551617`)(d) }},
		{name: "exp in exponent notation", change: func(d *draft) { delete(d.claims, "exp"); more(`"exp":4e9`)(d) }},
		{name: "exp with a fraction", change: claim("exp", float64(now)+3600.5)},
		{name: "exp is a string", change: claim("exp", fmt.Sprint(now+3600))},
		{name: "exp is true", change: claim("exp", true)},
		{name: "exp is a list", change: claim("exp", []int64{now + 3600})},
		{name: "nbf in the future", change: claim("nbf", now+3600)},
		{name: "nbf is a string", change: claim("nbf", "0")},
		{name: "iat in the future", change: claim("iat", now+3600)},
		{name: "iat just over the leeway", change: claim("iat", now+40)},
		{name: "nbf just over the leeway", change: claim("nbf", now+40)},
		{name: "iat negative", change: claim("iat", -1)},
		{name: "nbf negative", change: claim("nbf", -1)},
		{name: "iat is a string", change: claim("iat", "now")},

		// Audience.
		{name: "aud missing", change: noClaim("aud")},
		{name: "aud null", change: claim("aud", nil)},
		{name: "aud empty", change: claim("aud", "")},
		{name: "aud wrong", change: claim("aud", "anon")},
		{name: "aud in another case", change: claim("aud", "Authenticated")},
		{name: "aud is a list of none", change: claim("aud", []string{})},
		{name: "aud is a list without ours", change: claim("aud", []string{"a", "b"})},
		{name: "aud is a list in a list", change: claim("aud", [][]string{{"authenticated"}})},
		{name: "aud is a list with a number", change: claim("aud", []any{"authenticated", 1})},
		{name: "aud is an object", change: claim("aud", map[string]any{"authenticated": true})},
		{name: "OIDC id_token", change: func(d *draft) { d.claims["aud"] = "client-1"; delete(d.claims, "role") }},

		// Issuer.
		{name: "iss missing", change: noClaim("iss")},
		{name: "iss null", change: claim("iss", nil)},
		{name: "iss empty", change: claim("iss", "")},
		{name: "iss wrong", change: claim("iss", "https://evil.supabase.co/auth/v1")},
		{name: "iss with a slash", change: claim("iss", f.issuer.URL()+"/")},
		{name: "iss in capitals", change: claim("iss", strings.ToUpper(f.issuer.URL()))},
		{name: "iss is a list", change: claim("iss", []string{f.issuer.URL()})},
		{name: "iss of an API key", change: claim("iss", "supabase")},

		// Subject.
		{name: "sub missing", change: noClaim("sub")},
		{name: "sub null", change: claim("sub", nil)},
		{name: "sub empty", change: claim("sub", "")},
		{name: "sub is no UUID", change: claim("sub", "ada")},
		{name: "sub is the nil UUID", change: claim("sub", "00000000-0000-0000-0000-000000000000")},
		{name: "sub in braces", change: claim("sub", "{"+ada.String()+"}")},
		{name: "sub as a URN", change: claim("sub", "urn:uuid:"+ada.String())},
		{name: "sub without dashes", change: claim("sub", strings.ReplaceAll(ada.String(), "-", ""))},
		{name: "sub with a line break", change: claim("sub", ada.String()+"\n")},
		{name: "sub is a number", change: claim("sub", 1)},
		{name: "sub is a list", change: claim("sub", []string{ada.String()})},
		{name: "sub with SQL", change: claim("sub", "' or true; drop table users; --")},

		// Role.
		{name: "role missing", change: noClaim("role")},
		{name: "role null", change: claim("role", nil)},
		{name: "role empty", change: claim("role", "")},
		{name: "role service_role", change: claim("role", "service_role")},
		{name: "role postgres", change: claim("role", "postgres")},
		{name: "role supabase_admin", change: claim("role", "supabase_admin")},
		{name: "role anon with a subject", change: claim("role", "anon")},
		{name: "role in another case", change: claim("role", "Authenticated")},
		{name: "role is a list", change: claim("role", []string{"authenticated"})},

		// Other claims.
		{name: "OAuth app that is not listed", change: claim("client_id", "app")},
		{name: "client_id is a number", change: claim("client_id", 1)},
		{name: "session_id is no UUID", change: claim("session_id", "1")},
		{name: "session_id is empty", change: claim("session_id", "")},
		{name: "session_id is a space", change: claim("session_id", " ")},
		{name: "session_id in braces", change: claim("session_id", "{"+ada.String()+"}")},
		{name: "session_id is a number", change: claim("session_id", 1)},
		{name: "is_anonymous is a string", change: claim("is_anonymous", "false")},
		{name: "email is an object", change: claim("email", map[string]any{})},

		// Duplicates: one parser takes the first, another the last.
		{name: "sub twice", change: more(`"sub":"b0000000-0000-4000-8000-000000000002"`)},
		{name: "sub twice, once escaped", change: more(`"s\u0075b":"b0000000-0000-4000-8000-000000000002"`)},
		{name: "role twice", change: more(`"role":"service_role"`)},
		{name: "exp twice", change: more(`"exp":1`)},
		{name: "a claim of no interest twice", change: more(`"x":1,"x":2`)},
		{name: "app_metadata says a thing twice", change: func(d *draft) {
			delete(d.claims, "app_metadata")
			more(`"app_metadata":{"tenant":"a","tenant":"b"}`)(d)
		}},

		// Payloads.
		{name: "payload is empty", change: payload("")},
		{name: "payload is null", change: payload("null")},
		{name: "payload is a list", change: payload("[]")},
		{name: "payload is a string", change: payload(`"x"`)},
		{name: "payload is an empty object", change: payload("{}")},
		{name: "payload is a JWT", change: func(d *draft) { d.encoded = f.issuer.Token(ada) }},
		{name: "payload goes on after its end", change: func(d *draft) { d.edit = func(p string) string { return p + "x" } }},
		{name: "payload is two objects", change: func(d *draft) { d.edit = func(p string) string { return p + p } }},
		{name: "payload is cut", change: func(d *draft) { d.edit = func(p string) string { return p[:len(p)-1] } }},
		{name: "payload with a comment", change: func(d *draft) { d.edit = func(p string) string { return "/**/" + p } }},
		{name: "payload with a BOM", change: func(d *draft) { d.edit = func(p string) string { return "\ufeff" + p } }},
		{name: "payload is not UTF-8", change: more("\"a\":\"\xff\"")},
		{name: "payload with U+0000", change: more(`"a":"x\u0000"`)},
		{name: "payload with U+0000 after a backslash", change: more(`"a":"\\\u0000"`)},
		{name: "payload with a NUL", change: more("\"a\":\"\x00\"")},
		{name: "payload with half a surrogate pair", change: more(`"a":"\ud800"`)},
		{name: "payload with the pair the wrong way round", change: more(`"a":"\ude00\ud83d"`)},
		{name: "payload with NaN", change: more(`"a":NaN`)},
		{name: "payload with a number of too many digits", change: more(`"a":1e131072`)},
		{name: "payload with a number of too many decimals", change: more(`"a":{"b":[0,-1.0E-16384]}`)},
		{name: "payload with an exponent beyond 64 bits", change: more(`"a":1e99999999999999999999`)},

		// Spellings of the token.
		{name: "padded", change: rewrite(func(raw string) string { return raw + "=" })},
		{name: "every part padded", change: rewrite(func(raw string) string { return strings.ReplaceAll(raw, ".", "=.") + "==" })},
		{name: "standard base64", change: func(d *draft) {
			d.sign = func(text string) []byte {
				for { // until the two alphabets differ
					signature := f.es256.Signature(text)
					if strings.ContainsAny(base64.RawURLEncoding.EncodeToString(signature), "-_") {
						return signature
					}
				}
			}
			d.after = func(raw string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(raw) }
		}},
		{name: "unused bits of the last character", change: rewrite(func(raw string) string {
			// 64 bytes leave 4 bits of the last character unused, which are 0.
			last := strings.IndexByte("AQgw", raw[len(raw)-1])
			return raw[:len(raw)-1] + string("BRhx"[last])
		})},
		{name: "four parts", change: rewrite(func(raw string) string { return raw + ".x" })},
		{name: "two parts", change: rewrite(func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] })},
		{name: "one part", change: rewrite(func(string) string { return "hello" })},
		{name: "dots only", change: rewrite(func(string) string { return ".." })},
		{name: "a dot in front", change: rewrite(func(raw string) string { return "." + raw })},
		{name: "JWE", change: rewrite(func(raw string) string { return raw + ".x.y" })},
		{name: "twice", change: rewrite(func(raw string) string { return raw + "," + raw })},
		{name: "in quotes", change: rewrite(func(raw string) string { return `"` + raw + `"` })},
		{name: "Bearer twice", change: rewrite(func(raw string) string { return "Bearer " + raw })},
		{name: "a space inside", change: rewrite(func(raw string) string { return raw[:20] + " " + raw[20:] })},
		{name: "a line break inside", change: rewrite(func(raw string) string { return raw[:20] + "\r\n" + raw[20:] })},
		{name: "a NUL at the end", change: rewrite(func(raw string) string { return raw + "\x00" })},
		{name: "a letter from elsewhere", change: rewrite(func(raw string) string { return strings.Replace(raw, "e", "е", 1) })},
		{name: "not UTF-8", change: rewrite(func(raw string) string { return raw + "\xff" })},
		{name: "undefined", change: rewrite(func(string) string { return "undefined" })},
		{name: "null", change: rewrite(func(string) string { return "null" })},
		{name: "JSON serialization", change: rewrite(func(raw string) string {
			parts := strings.Split(raw, ".")
			return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
		})},
		{name: "over 16 KiB", change: claim("pad", strings.Repeat("x", 13<<10))},

		// Keys of the project that name no user.
		{name: "secret key", change: rewrite(func(string) string { return "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz" })},
		{name: "a key of no kind that there is", change: rewrite(func(string) string { return "sb_other_N7UND0UgjKTVK" })},
		{name: "service_role key", change: func(d *draft) {
			d.header, d.sign = map[string]any{"alg": "HS256", "typ": "JWT"}, f.hs256.Signature
			d.claims = jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "service_role", "iat": now - 60, "exp": now + 3600}
		}},
		{name: "forged anon key", change: func(d *draft) {
			d.header, d.sign = map[string]any{"alg": "HS256", "typ": "JWT"}, authtest.NewSecret(t, []byte("x")).Signature
			d.claims = jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "anon", "iat": now - 60, "exp": now + 3600}
		}},
		{name: "anon key that never expires", change: func(d *draft) {
			d.header, d.sign = map[string]any{"alg": "HS256", "typ": "JWT"}, f.hs256.Signature
			d.claims = jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "anon"}
		}},
		{name: "expired anon key", change: func(d *draft) {
			d.header, d.sign = map[string]any{"alg": "HS256", "typ": "JWT"}, f.hs256.Signature
			d.claims = jwt.MapClaims{"iss": "supabase", "ref": "abc", "role": "anon", "exp": now - 60}
		}, code: "TOKEN_EXPIRED"},
	}

	for _, spelling := range []string{"none", "None", "NONE", "nOnE", "noNE", "none ", ""} {
		for name, sign := range map[string]func(string) []byte{"unsigned": func(string) []byte { return nil }, "signed": f.es256.Signature} {
			tests = append(tests, tokenTest{name: fmt.Sprintf("alg %q, %s", spelling, name), change: func(d *draft) { d.header["alg"], d.sign = spelling, sign }})
		}
	}
	// The token of each algorithm under the header of each other.
	for _, signer := range []*authtest.Key{f.es256, f.rs256, f.ed, f.hs256} {
		for _, named := range []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "HS256", "HS384", "HS512", "ES256K", "RSA1_5", "dir"} {
			if named != signer.Algorithm {
				tests = append(tests, tokenTest{name: signer.Algorithm + " as " + named, change: func(d *draft) {
					d.header["alg"], d.header["kid"], d.sign = named, signer.ID, signer.Signature
				}})
			}
		}
	}
	// HS256 with publicly known texts as the secret.
	for name, known := range publicSecrets(t, f) {
		for _, kid := range []any{nil, f.es256.ID, f.rs256.ID} {
			tests = append(tests, tokenTest{name: fmt.Sprintf("HS256 signed with %s, kid %v", name, kid != nil), change: func(d *draft) {
				d.header["alg"], d.header["kid"], d.sign = "HS256", kid, authtest.NewSecret(t, known).Signature
			}})
			if kid == nil {
				tests[len(tests)-1].change = func(d *draft) {
					d.header, d.sign = map[string]any{"alg": "HS256"}, authtest.NewSecret(t, known).Signature
				}
			}
		}
	}
	// ECDSA signatures that a careless verifier accepts for every text.
	n := elliptic.P256().Params().N
	over := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for _, r := range []*big.Int{big.NewInt(0), big.NewInt(1), n, over} {
		for _, s := range []*big.Int{big.NewInt(0), big.NewInt(1), n, over} {
			tests = append(tests, tokenTest{name: fmt.Sprintf("r=%x s=%x", r, s), change: func(d *draft) {
				d.sign = func(string) []byte { return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...) }
			}})
		}
	}
	return tests
}

// publicSecrets must never verify HS256.
func publicSecrets(t testing.TB, f *fixture) map[string][]byte {
	t.Helper()
	known := map[string][]byte{
		"nothing":                  {},
		"zeros":                    make([]byte, 32),
		"the development secret":   []byte("super-secret-jwt-token-with-at-least-32-characters-long"),
		"the issuer's URL":         []byte(f.issuer.URL()),
		"the key id":               []byte(f.es256.ID),
		"the JWKS":                 f.issuer.JWKS(),
		"half of the real secret":  f.issuer.Secret()[:16],
		"the real secret, base64'": []byte(base64.StdEncoding.EncodeToString(f.issuer.Secret())),
		"the RSA key in PKCS#1":    x509.MarshalPKCS1PublicKey(f.rs256.Public().(*rsa.PublicKey)),
	}
	for _, key := range []*authtest.Key{f.es256, f.rs256, f.ed} {
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		known["the "+key.Algorithm+" key in DER"] = spki
		known["the "+key.Algorithm+" key in PEM"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
		known["the "+key.Algorithm+" key in PEM, trimmed"] = bytes.TrimSpace(known["the "+key.Algorithm+" key in PEM"])
		known["the "+key.Algorithm+" key as JWK"] = key.JWK()
	}
	return known
}

// derSignature encodes r and s in ASN.1.
func derSignature(signature []byte) []byte {
	integer := func(b []byte) []byte {
		b = new(big.Int).SetBytes(b).Bytes()
		if b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	body := append(integer(signature[:32]), integer(signature[32:])...)
	return append([]byte{0x30, byte(len(body))}, body...)
}

func TestBadTokens(t *testing.T) {
	f := newFixture(t)
	for _, test := range badTokens(t, f) {
		t.Run(test.name, func(t *testing.T) {
			d := f.draft(f.es256)
			test.change(d)
			code := test.code
			if code == "" {
				code = "TOKEN_INVALID"
			}
			rawToken := d.token(t)
			f.expectRefusal(t, rawToken, code)
			f.expectRefusal(t, rawToken, code) // a refusal is not cached as something else
		})
	}
}

// A refusal before the check of the signature has a helpful message.
func TestMessages(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		rawToken, want string
	}{
		{f.hs256.Sign(jwt.MapClaims{"iss": "supabase", "role": "service_role"}), "service_role key bypasses row-level security"},
		{"undefined", "the word undefined"},
		{f.issuer.Token(ada) + ".x.y", "encrypted"},
		{f.issuer.Token(ada, func(c jwt.MapClaims) { c["exp"] = time.Now().Unix() - 7500 }), "token expired 2 hours ago"},
		{f.issuer.Token(ada, func(c jwt.MapClaims) { c["exp"] = "x" }), "token's claim exp is not of the type"},
		{f.issuer.Token(ada, func(c jwt.MapClaims) { c["client_id"] = "x" }), "OAuth app"},
		{authtest.NewKey(t, "ES256").Sign(f.issuer.Claims(ada)), "not, or no longer, in the issuer's key set"},
	} {
		if answer, _ := f.sendToken(test.rawToken); !strings.Contains(answer.Body.String(), test.want) {
			t.Errorf("%s\nwant %s", answer.Body, test.want)
		}
	}
}
