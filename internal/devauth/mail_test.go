package devauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"usergraph/internal/devauth"
)

func confirmEmail(cfg *devauth.Config) { cfg.ConfirmEmail = true }

var mailLine = regexp.MustCompile(`msg=mail to=(\S+) subject="([^"]+)" link="([^"]+)" code=(\d{6})`)

// mail is what the log has of a mail.
type mail struct{ to, subject, link, code string }

// mails returns the mails of the log, the oldest first.
func (s *standIn) mails() (sent []mail) {
	for _, found := range mailLine.FindAllStringSubmatch(s.log.String(), -1) {
		sent = append(sent, mail{found[1], found[2], found[3], found[4]})
	}
	return sent
}

// lastMail returns the latest mail to an address.
func (s *standIn) lastMail(to string) mail {
	s.t.Helper()
	var last mail
	for _, m := range s.mails() {
		if m.to == to {
			last = m
		}
	}
	if last == (mail{}) {
		s.t.Fatalf("no mail to %s in\n%s", to, s.log)
	}
	return last
}

func (m mail) hash(t *testing.T) string {
	parsed, err := url.Parse(m.link)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Query().Get("token")
}

// open follows the link of a mail as a browser would, and returns the page that it leads to.
func (s *standIn) open(link string) *url.URL {
	s.t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(link)
	if err != nil {
		s.t.Fatal(err)
	}
	response.Body.Close()
	page, err := response.Location()
	if err != nil || response.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("%s: %d %v", link, response.StatusCode, err)
	}
	return page
}

