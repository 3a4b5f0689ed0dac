package graph

import "time"

// Hurry makes the endpoint as impatient as a test wants it.
func (o *Options) Hurry(init, ping, pong, write time.Duration) {
	o.patience = patience{init: init, ping: ping, pong: pong, write: write}
}

// Watches is how many rows are watched, each caller's counted by itself.
func (h *Handler) Watches() int {
	h.live.mu.Lock()
	defer h.live.mu.Unlock()
	return len(h.live.watches)
}
