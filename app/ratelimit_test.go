package app

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A refused token counts for its address. It does not limit the user that it names, or another user at that address.
func TestRefusedTokensCountForTheirAddress(t *testing.T) {
	p := startProgram(t, "RATE_LIMIT", "2/1h", "RATE_LIMIT_ANONYMOUS", "5/1h", "SESSION_COOKIE", "sb-x-auth-token")
	good := p.issuer.Token(ada)
	forged := good[:strings.LastIndex(good, ".")+1] + strings.Repeat("A", 86)
	for i := range 60 {
		want := http.StatusUnauthorized
		if i >= 5 {
			want = http.StatusTooManyRequests
		}
		question := newQuestion(t, p.url, "", "{ me { id } }")
		switch i % 3 {
		case 0:
			question.Header.Set("Authorization", "Bearer "+forged)
		case 1:
			question.Header.Set("Authorization", "Basic YTpi")
		case 2:
			question.Header.Set("Origin", p.url)
			question.Header.Set("Sec-Fetch-Site", "same-origin")
			question.Header.Set("Cookie", "sb-x-auth-token=base64-"+base64.RawURLEncoding.EncodeToString([]byte(`{"access_token":"`+forged+`"}`)))
		}
		if status, body := send(t, question); status != want {
			t.Fatalf("refused request %d: %d %s", i, status, body)
		}
	}
	for i, want := range []int{200, 200, 429} {
		if status, body := ask(t, p.url, good, "{ me { id } }"); status != want {
			t.Errorf("good token %d: %d %s", i, status, body)
		}
	}
	if status, body := ask(t, p.url, "", "{ __typename }"); status != 429 {
		t.Errorf("anonymous: %d %s", status, body)
	}
}

// Each operation of a batch counts.
func TestBatchesCount(t *testing.T) {
	p := startProgram(t, "RATE_LIMIT", "4/1h", "RATE_LIMIT_ANONYMOUS", "3/1h", "LIMIT_BATCH", "10")
	batch := "[" + strings.TrimSuffix(strings.Repeat(`{"query":"{ __typename }"},`, 5), ",") + "]"
	for _, who := range []struct {
		token   string
		allowed int
	}{{"", 3}, {p.issuer.Token(ada), 4}} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/graphql", strings.NewReader(batch))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		if who.token != "" {
			request.Header.Set("Authorization", "Bearer "+who.token)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		body := string(text)
		if good, refused := strings.Count(body, `"data":{"__typename":"Query"}`), strings.Count(body, `"RATE_LIMITED"`); answer.StatusCode != 200 || good != who.allowed || refused != 5-who.allowed {
			t.Errorf("%d: %d answered, %d refused: %s", answer.StatusCode, good, refused, body)
		}
		if answer.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if status, body := ask(t, p.url, who.token, "{ __typename }"); status != 429 {
			t.Errorf("afterwards: %d %s", status, body)
		}
	}
}