func fragment(t *testing.T, page *url.URL) url.Values {
	values, err := url.ParseQuery(page.Fragment)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

const carol = `{"email":"carol@example.com","password":"opensesame","data":{"full_name":"Carol Shaw"}}`

func TestSignUpWithConfirmation(t *testing.T) {
	s := start(t, confirmEmail)
	a := s.send("POST", "/signup?redirect_to=http%3A%2F%2Flocalhost%3A3000%2Fwelcome%3Fa%3D1", carol)
	if a.status != 200 || a.AccessToken != "" || a.Email != "carol@example.com" || a.EmailConfirmedAt != "" || len(a.Identities) != 1 || a.UserMetadata["email_verified"] != false {
		t.Fatal(a.text)
	}
	if b := s.send("POST", "/token?grant_type=password", carol); b.Error != "email_not_confirmed" {
		t.Errorf("unconfirmed: %s", b.text)
	}
	if b := s.send("POST", "/token?grant_type=password", strings.Replace(carol, "opensesame", "wrong one", 1)); b.Error != "invalid_credentials" {
		t.Errorf("unconfirmed, with a wrong password: %s", b.text)
	}
	first := s.lastMail("carol@example.com")
	if again := s.send("POST", "/signup", carol); again.status != 200 || again.ID != a.ID || len(s.mails()) != 2 {
		t.Errorf("again: %s", again.text)
	}
	if page := s.open(first.link); fragment(t, page).Get("error_code") != "otp_expired" {
		t.Errorf("the mail before: %s", page)
	}
	if b := s.send("POST", "/resend?redirect_to=http%3A%2F%2Flocalhost%3A3000%2Fwelcome%3Fa%3D1", `{"type":"signup","email":"carol@example.com"}`); b.status != 200 {
		t.Errorf("resend: %s", b.text)
	}

	link := s.lastMail("carol@example.com").link
	page := s.open(link)
	got := fragment(t, page)
	if page.Host != "localhost:3000" || page.Path != "/welcome" || page.Query().Get("a") != "1" || got.Get("type") != "signup" || got.Get("refresh_token") == "" {
		t.Fatalf("the link leads to %s", page)
	}
	u := s.send("GET", "/user", "", s.as(got.Get("access_token"))...)
	if u.ID != a.ID || u.EmailConfirmedAt == "" || u.UserMetadata["email_verified"] != true || u.Identities[0].Data["email_verified"] != true {
		t.Errorf("confirmed: %s", u.text)
	}
	if amr := claims(t, got.Get("access_token"))["amr"]; !strings.Contains(fmt.Sprint(amr), "method:otp") {
		t.Errorf("amr: %v", amr)
	}
	if page := s.open(link); fragment(t, page).Get("error") != "access_denied" || fragment(t, page).Get("error_code") != "otp_expired" {
		t.Errorf("the link again: %s", page)
	}
	if b := s.send("POST", "/token?grant_type=password", carol); b.User.ID != a.ID {
		t.Errorf("confirmed: %s", b.text)
	}

	// Nobody learns who has an account: no identity, another id, no mail.
	sent := len(s.mails())
	b := s.send("POST", "/signup", carol)
	if b.status != 200 || b.Email != "carol@example.com" || b.ID == a.ID || b.Role != "" || len(b.Identities) != 0 || len(s.mails()) != sent {
		t.Errorf("an address that is taken: %s", b.text)
	}
	for _, body := range []string{`{"type":"signup","email":"carol@example.com"}`, `{"type":"signup","email":"nobody@example.com"}`, `{"type":"email_change","email":"carol@example.com"}`} {
		if b := s.send("POST", "/resend", body); b.status != 200 || b.text != "{}\n" || len(s.mails()) != sent {
			t.Errorf("%s: %s", body, b.text)
		}
	}
}

func TestVerifyByHashAndByCode(t *testing.T) {
	for name, body := range map[string]func(m mail) string{
		"hash":           func(m mail) string { return `{"type":"email","token_hash":"` + m.hash(t) + `"}` },
		"hash, old type": func(m mail) string { return `{"type":"signup","token_hash":"` + m.hash(t) + `"}` },
		"code":           func(m mail) string { return `{"type":"email","email":"Carol@Example.com","token":"` + m.code + `"}` },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, confirmEmail)
			s.send("POST", "/signup", carol)
			m := s.lastMail("carol@example.com")
			if a := s.send("POST", "/verify", `{"type":"email","email":"bob@example.com","token":"`+m.code+`"}`); a.Error != "otp_expired" {
				t.Errorf("somebody else's code: %s", a.text)
			}
			s.db.Exec(t, "update auth.users set confirmation_sent_at = now() - interval '61 minutes' where email = 'carol@example.com'")
			if a := s.send("POST", "/verify", body(m)); a.Error != "otp_expired" {
				t.Errorf("too late: %s", a.text)
			}
			s.db.Exec(t, "update auth.users set confirmation_sent_at = now() where email = 'carol@example.com'")
			a := s.send("POST", "/verify", body(m))
			if a.status != 200 || a.AccessToken == "" || a.User.EmailConfirmedAt == "" {
				t.Errorf("in time: %s", a.text)
			}
			if a := s.send("POST", "/verify", body(m)); a.Error != "otp_expired" {
				t.Errorf("twice: %s", a.text)
			}
		})
	}
}

// Links lead to pages of this machine, and to the site for all others.
func TestWhereLinksLead(t *testing.T) {
	for asked, want := range map[string]string{
		"http://127.0.0.1:5173/a": "http://127.0.0.1:5173/a", "http://localhost:3000/": "http://localhost:3000/",
		"": "http://localhost:4000", "https://evil.example.com/": "http://localhost:4000", "//evil.example.com": "http://localhost:4000",
		"javascript:alert(1)": "http://localhost:4000", "http://localhost.example.com": "http://localhost:4000", "http://localhost@evil.example.com": "http://localhost:4000",
	} {
		s := start(t, confirmEmail, func(cfg *devauth.Config) { cfg.SiteURL = "http://localhost:4000" })
		s.send("POST", "/signup?redirect_to="+url.QueryEscape(asked), carol)
		page := s.open(s.lastMail("carol@example.com").link)
		page.Fragment = ""
		if page.String() != want {
			t.Errorf("%q leads to %s", asked, page)
		}
	}
}

