package mcp

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"usergraph/auth"
	"usergraph/endpoint"
)

// metadataPath is where clients look for the metadata of a resource, with the path of the resource after it (RFC 9728,
// section 3.1). Some clients leave out the path.
const metadataPath = "/.well-known/oauth-protected-resource"

// codeUnauthorized is the code of a request whose caller is refused.
const codeUnauthorized = -32001

// parseOrigin parses a public URL: scheme, host and perhaps a port. Only loopback hosts may use http.
func parseOrigin(text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil || parsed.Host == "" || parsed.Scheme+"://"+parsed.Host != text || text != strings.ToLower(text):
		return nil, errors.New("is not of the form https://api.example.com: scheme, host and port in lower case, and nothing else")
	case parsed.Scheme == "http" && !auth.IsLoopback(parsed.Hostname()):
		return nil, errors.New("must use https, since agents send tokens there; only loopback hosts may use http")
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return nil, errors.New("does not begin with https://")
	}
	return parsed, nil
}

// CheckPublicURL returns what is wrong with Options.PublicURL.
func CheckPublicURL(text string) error {
	_, err := parseOrigin(text)
	return err
}

// Resource returns the identifier of the resource (RFC 8707), which is also the audience that a custom access token hook
// may give an agent's token.
func Resource(publicURL string) string { return publicURL + resourcePath }

// Routes adds the resource and its metadata to a mux. authenticate wraps the resource, site is endpoint.CrossSite.
func (h *Handler) Routes(mux *http.ServeMux, authenticate, site func(http.Handler) http.Handler) {
	metadata := sdkauth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: Resource(h.PublicURL), AuthorizationServers: []string{h.Issuer}, BearerMethodsSupported: []string{"header"},
		ResourceName: h.origin.Host,
	})
	mux.Handle(metadataPath, metadata)
	mux.Handle(metadataPath+resourcePath, metadata)
	mux.Handle(resourcePath, site(h.checkSite(authenticate(h))))
}

// Refuse answers a request whose caller is refused. The challenge of a 401 says where the metadata is (RFC 9728, section
// 5.1), from which a client finds out where to sign in.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := auth.SetChallenge(w.Header(), err, `resource_metadata="`+h.PublicURL+metadataPath+resourcePath+`"`)
	code, message := auth.Public(err)
	h.write(w, r, status, encodeError(nil, codeUnauthorized, message, h.data(r, code)))
}

// checkSite refuses requests for another host than the public one, which a page whose name resolves to this machine would send
// (DNS rebinding), and requests of pages of sites that are not listed (MCP, "Security Warning" of the transport).
func (h *Handler) checkSite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.isPublicHost(r.Host) {
			h.write(w, r, http.StatusMisdirectedRequest, encodeError(nil, codeRefused,
				"the host is not that of PUBLIC_URL: ask for it there, and let a proxy pass on the header Host", h.data(r, endpoint.CodeBadRequest)))
			return
		}
		if origin := r.Header["Origin"]; len(origin) > 0 && (len(origin) > 1 || origin[0] != h.PublicURL && !h.Origins.Contains(origin[0])) {
			h.write(w, r, http.StatusForbidden, encodeError(nil, codeRefused,
				"pages of this site may not ask: list its origin in ALLOWED_ORIGINS", h.data(r, endpoint.CodeCrossSite)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isPublicHost reports whether a Host header names the public URL. All names of this machine are one if that is local.
func (h *Handler) isPublicHost(host string) bool {
	name, port := splitHost(host, h.origin.Scheme)
	public, publicPort := splitHost(h.origin.Host, h.origin.Scheme)
	if auth.IsLoopback(public) && auth.IsLoopback(name) {
		return true
	}
	return name == public && port == publicPort
}

// splitHost splits a host in lower case from its port, which defaults to that of the scheme.
func splitHost(host, scheme string) (name, port string) {
	name, port, err := net.SplitHostPort(strings.ToLower(host))
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(host), "["), "]")
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return name, port
}
