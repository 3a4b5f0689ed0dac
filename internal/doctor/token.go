package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usergraph/auth"
)

// maxShown bounds the shown bytes of a token's claims, which are not verified.
const maxShown = 120

// token explains a token: its claims, and whether the server accepts it. It shows nothing that could be used.
func (p *examination) token(ctx context.Context) {
	if p.Token == "" {
		return
	}
	token := strings.TrimSpace(p.Token)
	if rest, found := strings.CutPrefix(token, "Bearer "); found {
		token = strings.TrimSpace(rest)
	}
	if strings.HasPrefix(token, "sb_secret_") {
		p.found("token", Error, "this is a secret key: it bypasses row-level security and is refused", "paste the access_token of a session, and keep the key out of clients")
		return
	}
	if strings.HasPrefix(token, "sb_") {
		p.found("token", Warning, "this is an API key: as a bearer token it means nobody", "paste the access_token of a session")
		return
	}
	header, claims, err := decode(token)
	if err != nil {
		p.found("token", Error, err.Error(), "paste the access_token of a session: three parts with dots between them")
		return
	}
	says := p.explain(header, claims)
	verify, of := p.Verify, "user "
	if p.Agents && text(claims["client_id"]) != "" {
		verify, of = p.VerifyAgent, "at /mcp, for user "
	}
	verdict, err := verify(ctx, token)
	p.ofAgent = err == nil && verdict.ClientID != ""
	switch {
	case err == nil:
		p.found("token", OK, "accepted: "+says+", "+of+verdict.UserID.String(), "")
	case errors.Is(err, auth.ErrAnonymous):
		p.found("token", Warning, "this is a legacy anon key: as a bearer token it means nobody", "paste the access_token of a session")
	default:
		code, message := auth.Public(err)
		if advice := auth.Advice(err); advice != "" {
			message += "; " + advice
		}
		p.found("token", Error, says, fmt.Sprintf("callers get %s: %s", code, message))
	}
}

// explain describes the claims of a token, and which of them are wrong.
func (p *examination) explain(header, claims map[string]any) string {
	says := []string{text(header["alg"])}
	if key := text(header["kid"]); key != "" {
		says = append(says, "key "+key[:min(len(key), 4)]+"…")
	}
	if expiry, ok := claims["exp"].(float64); !ok {
		says = append(says, "no expiry")
	} else if left := time.Until(time.Unix(int64(expiry), 0)); left < 0 {
		says = append(says, "expired "+words(-left)+" ago")
	} else {
		says = append(says, "expires in "+words(left))
	}
	if claims["iss"] == nil {
		says = append(says, "no issuer (iss)")
	} else if issuer := text(claims["iss"]); !slices.Contains(p.Issuers, issuer) {
		says = append(says, fmt.Sprintf("issuer differs: %q, and %s is accepted", issuer, strings.Join(p.Issuers, ", ")))
	}
	audience, _ := claims["aud"].([]any)
	if text(claims["aud"]) != "authenticated" && !slices.Contains(audience, any("authenticated")) {
		says = append(says, fmt.Sprintf("audience is %s instead of authenticated", shown(claims["aud"])))
	}
	if role := text(claims["role"]); role != "authenticated" {
		says = append(says, fmt.Sprintf("role is %q instead of authenticated", role))
	}
	if client := text(claims["client_id"]); client != "" {
		says = append(says, "made for the OAuth app "+client)
	}
	if anonymous, _ := claims["is_anonymous"].(bool); anonymous {
		says = append(says, "an anonymous user")
	}
	return strings.Join(says, ", ")
}

// decode parses a token without verifying it.
func decode(token string) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, fmt.Errorf("this is no token: it has %d parts", len(parts))
	}
	for i, target := range []*map[string]any{&header, &claims} {
		part, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[i], "="))
		if err != nil || json.Unmarshal(part, target) != nil {
			return nil, nil, fmt.Errorf("this is no token: its part %d is not JSON in base64url", i+1)
		}
	}
	return header, claims, nil
}

// text returns a claim that should be a string.
func text(claim any) string {
	text, _ := claim.(string)
	return text[:min(len(text), maxShown)]
}

func shown(claim any) string {
	text, _ := json.Marshal(claim)
	return string(text[:min(len(text), maxShown)])
}
