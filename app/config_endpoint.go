package app

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"usergraph/endpoint"
)

// endpointConfig is every setting of the GraphQL endpoint.
type endpointConfig struct {
	origins       *endpoint.Origins
	introspection endpoint.Introspection
	trust         endpoint.Trust
	trustedFile   string
	limits        endpoint.Limits
}

// endpointSettings are the settings of the GraphQL endpoint. A limit is two numbers, for callers who are signed in and for
// anonymous ones: `1000/600`; or one for both.
var endpointSettings = []setting{
	{"ALLOWED_ORIGINS", "", "sites whose pages may use the API, separated by commas: `https://app.example.com`, `https://app-*-team.vercel.app`",
		func(c *config, v string) (err error) {
			c.endpoint.origins, err = endpoint.ParseOrigins(splitList(v))
			return err
		}},
	{"INTROSPECTION", "authenticated", "who may read the schema: `off`, `authenticated` callers, `on`: everybody",
		func(c *config, v string) error {
			c.endpoint.introspection = endpoint.Introspection(v)
			return checkOneOf(v, string(endpoint.IntrospectionOff), string(endpoint.IntrospectionAuthenticated), string(endpoint.IntrospectionOn))
		}},
	{"TRUSTED_DOCUMENTS", "off", "`prefer`: documents of the file need not keep to the limits; `require`: nothing else runs",
		func(c *config, v string) error {
			c.endpoint.trust = endpoint.Trust(v)
			return checkOneOf(v, string(endpoint.TrustOff), string(endpoint.TrustPrefer), string(endpoint.TrustRequire))
		}},
	{"TRUSTED_DOCUMENTS_FILE", "persisted-documents.json", "documents by their ids, as graphql-codegen's client preset writes them",
		func(c *config, v string) error { c.endpoint.trustedFile = v; return nil }},
	{"REQUEST_TIMEOUT", "15s/5s", "how long an operation may take, of signed-in/anonymous callers; so are the limits", setTime},
	limit("LIMIT_BODY_BYTES", "bytes of a body, or of the query string of a GET", 1<<30, func(b *endpoint.Bounds) *int { return &b.BodyBytes }),
	limit("LIMIT_OPERATIONS", "operations that a user, or an address or IPv6 /64 network, may run at once", 1e6, func(b *endpoint.Bounds) *int { return &b.Operations }),
	limit("LIMIT_BATCH", "requests in one JSON array; 0 takes no arrays", 1e3, func(b *endpoint.Bounds) *int { return &b.Batch }),
	limit("LIMIT_JSON_DEPTH", "nested arrays and objects in a request", 1e3, func(b *endpoint.Bounds) *int { return &b.JSONDepth }),
	limit("LIMIT_VALUES", "values in a request's variables and extensions", 1e6, func(b *endpoint.Bounds) *int { return &b.Values }),
	limit("LIMIT_LIST", "items of one list in the variables", 1e6, func(b *endpoint.Bounds) *int { return &b.ListSize }),
	limit("LIMIT_DOCUMENT_BYTES", "bytes of a document", 1<<30, func(b *endpoint.Bounds) *int { return &b.DocumentBytes }),
	limit("LIMIT_TOKENS", "tokens of a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Tokens }),
	limit("LIMIT_DEPTH", "nested fields", 1e3, func(b *endpoint.Bounds) *int { return &b.Depth }),
	limit("LIMIT_INTROSPECTION_DEPTH", "nested lists of introspection", 1e3, func(b *endpoint.Bounds) *int { return &b.IntrospectionDepth }),
	limit("LIMIT_ROOT_FIELDS", "root fields of an operation", 1e6, func(b *endpoint.Bounds) *int { return &b.RootFields }),
	limit("LIMIT_FIELDS", "fields of an operation, fragments expanded", 1e6, func(b *endpoint.Bounds) *int { return &b.Fields }),
	limit("LIMIT_ALIASES", "aliases in a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Aliases }),
	limit("LIMIT_DIRECTIVES", "directives in a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Directives }),
	limit("LIMIT_FRAGMENTS", "fragment spreads in a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Spreads }),
	limit("LIMIT_COMPLEXITY", "cost of an operation, by the schema's @cost and @listSize", 1e9, func(b *endpoint.Bounds) *int { return &b.Complexity }),
	limit("LIMIT_ERRORS", "errors told in one response", 1e6, func(b *endpoint.Bounds) *int { return &b.Errors }),
	limit("LIMIT_RESPONSE_BYTES", "bytes of the data of a response, and of the responses to a batch", 1<<30, func(b *endpoint.Bounds) *int { return &b.ResponseBytes }),
	limit("LIMIT_CONNECTIONS", "websockets and event streams that a user, or an address or IPv6 /64 network, may have open", 1e6, func(b *endpoint.Bounds) *int { return &b.Connections }),
	limit("LIMIT_SOCKET_OPERATIONS", "operations that may run at once on one websocket", 1e6, func(b *endpoint.Bounds) *int { return &b.SocketOperations }),
	limit("LIMIT_MESSAGE_BYTES", "bytes of a message on a websocket", 1<<30, func(b *endpoint.Bounds) *int { return &b.MessageBytes }),
	{"LIMIT_ALL_CONNECTIONS", strconv.Itoa(endpoint.DefaultLimits().Connections), "websockets and event streams in all; callers who are not signed in get half of them",
		func(c *config, v string) error { return setInt(&c.endpoint.limits.Connections, v, 0, 1e6) }},
	{"LIMIT_ALL_BYTES", strconv.Itoa(endpoint.DefaultLimits().HeldBytes), "bytes of requests, websocket messages, answers and subscriptions in memory; callers who are not signed in get half, one caller an eighth",
		func(c *config, v string) error { return setInt(&c.endpoint.limits.HeldBytes, v, 1<<20, 1<<40) }},
	{"WEBSOCKET_INIT_TIMEOUT", endpoint.DefaultLimits().InitTime.String(), "how long a websocket may be open before it says who it is",
		func(c *config, v string) error {
			return setDuration(&c.endpoint.limits.InitTime, v, time.Second, time.Minute)
		}},
}

// limit is a setting that is a number for each kind of caller.
func limit(name, meaning string, most int, field func(*endpoint.Bounds) *int) setting {
	defaults := endpoint.DefaultLimits()
	fallback := fmt.Sprintf("%d/%d", *field(&defaults.SignedIn), *field(&defaults.Anonymous))
	return setting{name, fallback, meaning, func(c *config, value string) error {
		signedIn, anonymous := bothOf(value)
		if err := setInt(field(&c.endpoint.limits.SignedIn), signedIn, 0, most); err != nil {
			return err
		}
		return setInt(field(&c.endpoint.limits.Anonymous), anonymous, 0, most)
	}}
}

func setTime(c *config, value string) error {
	signedIn, anonymous := bothOf(value)
	if err := setDuration(&c.endpoint.limits.SignedIn.Time, signedIn, time.Second, time.Hour); err != nil {
		return err
	}
	return setDuration(&c.endpoint.limits.Anonymous.Time, anonymous, time.Second, time.Hour)
}

// bothOf splits `1000/500`; one value is meant for both.
func bothOf(value string) (signedIn, anonymous string) {
	signedIn, anonymous, two := strings.Cut(value, "/")
	if !two {
		return value, value
	}
	return signedIn, anonymous
}

// readTrustedDocuments reads what graphql-codegen writes: a JSON object of documents by their ids.
func readTrustedDocuments(c endpointConfig) (map[string]string, error) {
	if c.trust == endpoint.TrustOff {
		return nil, nil
	}
	text, err := os.ReadFile(c.trustedFile)
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_DOCUMENTS_FILE: %w", err)
	}
	var documents map[string]string
	if err := json.Unmarshal(text, &documents); err != nil {
		return nil, fmt.Errorf("TRUSTED_DOCUMENTS_FILE: %s is not a JSON object of documents by their ids, in UTF-8", strconv.Quote(c.trustedFile))
	}
	return documents, nil
}
