// Package localstack answers one question: what does `supabase start` publish on this machine?
//
// The Supabase CLI gives every local project the same keys, and the ports and secrets of supabase/config.toml.
// https://supabase.com/docs/guides/local-development/cli/config
package localstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// What the CLI publishes if config.toml says nothing else: `supabase status -o env` prints it.
const (
	defaultAPIPort        = 54321
	defaultDatabasePort   = 54322
	defaultJWTSecret      = "super-secret-jwt-token-with-at-least-32-characters-long"
	defaultPublishableKey = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"
	defaultSiteURL        = "http://127.0.0.1:3000"
)

// askTimeout bounds the question whether Auth answers.
const askTimeout = 2 * time.Second

// Stack is a local project.
type Stack struct {
	URL            string // SUPABASE_URL
	DatabasePort   int
	Issuer         string // of its tokens
	JWTSecret      string // signs HS256 tokens, which its services accept besides those of its signing key
	PublishableKey string
	SiteURL        string
	ConsentPage    string // the URL of the app's page that asks about OAuth clients, "" without an OAuth server
}

// Read returns the local project that a config.toml describes. A file that does not exist describes the defaults.
func Read(file string, getenv func(string) string) (Stack, error) {
	var config struct {
		API struct {
			Port any `toml:"port"`
		} `toml:"api"`
		DB struct {
			Port any `toml:"port"`
		} `toml:"db"`
		Auth struct {
			SiteURL        string `toml:"site_url"`
			JWTIssuer      string `toml:"jwt_issuer"`
			JWTSecret      string `toml:"jwt_secret"`
			PublishableKey string `toml:"publishable_key"`
			OAuthServer    struct {
				Enabled          bool   `toml:"enabled"`
				AuthorizationURL string `toml:"authorization_url_path"`
			} `toml:"oauth_server"`
		} `toml:"auth"`
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Stack{}, err
	}
	if _, err := toml.Decode(string(text), &config); err != nil {
		// The cause may quote a secret.
		line := ""
		if parse := (toml.ParseError{}); errors.As(err, &parse) {
			line = fmt.Sprintf(", line %d", parse.Position.Line)
		}
		return Stack{}, fmt.Errorf("%s%s cannot be read as the Supabase CLI's configuration", file, line)
	}
	apiPort, err := portOf(config.API.Port, defaultAPIPort, getenv)
	if err != nil {
		return Stack{}, fmt.Errorf("%s: [api] port %w", file, err)
	}
	databasePort, err := portOf(config.DB.Port, defaultDatabasePort, getenv)
	if err != nil {
		return Stack{}, fmt.Errorf("%s: [db] port %w", file, err)
	}
	url := "http://127.0.0.1:" + strconv.Itoa(apiPort)
	siteURL, consentPage := cmp.Or(resolve(config.Auth.SiteURL, getenv), defaultSiteURL), ""
	if of := config.Auth.OAuthServer; of.Enabled && of.AuthorizationURL != "" {
		consentPage = strings.TrimRight(siteURL, "/") + "/" + strings.TrimLeft(of.AuthorizationURL, "/")
	}
	return Stack{
		URL:            url,
		DatabasePort:   databasePort,
		Issuer:         cmp.Or(resolve(config.Auth.JWTIssuer, getenv), url+"/auth/v1"),
		JWTSecret:      cmp.Or(resolve(config.Auth.JWTSecret, getenv), defaultJWTSecret),
		PublishableKey: cmp.Or(resolve(config.Auth.PublishableKey, getenv), defaultPublishableKey),
		SiteURL:        siteURL,
		ConsentPage:    consentPage,
	}, nil
}

// DatabaseURL returns the connection string of the role postgres.
func (s Stack) DatabaseURL() string {
	return fmt.Sprintf("postgresql://postgres:postgres@127.0.0.1:%d/postgres", s.DatabasePort)
}

// AuthAnswers reports whether Supabase Auth runs.
func (s Stack) AuthAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/auth/v1/health", nil)
	if err != nil {
		return false
	}
	request.Header.Set("apikey", s.PublishableKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// resolve returns a value, or that of the environment variable which env(NAME) names.
func resolve(value string, getenv func(string) string) string {
	if name, ok := strings.CutPrefix(value, "env("); ok && strings.HasSuffix(name, ")") {
		return getenv(strings.TrimSuffix(name, ")"))
	}
	return value
}

// portOf returns a port, which is a number or the name of an environment variable.
func portOf(value any, otherwise int, getenv func(string) string) (int, error) {
	text := ""
	switch value := value.(type) {
	case int64:
		text = strconv.FormatInt(value, 10)
	case string:
		text = resolve(value, getenv)
	}
	if text == "" && value == nil {
		return otherwise, nil
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return 0, errors.New("is not a number from 1 to 65535, or names a variable that has none")
	}
	return port, nil
}
