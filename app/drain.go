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

// drain is how a server leaves without failing a request. Whoever sends requests here, such as a load balancer, needs
// time to learn that it should not: until then the server goes on as before, but for /readyz, and asks clients to come
// back on another connection, which leads to another server. Only then it stops listening.
type drain struct{ begun atomic.Bool }

var errStopping = errors.New("the server is stopping")

// check is a check of /readyz.
func (d *drain) check(context.Context) error {
	if d.begun.Load() {
		return errStopping
	}
	return nil
}

// middleware closes connections after the answer while the server is leaving. Over HTTP/2 this is a GOAWAY.
func (d *drain) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// run returns when all requests are answered and all sockets are closed, or with an error when that takes too long: that
// of net/http, and that of those connections which it does not know any more.
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
