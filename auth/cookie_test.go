package auth_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usergraph/auth"
)

const cookieName = "sb-abc-auth-token"

// sendCookies sends a request with a Cookie header from a page of the same origin.
func (f *fixture) sendCookies(cookies ...string) (status int, called, body string) {
	answer, called := f.send(func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header["Cookie"] = cookies
	})
	return answer.Code, called, answer.Body.String()
}

// written returns a session as @supabase/ssr writes it: whole, or in chunks of a size.
func written(session string, size int) []string {
	if size == 0 {
		return []string{cookieName + "=" + session}
	}
	var cookies []string
	for i := 0; i*size < len(session); i++ {
		cookies = append(cookies, fmt.Sprintf("%s.%d=%s", cookieName, i, session[i*size:min((i+1)*size, len(session))]))
	}
	return cookies
}

// A neighbour under the same domain can set the cookie as well, in any form. The user's own cannot be told from it, so
// neither is accepted.
func TestAmbiguousCookies(t *testing.T) {
	f := newFixture(t, func(cfg *auth.Config) { cfg.SessionCookie = cookieName })
	own, foreign := sessionCookie(f.issuer.Token(ada)), sessionCookie(f.issuer.Token(uuid.New()))
	whole, chunks := written(own, 0), written(own, 600)
	two := "base64-" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"access_token":%q,"access_token":%q}`, f.issuer.Token(uuid.New()), f.issuer.Token(ada)))
	for name, cookies := range map[string][]string{
		"whole beside chunks":                  append(written(foreign, 0), chunks...),
		"chunks beside whole":                  append(written(foreign, 600), whole...),
		"whole beside one chunk":               append(written(foreign, 0), chunks[0]),
		"one more chunk":                       append(chunks, fmt.Sprintf("%s.%d=AAAA", cookieName, len(chunks))),
		"one more chunk, white space in JSON":  append(chunks, fmt.Sprintf("%s.%d=ICAg", cookieName, len(chunks))),
		"a chunk far away":                     append(chunks, cookieName+".19=AAAA"),
		"a chunk beyond what there can be":     append(chunks, cookieName+".20=AAAA"),
		"the first chunk is missing":           chunks[1:],
		"a chunk in the middle is missing":     append(chunks[:1:1], chunks[2:]...),
		"one chunk twice":                      append(chunks, cookieName+".1=AAAA"),
		"one chunk twice, once empty":          append(chunks, cookieName+".1="),
		"whole twice, once empty":              append(whole, cookieName+"="),
		"whole twice, once without a value":    append(whole, cookieName),
		"whole and foreign":                    append(whole, written(foreign, 0)...),
		"foreign and whole":                    append(written(foreign, 0), whole...),
		"with what net/http leaves out":        append(whole, cookieName+"=\x01"),
		"with a quoted one":                    append(whole, cookieName+`="`+foreign+`"`),
		"with a tab in front":                  append(whole, "\t"+cookieName+"="+foreign),
		"a chunk with a zero in front":         append(chunks[:1:1], strings.Replace(chunks[1], ".1=", ".01=", 1)),
		"a chunk with a sign":                  append(chunks[:1:1], strings.Replace(chunks[1], ".1=", ".+1=", 1)),
		"a chunk without a number":             append(whole, cookieName+".=x"),
		"a chunk of a chunk":                   append(whole, cookieName+".0.0=x"),
		"a chunk with a word":                  append(whole, cookieName+".x=x"),
		"a negative chunk":                     append(whole, cookieName+".-1=x"),
		"a chunk with a number beyond 64 bits": append(whole, cookieName+".18446744073709551616=x"),
		"chunks of two lengths":                {cookieName + ".0=" + own[:500], cookieName + ".1=" + own[500:600], cookieName + ".2=" + own[600:]},
		"a session of two tokens":              written(two, 0),
	} {
		for _, headers := range [][]string{{strings.Join(cookies, "; ")}, {strings.Join(cookies, ";")}, cookies} {
			if status, called, body := f.sendCookies(headers...); called != "" || status != 401 || !strings.Contains(body, `"TOKEN_INVALID"`) {
				t.Errorf("%s: called %q, %d %s", name, called, status, body)
			}
		}
	}
	// The cookies that @supabase/ssr itself leaves are not ambiguous.
	for name, cookies := range map[string][]string{
		"whole":                                whole,
		"chunks":                               chunks,
		"chunks, the last one first":           append(chunks[len(chunks)-1:len(chunks):len(chunks)], chunks[:len(chunks)-1]...),
		"whole, and deleted chunks":            append(whole, cookieName+".0=", cookieName+".1="),
		"chunks, and the whole one is deleted": append(chunks, cookieName+"="),
		"fewer chunks than before":             append(chunks, fmt.Sprintf("%s.%d=", cookieName, len(chunks))),
		"cookies of other names":               append(whole, cookieName+"-code-verifier=a", cookieName+"-user=b", "x"+cookieName+"=c", "theme=dark", "", "x"),
		"the same twice":                       append(whole, whole[0]),
		"white space":                          {" " + whole[0] + " ; a=b"},
		"in chunks of the same length":         written(own, (len(own)+1)/2),
	} {
		if _, called, body := f.sendCookies(strings.Join(cookies, "; ")); called != ada.String() {
			t.Errorf("%s: called %q, %s", name, called, body)
		}
	}
}

// However a foreign session's cookies are mixed with the user's, the request has no caller.
func TestMixedCookies(t *testing.T) {
	f := newFixture(t, func(cfg *auth.Config) { cfg.SessionCookie = cookieName })
	own, foreign := sessionCookie(f.issuer.Token(ada)), sessionCookie(f.issuer.Token(uuid.New()))
	random := rand.New(rand.NewPCG(15, 3))
	sizes := []int{0, 300, 301, 600, 700}
	for range 3000 {
		cookies := written(own, sizes[random.IntN(len(sizes))])
		tossed := written(foreign, sizes[random.IntN(len(sizes))])
		// The same cookie twice is not ambiguous: the first chunk may be the same in both sessions.
		tossed = slices.DeleteFunc(tossed, func(cookie string) bool { return slices.Contains(cookies, cookie) })
		if len(tossed) == 0 {
			continue
		}
		random.Shuffle(len(tossed), func(i, j int) { tossed[i], tossed[j] = tossed[j], tossed[i] })
		cookies = append(cookies, tossed[:1+random.IntN(len(tossed))]...)
		random.Shuffle(len(cookies), func(i, j int) { cookies[i], cookies[j] = cookies[j], cookies[i] })
		if status, called, _ := f.sendCookies(strings.Join(cookies, "; ")); called != "" || status != 401 {
			t.Fatalf("called %q, %d: %s", called, status, strings.Join(cookies, "\n"))
		}
	}
}

// Without proof that the page is of the same origin the cookie is refused, ambiguous or not.
func TestAmbiguousCookieOfAnotherSite(t *testing.T) {
	f := newFixture(t, func(cfg *auth.Config) { cfg.SessionCookie = cookieName })
	good := f.issuer.Token(ada)
	for authorization, want := range map[string]string{"": "", "Bearer " + good: ada.String()} {
		answer, called := f.send(func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Cookie", cookieName+"=a; "+cookieName+"=b")
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
		})
		if called != want || want == "" && !strings.Contains(answer.Body.String(), `"UNAUTHENTICATED"`) {
			t.Errorf("%.10q: called %q, %d %s", authorization, called, answer.Code, answer.Body)
		}
	}
}

// rawCookies returns a session as @supabase/ssr writes it with cookieEncoding "raw", in chunks of a size: it cuts before a
// character whose percent-encoding would not fit.
func rawCookies(session string, size int) []string {
	var cookies []string
	chunk := ""
	for _, character := range session {
		encoded := url.PathEscape(string(character))
		if len(chunk)+len(encoded) > size {
			cookies = append(cookies, fmt.Sprintf("%s.%d=%s", cookieName, len(cookies), chunk))
			chunk = ""
		}
		chunk += encoded
	}
	return append(cookies, fmt.Sprintf("%s.%d=%s", cookieName, len(cookies), chunk))
}

func TestRawCookies(t *testing.T) {
	f := newFixture(t, func(cfg *auth.Config) { cfg.SessionCookie = cookieName })
	session := fmt.Sprintf(`{"access_token":%q,"refresh_token":"x","user":{"user_metadata":{"name":"%s"}}}`, f.issuer.Token(ada), strings.Repeat("Ada 🧮é; ", 100))
	foreign := fmt.Sprintf(`{"access_token":%q}`, f.issuer.Token(uuid.New()))
	for size := 300; size < 330; size++ { // the cuts fall on other characters
		if _, called, body := f.sendCookies(strings.Join(rawCookies(session, size), "; ")); called != ada.String() {
			t.Errorf("in chunks of %d: called %q, %s", size, called, body)
		}
	}
	whole := url.PathEscape(session)
	for name, cookie := range map[string]string{
		"whole":         cookieName + "=" + whole,
		"in lower case": cookieName + "=" + strings.Replace(whole, "%7B", "%7b", 1),
		"not encoded":   cookieName + "=" + strings.ReplaceAll(session, ";", ""),
		"one chunk":     cookieName + ".0=" + whole,
	} {
		if _, called, body := f.sendCookies(cookie); called != ada.String() {
			t.Errorf("%s: called %q, %s", name, called, body)
		}
	}
	chunks := rawCookies(session, 300)
	for name, cookies := range map[string][]string{
		"the first chunk is missing":   chunks[1:],
		"the last chunk is missing":    chunks[:len(chunks)-1],
		"one in the middle is missing": append(chunks[:1:1], chunks[2:]...),
		"one more chunk":               append(chunks[:len(chunks):len(chunks)], fmt.Sprintf("%s.%d=%%7D", cookieName, len(chunks))),
		"a foreign session behind it":  append(chunks[:len(chunks):len(chunks)], fmt.Sprintf("%s.%d=%s", cookieName, len(chunks), url.PathEscape(foreign))),
		"a foreign whole one":          append(chunks[:len(chunks):len(chunks)], cookieName+"="+url.PathEscape(foreign)),
		"two tokens":                   {cookieName + "=" + url.PathEscape(strings.Replace(session, "{", fmt.Sprintf(`{"access_token":%q,`, f.issuer.Token(uuid.New())), 1))},
		"half of an escape":            {cookieName + "=" + whole[:len(whole)-1]},
		"no object":                    {cookieName + "=%5B%22" + f.issuer.Token(ada) + "%22%5D"},
		"a token alone":                {cookieName + "=" + f.issuer.Token(ada)},
		"encoded twice":                {cookieName + "=" + url.PathEscape(whole)},
	} {
		if status, called, body := f.sendCookies(strings.Join(cookies, "; ")); called != "" || status != 401 || !strings.Contains(body, `"TOKEN_INVALID"`) {
			t.Errorf("%s: called %q, %d %s", name, called, status, body)
		}
	}
}
