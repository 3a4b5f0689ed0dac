package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	connectTimeout = 10 * time.Second
	// headerTimeout bounds the wait for the beginning of an answer, silence the wait for each further piece, and answerTimeout
	// the whole answer.
	headerTimeout = time.Minute
	silence       = 30 * time.Second
	answerTimeout = 2 * time.Minute

	// A question is asked so often if the provider is busy or out of order, with pauses that double. A provider may ask for a
	// longer pause; nobody waits for one of more than maxPause.
	attempts   = 3
	firstPause = 500 * time.Millisecond
	maxPause   = 10 * time.Second
)

// Client is a Model at an address that speaks OpenAI's chat completions.
type Client struct {
	url, model, key string
	http            *http.Client
}

// New returns a client of the API at url, such as https://api.openai.com/v1. The key may be empty.
func New(url, model, key string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: connectTimeout}).DialContext
	transport.ResponseHeaderTimeout = headerTimeout
	transport.MaxIdleConnsPerHost = 100
	return &Client{url: strings.TrimSuffix(url, "/"), model: model, key: key, http: &http.Client{
		Transport: transport,
		// The key is for this address only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Answer implements Model. The texts of its errors have no key.
func (c *Client) Answer(ctx context.Context, question Question, said func(string) error) (Answer, error) {
	answer, err := c.answer(ctx, question, said)
	if err != nil && c.key != "" {
		err = &redacted{err, c.key}
	}
	return answer, err
}

func (c *Client) answer(ctx context.Context, question Question, said func(string) error) (Answer, error) {
	body, err := json.Marshal(struct {
		Model         string          `json:"model"`
		Stream        bool            `json:"stream"`
		StreamOptions map[string]bool `json:"stream_options"`
		Question
	}{c.model, true, map[string]bool{"include_usage": true}, question})
	if err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		response, err := c.send(ctx, body)
		if err == nil {
			defer response.Body.Close()
			quiet := time.AfterFunc(silence, cancel)
			defer quiet.Stop()
			return read(response.Body, len(body), func() { quiet.Reset(silence) }, said)
		}
		var refused *refusal
		if attempt == attempts || errors.As(err, &refused) && (!refused.temporary() || refused.after > maxPause) || ctx.Err() != nil {
			return Answer{}, err
		}
		pause := firstPause << (attempt - 1)
		pause = pause/2 + rand.N(pause)
		if refused != nil {
			pause = max(pause, refused.after)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Answer{}, err
		}
	}
}

// send returns a response that is an answer. Its body must be closed.
func (c *Client) send(ctx context.Context, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: LLM_URL is no address", ErrUnavailable)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	_ = response.Body.Close()
	return nil, &refusal{response.StatusCode, retryAfter(response.Header.Get("Retry-After"))}
}

// retryAfter returns the pause that a field Retry-After asks for: RFC 9110, section 10.2.3.
func retryAfter(field string) time.Duration {
	if date, err := http.ParseTime(field); err == nil {
		return time.Until(date)
	}
	seconds, _ := strconv.ParseUint(field, 10, 32) // of a number that is too high, the highest
	return time.Duration(seconds) * time.Second
}

// redacted is an error without the key in its text. The errors of net/http quote what it cannot read, and a provider may
// send the key back.
type redacted struct {
	error
	key string
}

func (r *redacted) Error() string { return strings.ReplaceAll(r.error.Error(), r.key, "[key]") }

func (r *redacted) Unwrap() error { return r.error }

// refusal is a response that is no answer.
type refusal struct {
	status int
	after  time.Duration // that the provider asks for
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: status %d", r.Unwrap(), r.status) }

func (r *refusal) Unwrap() error {
	if r.status == http.StatusTooManyRequests {
		return ErrBusy
	}
	return ErrUnavailable
}

func (r *refusal) temporary() bool { return r.status == http.StatusTooManyRequests || r.status >= 500 }
