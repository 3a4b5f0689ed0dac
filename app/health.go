package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// healthTimeout bounds the request to /readyz. It is a little longer than a server takes to report that it is not
// ready.
const healthTimeout = 5 * time.Second

// runHealth asks the server on this machine whether it is ready, for containers without a shell.
func (p *application) runHealth(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "health", "Asks the server on this machine whether it lives, for containers that have no shell to ask with.", "usergraph health --ready")
	ready := flags.Bool("ready", false, "ask whether requests can be answered, not only whether the server lives")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	path := "/livez"
	if *ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+localAddress(p.Getenv)+path, nil)
	if err != nil {
		return usageError{err}
	}
	// No proxy: the environment may name one for other purposes.
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", path, answer.Status, strings.TrimSpace(string(text)))
	}
	_, err = p.Stdout.Write(text)
	return err
}

// localAddress returns the loopback address of a server with the same settings.
func localAddress(getenv func(string) string) string {
	host := cmp.Or(getenv("HOST"), "127.0.0.1")
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, cmp.Or(getenv("PORT"), "8080"))
}
