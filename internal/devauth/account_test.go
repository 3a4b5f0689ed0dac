package devauth_test

import (
	"strings"
	"testing"

	"usergraph/internal/devauth"
)

func (s *standIn) as(token string) []string { return []string{"Authorization", "Bearer " + token} }

// A changed password ends the other sessions, as Supabase Auth has it.
func TestPasswordIsChanged(t *testing.T) {
	s := start(t)
	here, there := s.signIn(), s.signIn()
	for body, want := range map[string]string{
		`{"password":"usergraph-dev"}`: "same_password",
		`{"password":"12345"}`:         "weak_password",
		`{"phone":"+3112345678"}`:      "phone_provider_disabled",
	} {
		if a := s.send("PUT", "/user", body, s.as(here.AccessToken)...); a.Error != want || a.header.Get("X-Sb-Error-Code") != want {
			t.Errorf("%s: %d %s", body, a.status, a.text)
		}
	}
	if a := s.send("PUT", "/user", `{"password":"another one"}`, s.as(here.AccessToken)...); a.status != 200 {
		t.Fatal(a.text)
	}
	if a := s.send("GET", "/user", "", s.as(there.AccessToken)...); a.Error != "session_not_found" {
		t.Errorf("the other session: %s", a.text)
	}
	if a := s.send("GET", "/user", "", s.as(here.AccessToken)...); a.status != 200 {
		t.Errorf("this session: %s", a.text)
	}
	if a := s.send("POST", "/token?grant_type=password", `{"email":"ada@example.com","password":"another one"}`); a.status != 200 {
		t.Errorf("the new password: %s", a.text)
	}
}

func TestAnonymousUserKeepsTheAccount(t *testing.T) {
	s := start(t)
	a := s.send("POST", "/signup", `{"data":{"theme":"dark"}}`)
	if !a.User.IsAnonymous || a.User.UserMetadata["theme"] != "dark" || len(a.User.Identities) != 0 {
		t.Fatal(a.text)
	}
	if b := s.send("PUT", "/user", `{"password":"opensesame"}`, s.as(a.AccessToken)...); b.Error != "validation_failed" {
		t.Errorf("a password without an address: %s", b.text)
	}
	b := s.send("PUT", "/user", `{"email":"frances@example.com","password":"opensesame"}`, s.as(a.AccessToken)...)
	if b.IsAnonymous || b.Email != "frances@example.com" || b.ID != a.User.ID || len(b.Identities) != 1 {
		t.Errorf("with an address: %s", b.text)
	}
	if c := s.send("POST", "/token?grant_type=password", `{"email":"frances@example.com","password":"opensesame"}`); c.User.ID != a.User.ID {
		t.Errorf("later: %s", c.text)
	}
}

func TestBannedUserDoesNotSignIn(t *testing.T) {
	s := start(t)
	s.db.Exec(t, "update auth.users set banned_until = now() + interval '1 day' where email = 'ada@example.com'")
	if a := s.send("POST", "/token?grant_type=password", `{"email":"ada@example.com","password":"usergraph-dev"}`); a.Error != "user_banned" {
		t.Error(a.text)
	}
}

// Triggers on auth.users find at the insert what Supabase Auth puts there.
func TestWhatTriggersRead(t *testing.T) {
	s := start(t)
	s.db.Exec(t, `
		create table public.seen (meta jsonb, app jsonb);
		create function public.see() returns trigger language plpgsql security definer as $$ begin
			insert into public.seen values (new.raw_user_meta_data, new.raw_app_meta_data); return new; end $$;
		create trigger see after insert on auth.users for each row execute function public.see()`)
	if a := s.send("POST", "/signup", `{"email":"carol@example.com","password":"opensesame","data":{"full_name":"Carol"}}`); a.status != 200 {
		t.Fatal(a.text)
	}
	if got := one[string](s, "select meta ->> 'full_name' || ' ' || (app ->> 'provider') from public.seen"); got != "Carol email" {
		t.Errorf("the trigger saw %s", got)
	}
	got := one[string](s, "select provider || ' ' || email || ' ' || (identity_data ->> 'full_name') from auth.identities where provider_id = user_id::text and email = 'carol@example.com'")
	if got != "email carol@example.com Carol" {
		t.Errorf("the identity: %s", got)
	}
}

// What Supabase Auth reads of a user must not be null, so that a database can move to a project.
func TestTokensAreNotNull(t *testing.T) {
	s := start(t, func(cfg *devauth.Config) { cfg.ConfirmEmail = true })
	s.send("POST", "/signup", `{}`)
	s.send("POST", "/signup", `{"email":"carol@example.com","password":"opensesame"}`)
	if got := one[int](s, `select count(*) from auth.users where confirmation_token is null or recovery_token is null or email_change_token_new is null
		or email_change is null or email_change_token_current is null or phone_change is null or phone_change_token is null or reauthentication_token is null`); got != 0 {
		t.Errorf("%d users with nulls", got)
	}
	if !strings.Contains(s.log.String(), "carol@example.com") {
		t.Error("no mail was sent")
	}
}
