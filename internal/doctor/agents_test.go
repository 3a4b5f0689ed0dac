package doctor_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"usergraph/auth/authtest"
	"usergraph/internal/devauth"
	"usergraph/internal/doctor"
	"usergraph/internal/pgtest"
)

// authServer answers as Supabase Auth does about itself. A status of 0 is a page that is there.
type authServer struct {
	metadata, keys             int
	metadataText, keysText     string // in the place of Auth's
	issuer                     string // if it is not its address
	refusesToRegister, noECKey bool
}

func (a authServer) start(t *testing.T) (issuer string) {
	t.Helper()
	var server *httptest.Server
	answer := func(w http.ResponseWriter, status int, text string, otherwise any) {
		w.Header().Set("Content-Type", "application/json")
		if status != 0 {
			w.WriteHeader(status)
		}
		if text == "" {
			encoded, _ := json.Marshal(otherwise)
			text = string(encoded)
		}
		_, _ = w.Write([]byte(text))
	}
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base := server.URL + "/auth/v1"
		switch r.URL.Path {
		case "/auth/v1/.well-known/oauth-authorization-server":
			metadata := map[string]any{
				"issuer": base, "authorization_endpoint": base + "/oauth/authorize", "token_endpoint": base + "/oauth/token",
				"jwks_uri": base + "/.well-known/jwks.json", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "ES256"},
			}
			if a.issuer != "" {
				metadata["issuer"] = a.issuer
			}
			if !a.refusesToRegister {
				metadata["registration_endpoint"] = base + "/oauth/clients/register"
			}
			answer(w, a.metadata, a.metadataText, metadata)
		case "/auth/v1/.well-known/jwks.json":
			keys := []any{}
			if !a.noECKey {
				keys = append(keys, map[string]any{"kty": "EC", "alg": "ES256", "kid": "1"})
			}
			answer(w, a.keys, a.keysText, map[string]any{"keys": keys})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/auth/v1"
}

// Each advice for agents is provoked.
func TestAgents(t *testing.T) {
	for name, test := range map[string]struct {
		server   authServer
		severity doctor.Severity
		says     string
	}{
		"good":            {authServer{}, doctor.OK, "the project's OAuth server is on"},
		"registration":    {authServer{}, doctor.OK, "clients register themselves"},
		"keys":            {authServer{}, doctor.OK, "Auth has an asymmetric key"},
		"consent page":    {authServer{}, doctor.Note, "cannot be seen from outside -> give it in Supabase's dashboard, Authentication, OAuth Server, and sign in once"},
		"off":             {authServer{metadata: 404, metadataText: `{"code":404,"error_code":"feature_disabled","msg":"OAuth server is disabled"}`}, doctor.Error, "OAuth server is off: no agent can sign in -> switch it on in Supabase's dashboard, Authentication, OAuth Server"},
		"an old Auth":     {authServer{metadata: 404, metadataText: "404 page not found"}, doctor.Error, "this Auth has no OAuth server -> check SUPABASE_URL"},
		"a gateway":       {authServer{metadata: 401, metadataText: `{"message":"No API key found in request"}`}, doctor.Error, "401 Unauthorized -> agents have no API key: let the gateway"},
		"another program": {authServer{metadataText: "<html>"}, doctor.Error, "is no metadata of an authorization server -> check SUPABASE_URL"},
		"another name":    {authServer{issuer: "https://abc.supabase.co/auth/v1"}, doctor.Warning, "Auth calls itself https://abc.supabase.co/auth/v1, and agents are sent to http://127.0.0.1:"},
		"no registration": {authServer{refusesToRegister: true}, doctor.Warning, "only those that you add by hand can sign in -> allow dynamic registration"},
		"a secret only":   {authServer{noECKey: true}, doctor.Warning, "HS256 only: a client that asks for the scope openid gets an error instead of tokens -> create a signing key"},
		"no keys":         {authServer{keys: 401, keysText: `{"message":"No API key found in request"}`}, doctor.Warning, "cannot be read: http://127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := doctor.Config{Agents: true, Issuers: []string{test.server.start(t)}}
			expect(t, examine(t, cfg), "agents", test.severity, test.says)
			cfg.Agents = false
			if findings := examine(t, cfg)["agents"]; len(findings) > 0 {
				t.Errorf("without MCP=on: %+v", findings)
			}
		})
	}
	expect(t, examine(t, doctor.Config{Agents: true, Issuers: []string{"http://127.0.0.1:1/auth/v1"}}), "agents", doctor.Error, "agents look there for where to sign in")
}

// The stand-in of `usergraph dev` is a project in good shape, up to what cannot be seen.
func TestAgentsOfStandIn(t *testing.T) {
	pg := pgtest.New(t)
	server := httptest.NewUnstartedServer(nil)
	url := "http://" + server.Listener.Addr().String()
	standIn, err := devauth.Open(t.Context(), devauth.Config{
		URL: url, KeyFile: filepath.Join(t.TempDir(), "key"), DatabaseURL: pg.AdminURL, TokenLife: time.Hour, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(standIn.Close)
	server.Config.Handler = standIn.Handler()
	server.Start()
	t.Cleanup(server.Close)
	for _, f := range examine(t, doctor.Config{Agents: true, Issuers: []string{url + "/auth/v1"}})["agents"] {
		if f.Severity != doctor.OK && f.Severity != doctor.Note {
			t.Errorf("%+v", f)
		}
	}
}

// The token of an agent is explained as /mcp takes it, and shows that the project has a consent page.
func TestTokenOfAgent(t *testing.T) {
	issuer, ada := authtest.New(t), uuid.New()
	cfg := project(t, issuer)
	cfg.Agents = true
	cfg.Token = issuer.Token(ada, func(claims jwt.MapClaims) { claims["client_id"] = "app-1" })
	keys := issuer.JWKS()
	issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/jwks.json") {
			_, _ = w.Write(keys)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": issuer.URL(), "jwks_uri": issuer.JWKSURL(), "registration_endpoint": "x"})
	})
	findings := examine(t, cfg)
	expect(t, findings, "token", doctor.OK, "made for the OAuth app app-1, at /mcp, for user "+ada.String())
	expect(t, findings, "agents", doctor.OK, "has asked a user and given this agent a token")
	for _, f := range findings["agents"] {
		if f.Severity != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	cfg.Token = issuer.Token(ada)
	expect(t, examine(t, cfg), "token", doctor.OK, ", user "+ada.String())
	cfg.Token = issuer.Token(ada, func(claims jwt.MapClaims) {
		claims["client_id"], claims["iat"], claims["exp"] = "app-1", time.Now().Unix()-7200, time.Now().Unix()-3600
	})
	findings = examine(t, cfg)
	expect(t, findings, "token", doctor.Error, "callers get TOKEN_EXPIRED")
	expect(t, findings, "agents", doctor.Note, "cannot be seen from outside")
}
