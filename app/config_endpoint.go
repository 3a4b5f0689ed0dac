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

// endpointConfig holds the checked settings of the GraphQL endpoint.
type endpointConfig struct {
	origins       *endpoint.Origins
	introspection endpoint.Introspection
	trust         endpoint.Trust
	trustedFile   string
	limits        endpoint.Limits
}

// endpointSettings lists the settings of the GraphQL endpoint. A limit is two numbers, for signed-in and for anonymous
// callers: `1000/600`. One number is for both.
var endpointSettings = []setting{
	{"ALLOWED_ORIGINS", "", "origins whose pages may use the API, separated by commas: `https://app.example.com`, `https://app-*-team.vercel.app`",
		func(c *config, v string) (err error) {
			c.endpoint.origins, err = endpoint.ParseOrigins(splitList(v))
			return err
		}},
	{"INTROSPECTION", "authenticated", "callers that may read the schema: `off` (none), `authenticated`, or `on` (all)",
		func(c *config, v string) error {
			c.endpoint.introspection = endpoint.Introspection(v)
			return checkOneOf(v, string(endpoint.IntrospectionOff), string(endpoint.IntrospectionAuthenticated), string(endpoint.IntrospectionOn))
		}},
	{"TRUSTED_DOCUMENTS", "off", "`prefer`: documents of TRUSTED_DOCUMENTS_FILE are exempt from the limits. `require`: no other document runs",
		func(c *config, v string) error {
			c.endpoint.trust = endpoint.Trust(v)
			return checkOneOf(v, string(endpoint.TrustOff), string(endpoint.TrustPrefer), string(endpoint.TrustRequire))
		}},
	{"TRUSTED_DOCUMENTS_FILE", "persisted-documents.json", "trusted documents by id, a JSON file that graphql-codegen's client preset writes",
		func(c *config, v string) error { c.endpoint.trustedFile = v; return nil }},
	{"REQUEST_TIMEOUT", "15s/5s", "how long an operation may take, for signed-in/anonymous callers. One value is for both, here and in the limits", setTime},
	limit("LIMIT_BODY_BYTES", "bytes of a request body, or of the query string of a GET", 1<<30, func(b *endpoint.Bounds) *int { return &b.BodyBytes }),
	limit("LIMIT_OPERATIONS", "concurrent operations of a user, or of an IP address or IPv6 /64 network", 1e6, func(b *endpoint.Bounds) *int { return &b.Operations }),
	limit("LIMIT_BATCH", "requests in one JSON array. `0` refuses arrays", 1e3, func(b *endpoint.Bounds) *int { return &b.Batch }),
	limit("LIMIT_JSON_DEPTH", "depth of nested arrays and objects in a request", 1e3, func(b *endpoint.Bounds) *int { return &b.JSONDepth }),
	limit("LIMIT_VALUES", "values in the variables and extensions of a request", 1e6, func(b *endpoint.Bounds) *int { return &b.Values }),
	limit("LIMIT_LIST", "items of one list in the variables", 1e6, func(b *endpoint.Bounds) *int { return &b.ListSize }),
	limit("LIMIT_DOCUMENT_BYTES", "bytes of a document", 1<<30, func(b *endpoint.Bounds) *int { return &b.DocumentBytes }),
	limit("LIMIT_TOKENS", "tokens of a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Tokens }),
	limit("LIMIT_DEPTH", "depth of nested fields", 1e3, func(b *endpoint.Bounds) *int { return &b.Depth }),
	limit("LIMIT_INTROSPECTION_DEPTH", "depth of nested lists in introspection", 1e3, func(b *endpoint.Bounds) *int { return &b.IntrospectionDepth }),
	limit("LIMIT_ROOT_FIELDS", "root fields of an operation", 1e6, func(b *endpoint.Bounds) *int { return &b.RootFields }),
	limit("LIMIT_FIELDS", "fields of an operation, fragments expanded", 1e6, func(b *endpoint.Bounds) *int { return &b.Fields }),
	limit("LIMIT_ALIASES", "aliases in a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Aliases }),
	limit("LIMIT_DIRECTIVES", "directives in a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Directives }),
	limit("LIMIT_FRAGMENTS", "fragment spreads in a document", 1e6, func(b *endpoint.Bounds) *int { return &b.Spreads }),
	limit("LIMIT_COMPLEXITY", "cost of an operation, by the schema's @cost and @listSize", 1e9, func(b *endpoint.Bounds) *int { return &b.Complexity }),
	limit("LIMIT_ERRORS", "errors in one response", 1e6, func(b *endpoint.Bounds) *int { return &b.Errors }),
	limit("LIMIT_RESPONSE_BYTES", "bytes of data in a response, or in all responses to a batch", 1<<30, func(b *endpoint.Bounds) *int { return &b.ResponseBytes }),
	limit("LIMIT_CONNECTIONS", "open websockets and event streams of a user, or of an IP address or IPv6 /64 network", 1e6, func(b *endpoint.Bounds) *int { return &b.Connections }),
	limit("LIMIT_SOCKET_OPERATIONS", "concurrent operations on one websocket", 1e6, func(b *endpoint.Bounds) *int { return &b.SocketOperations }),
	limit("LIMIT_MESSAGE_BYTES", "bytes of a message on a websocket", 1<<30, func(b *endpoint.Bounds) *int { return &b.MessageBytes }),
	{"LIMIT_ALL_CONNECTIONS", strconv.Itoa(endpoint.DefaultLimits().Connections), "open websockets and event streams of all callers. Anonymous callers may use half of them",
		func(c *config, v string) error { return setInt(&c.endpoint.limits.Connections, v, 0, 1e6) }},
	{"LIMIT_ALL_BYTES", strconv.Itoa(endpoint.DefaultLimits().HeldBytes), "bytes of requests, websocket messages, responses and subscriptions in memory. Anonymous callers may use half of them, one caller an eighth",
		func(c *config, v string) error { return setInt(&c.endpoint.limits.HeldBytes, v, 1<<20, 1<<40) }},
	{"WEBSOCKET_INIT_TIMEOUT", endpoint.DefaultLimits().InitTime.String(), "how long a websocket may be open before its connection_init message",
		func(c *config, v string) error {
			return setDuration(&c.endpoint.limits.InitTime, v, time.Second, time.Minute)
		}},
}

// limit returns a setting that has a number for each kind of caller.
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

// bothOf splits `1000/500`. One value is for both.
func bothOf(value string) (signedIn, anonymous string) {
	signedIn, anonymous, two := strings.Cut(value, "/")
	if !two {
		return value, value
	}
	return signedIn, anonymous
}

// readTrustedDocuments reads the JSON object of documents by id that graphql-codegen writes.
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
