package graph

import (
	"io"
	"time"

	"github.com/gobwas/ws"
)

// Hurry makes the endpoint as impatient as a test wants it.
func (o *Options) Hurry(init, ping, pong, write time.Duration) {
	o.patience = patience{init: init, ping: ping, pong: pong, write: write}
}

// AskOften has sessions asked about again after a pause.
func (o *Options) AskOften(pause time.Duration) { o.sessionPause = pause }

// Watches is how many rows are watched, each caller's counted by itself.
func (h *Handler) Watches() int {
	h.live.mu.Lock()
	defer h.live.mu.Unlock()
	return len(h.live.watches)
}

// Buffered is how many bytes of messages are counted.
func (h *Handler) Buffered() int {
	h.connections.mu.Lock()
	defer h.connections.mu.Unlock()
	return h.connections.buffered.all
}

// ReadFrame reads a frame of the server, and returns its payload.
func ReadFrame(from io.Reader) (string, error) {
	header, err := ws.ReadHeader(from)
	if err != nil {
		return "", err
	}
	payload := make([]byte, header.Length)
	_, err = io.ReadFull(from, payload)
	return string(payload), err
}
