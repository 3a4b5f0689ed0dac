package devauth_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// claims returns the claims of a token, unverified.
func claims(t *testing.T, token string) (c map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &c) != nil {
		t.Fatal(err)
	}
	return c
}

// enrolled is a factor of a test.
type enrolled struct {
	ID   string `json:"id"`
	TOTP struct {
		QRCode string `json:"qr_code"`
		Secret string `json:"secret"`
		URI    string `json:"uri"`
	} `json:"totp"`
}

func (s *standIn) enroll(token, name string) enrolled {
	s.t.Helper()
	a := s.send("POST", "/factors", `{"factor_type":"totp","friendly_name":"`+name+`"}`, s.as(token)...)
	var f enrolled
	if err := json.Unmarshal([]byte(a.text), &f); err != nil || a.status != 200 {
		s.t.Fatal(a.text)
	}
	return f
}

func (s *standIn) challenge(token string, f enrolled) string {
	s.t.Helper()
	a := s.send("POST", "/factors/"+f.ID+"/challenge", "{}", s.as(token)...)
	if a.status != 200 {
		s.t.Fatal(a.text)
	}
	return a.ID
}

func (s *standIn) verify(token string, f enrolled, challenge, code string) answer {
	s.t.Helper()
	return s.send("POST", "/factors/"+f.ID+"/verify", `{"challenge_id":"`+challenge+`","code":"`+code+`"}`, s.as(token)...)
}