// @supabase/ssr sends a challenge; the link gives a code that only its own client can use.
func TestConfirmationByPKCE(t *testing.T) {
	s := start(t, confirmEmail)
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	s.send("POST", "/signup", strings.Replace(carol, "{", `{"code_challenge":"`+challenge+`","code_challenge_method":"s256",`, 1))
	page := s.open(s.lastMail("carol@example.com").link)
	code := page.Query().Get("code")
	if code == "" || page.Fragment != "" {
		t.Fatalf("the link leads to %s", page)
	}
	exchange := func(verifier string) answer {
		return s.send("POST", "/token?grant_type=pkce", `{"auth_code":"`+code+`","code_verifier":"`+verifier+`"}`)
	}
	if a := exchange(strings.Repeat("w", 43)); a.Error != "bad_code_verifier" {
		t.Errorf("another client: %s", a.text)
	}
	s.db.Exec(t, "update auth.flow_state set auth_code_issued_at = now() - interval '6 minutes'")
	if a := exchange(verifier); a.Error != "flow_state_expired" {
		t.Errorf("too late: %s", a.text)
	}
	s.db.Exec(t, "update auth.flow_state set auth_code_issued_at = now()")
	if a := exchange(verifier); a.User.Email != "carol@example.com" || a.AccessToken == "" {
		t.Errorf("the client: %s", a.text)
	}
	if a := exchange(verifier); a.Error != "flow_state_not_found" {
		t.Errorf("twice: %s", a.text)
	}
	if page := s.open(s.lastMail("carol@example.com").link); page.Query().Get("error_code") != "otp_expired" {
		t.Errorf("the link again: %s", page)
	}
}

func TestEmailChange(t *testing.T) {
	for _, both := range []bool{false, true} {
		s := start(t, func(cfg *devauth.Config) { cfg.ConfirmEmail = both })
		token := s.signIn().AccessToken
		if a := s.send("PUT", "/user", `{"email":"BOB@example.com"}`, s.as(token)...); a.Error != "email_exists" {
			t.Errorf("an address that is taken: %s", a.text)
		}
		a := s.send("PUT", "/user", `{"email":"Countess@example.com"}`, s.as(token)...)
		if a.status != 200 || a.Email != "ada@example.com" || a.NewEmail != "countess@example.com" {
			t.Errorf("asked: %s", a.text)
		}
		if len(s.mails()) != 2 {
			t.Fatalf("mails: %v", s.mails())
		}
		old, to := s.lastMail("ada@example.com"), s.lastMail("countess@example.com")
		if both {
			if page := s.open(old.link); !strings.Contains(fragment(t, page).Get("message"), "other email") {
				t.Errorf("the first of two: %s", page)
			}
			if page := s.open(old.link); fragment(t, page).Get("error_code") != "otp_expired" {
				t.Errorf("the first again: %s", page)
			}
			if u := s.send("GET", "/user", "", s.as(token)...); u.Email != "ada@example.com" {
				t.Errorf("after one of two: %s", u.text)
			}
		}
		v := s.send("POST", "/verify", `{"type":"email_change","email":"countess@example.com","token":"`+to.code+`"}`)
		if v.User.Email != "countess@example.com" || v.User.NewEmail != "" || v.User.Identities[0].Email != "countess@example.com" {
			t.Errorf("confirmed: %s", v.text)
		}
		if page := s.open(to.link); fragment(t, page).Get("error_code") != "otp_expired" {
			t.Errorf("again: %s", page)
		}
	}
}

// Somebody else may take the address before it is confirmed.
func TestEmailChangeThatComesTooLate(t *testing.T) {
	s := start(t)
	token := s.signIn().AccessToken
	s.send("PUT", "/user", `{"email":"carol@example.com"}`, s.as(token)...)
	s.send("POST", "/signup", carol)
	if page := s.open(s.lastMail("carol@example.com").link); fragment(t, page).Get("error_code") != "email_exists" {
		t.Errorf("the link leads to %s", page)
	}
	if u := s.send("GET", "/user", "", s.as(token)...); u.Email != "ada@example.com" {
		t.Error(u.text)
	}
}

func TestSettingsTellOfConfirmation(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		s := start(t, func(cfg *devauth.Config) { cfg.ConfirmEmail = confirm })
		if a := s.send("GET", "/settings", ""); strings.Contains(a.text, `"mailer_autoconfirm":true`) == confirm {
			t.Errorf("confirm %v: %s", confirm, a.text)
		}
	}
}
