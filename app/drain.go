package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// drain stops the server without failing requests. /readyz fails first. Requests are still served for DRAIN_DELAY, so
// that load balancers notice, and clients are asked to reconnect, which leads them to another server. Then the
// listeners close.
type drain struct{ begun atomic.Bool }

var errStopping = errors.New("the server is stopping")

// check fails /readyz while the server drains.
func (d *drain) check(context.Context) error {
	if d.begun.Load() {
		return errStopping
	}
	return nil
}

// middleware closes each connection after its response while the server drains. Over HTTP/2 this is a GOAWAY.
func (d *drain) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// run returns when all requests are answered and all sockets are closed. If that takes too long, it returns the error
// of net/http and that of the hijacked connections, which net/http does not track.
func (d *drain) run(ctx context.Context, cfg config, log *slog.Logger, servers ...interface{ Shutdown(context.Context) error }) error {
	d.begun.Store(true)
	log.Info("stopping", "delay", cfg.drainDelay, "then requests may finish within", cfg.drainTimeout)
	time.Sleep(cfg.drainDelay)
	ctx, cancel := context.WithTimeout(ctx, cfg.drainTimeout)
	defer cancel()
	ended := make(chan error, len(servers))
	for _, server := range servers {
		go func() { ended <- server.Shutdown(ctx) }()
	}
	var err error
	for range servers {
		err = errors.Join(err, <-ended)
	}
	if err != nil {
		return fmt.Errorf("requests were still running after %s: %w", cfg.drainTimeout, err)
	}
	return nil
}