func (f enrolled) code(t *testing.T, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(f.TOTP.Secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestSecondFactor(t *testing.T) {
	s := start(t)
	other, here := s.signIn(), s.signIn()
	f := s.enroll(here.AccessToken, "telephone")
	if !strings.HasPrefix(f.TOTP.URI, "otpauth://totp/localhost:3000:ada@example.com?") || !strings.Contains(f.TOTP.URI, f.TOTP.Secret) {
		t.Errorf("the URI: %s", f.TOTP.URI)
	}
	if u := s.send("GET", "/user", "", s.as(here.AccessToken)...); len(u.Factors) != 1 || u.Factors[0].Status != "unverified" || strings.Contains(u.text, f.TOTP.Secret) {
		t.Errorf("enrolled: %s", u.text)
	}

	challenge := s.challenge(here.AccessToken, f)
	for body, want := range map[string]string{
		`{"challenge_id":"` + challenge + `","code":"000000"}`:                  "mfa_verification_failed",
		`{"challenge_id":"` + challenge + `","code":"0"}`:                       "mfa_verification_failed",
		`{"challenge_id":"` + challenge + `"}`:                                  "validation_failed",
		`{"challenge_id":"` + ada + `","code":"` + f.code(t, time.Now()) + `"}`: "mfa_factor_not_found",
		`{"challenge_id":"none"}`:                                               "bad_json",
	} {
		if a := s.send("POST", "/factors/"+f.ID+"/verify", body, s.as(here.AccessToken)...); a.Error != want {
			t.Errorf("%s: %s", body, a.text)
		}
	}
	if a := s.verify(here.AccessToken, f, challenge, f.code(t, time.Now().Add(-5*time.Minute))); a.Error != "mfa_verification_failed" {
		t.Errorf("an old code: %s", a.text)
	}
	s.db.Exec(t, "update auth.mfa_challenges set created_at = now() - interval '6 minutes'")
	if a := s.verify(here.AccessToken, f, challenge, f.code(t, time.Now())); a.Error != "mfa_challenge_expired" {
		t.Errorf("an old challenge: %s", a.text)
	}

	challenge = s.challenge(here.AccessToken, f)
	raised := s.verify(here.AccessToken, f, challenge, f.code(t, time.Now()))
	if raised.status != 200 || len(raised.User.Factors) != 1 || raised.User.Factors[0].Status != "verified" {
		t.Fatal(raised.text)
	}
	if a := s.verify(raised.AccessToken, f, challenge, f.code(t, time.Now())); a.Error != "mfa_ip_address_mismatch" {
		t.Errorf("a challenge that is answered: %s", a.text)
	}
	c, before := claims(t, raised.AccessToken), claims(t, here.AccessToken)
	if c["aal"] != "aal2" || !strings.Contains(fmt.Sprint(c["amr"]), "method:totp") || !strings.Contains(fmt.Sprint(c["amr"]), "method:password") || c["session_id"] != before["session_id"] {
		t.Errorf("%v", c)
	}
	if got := one[string](s, "select aal || ' ' || factor_id from auth.sessions where id = $1", c["session_id"]); got != "aal2 "+f.ID {
		t.Errorf("the session: %s", got)
	}
	if a := s.send("GET", "/user", "", s.as(other.AccessToken)...); a.Error != "session_not_found" {
		t.Errorf("the session without the factor goes on: %s", a.text)
	}
	if again := s.refresh(raised.RefreshToken); claims(t, again.AccessToken)["aal"] != "aal2" {
		t.Errorf("refreshed: %s", again.text)
	}

	low := s.signIn()
	for what, got := range map[string]answer{
		"enroll":   s.send("POST", "/factors", `{"factor_type":"totp","friendly_name":"b"}`, s.as(low.AccessToken)...),
		"unenroll": s.send("DELETE", "/factors/"+f.ID, "", s.as(low.AccessToken)...),
		"password": s.send("PUT", "/user", `{"password":"another one"}`, s.as(low.AccessToken)...),
		"address":  s.send("PUT", "/user", `{"email":"countess@example.com"}`, s.as(low.AccessToken)...),
	} {
		if got.Error != "insufficient_aal" {
			t.Errorf("%s with level 1: %d %s", what, got.status, got.text)
		}
	}
	if a := s.send("PUT", "/user", `{"data":{"a":1}}`, s.as(low.AccessToken)...); a.status != 200 {
		t.Errorf("metadata with level 1: %s", a.text)
	}

	last := s.signIn()
	raised = s.verify(last.AccessToken, f, s.challenge(last.AccessToken, f), f.code(t, time.Now()))
	if a := s.send("DELETE", "/factors/"+f.ID, "", s.as(raised.AccessToken)...); a.ID != f.ID {
		t.Fatal(a.text)
	}
	if u := s.send("GET", "/user", "", s.as(raised.AccessToken)...); len(u.Factors) != 0 {
		t.Errorf("unenrolled: %s", u.text)
	}
	if again := s.refresh(raised.RefreshToken); claims(t, again.AccessToken)["aal"] != "aal1" || strings.Contains(fmt.Sprint(claims(t, again.AccessToken)["amr"]), "totp") {
		t.Errorf("refreshed after unenroll: %v", claims(t, again.AccessToken))
	}
}

func TestFactorsAreBoundedAndTheirOwners(t *testing.T) {
	s := start(t)
	token := s.signIn().AccessToken
	f := s.enroll(token, "1")
	if a := s.send("POST", "/factors", `{"factor_type":"totp","friendly_name":"1"}`, s.as(token)...); a.Error != "mfa_factor_name_conflict" {
		t.Errorf("the same name: %s", a.text)
	}
	if a := s.send("POST", "/factors", `{"factor_type":"phone","phone":"+3112345678"}`, s.as(token)...); a.Error != "validation_failed" {
		t.Errorf("a telephone: %s", a.text)
	}
	bob := s.send("POST", "/token?grant_type=password", `{"email":"bob@example.com","password":"usergraph-dev"}`).AccessToken
	for _, path := range []string{"/factors/" + f.ID + "/challenge", "/factors/none/challenge"} {
		if a := s.send("POST", path, "{}", s.as(bob)...); a.status != 404 || a.Error != "mfa_factor_not_found" {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	if a := s.send("DELETE", "/factors/"+f.ID, "", s.as(bob)...); a.Error != "mfa_factor_not_found" {
		t.Errorf("Ada's factor goes: %s", a.text)
	}
	for i := 2; i <= 10; i++ {
		s.enroll(token, fmt.Sprint(i))
	}
	if a := s.send("POST", "/factors", `{"factor_type":"totp","friendly_name":"11"}`, s.as(token)...); a.Error != "too_many_enrolled_mfa_factors" {
		t.Errorf("the eleventh: %s", a.text)
	}
	s.db.Exec(t, "update auth.mfa_factors set created_at = now() - interval '6 minutes'")
	s.enroll(token, "1") // those nobody verified have gone
	if got := one[int](s, "select count(*) from auth.mfa_factors"); got != 1 {
		t.Errorf("%d factors", got)
	}
}

// supabase-js puts the picture into a data URL, unescaped.
func TestQRCode(t *testing.T) {
	s := start(t)
	svg := s.enroll(s.signIn().AccessToken, "").TOTP.QRCode
	if strings.ContainsAny(svg, "#%") || !strings.HasPrefix(svg, "<svg ") {
		t.Errorf("%.100s", svg)
	}
	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
