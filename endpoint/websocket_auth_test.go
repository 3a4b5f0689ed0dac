package endpoint_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usergraph/auth"
	"usergraph/auth/authtest"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
)

// An API key in connection_init names nobody. One that bypasses row-level security is refused, whatever else is there.
func TestWebsocketAPIKeys(t *testing.T) {
	s := newLiveServer(t)
	for _, payload := range []string{`{"apikey":"sb_secret_hunter2hunter2"}`, `{"apiKey":"sb_secret_hunter2hunter2","authorization":"Bearer ` + s.issuer.Token(ada) + `"}`, `{"authorization":"Bearer sb_secret_hunter2hunter2"}`} {
		c := s.dial(nil)
		c.send(`{"type":"connection_init","payload":` + payload + `}`)
		if code, reason := c.closed(); code != 4401 || !strings.HasPrefix(reason, "TOKEN_INVALID: a secret key bypasses row-level security") || strings.Contains(reason, "hunter2") {
			t.Errorf("%s: %d %s", payload, code, reason)
		}
	}
	for _, payload := range []string{`{"apikey":"sb_publishable_x"}`, `{"apikey":"sb_publishable_x","authorization":"Bearer sb_publishable_x"}`, `{"apikey":null}`, `{"apikey":["x"]}`} {
		c := s.dial(nil)
		c.send(`{"type":"connection_init","payload":` + payload + `}`)
		if got := c.receive(); !strings.Contains(got, "connection_ack") || strings.Contains(got, "expiresAt") {
			t.Errorf("%s: %s", payload, got)
		}
	}
}

// What cannot be known now says so: the client keeps its token and comes back.
func TestWebsocketNotKnownNow(t *testing.T) {
	issuer := authtest.New(t)
	keys, err := auth.NewRemoteKeySet(auth.RemoteConfig{URL: issuer.JWKSURL()})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(auth.Config{Issuers: []auth.Issuer{{URL: issuer.URL(), Keys: keys}}})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	s := startLiveServer(t, pgtest.New(t), issuer, func(o *endpoint.Options) { o.Verifier = verifier })
	s.dial(nil).init(issuer.Token(ada))
	claims := issuer.Claims(ada)
	claims["iat"] = time.Now().Unix() + 20 // newer than the key set
	c := s.dial(nil)
	c.send(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":"Bearer %s"}}`, authtest.NewKey(t, "ES256").Sign(claims)))
	if code, reason := c.closed(); code != 1013 || !strings.HasPrefix(reason, "UNAVAILABLE: the key that signed the token is not known yet") {
		t.Error(code, reason)
	}
}
