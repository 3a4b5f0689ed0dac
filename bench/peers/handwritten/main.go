// Command handwritten is floor B: what somebody writes who wants this one answer and nothing else. It verifies an HS256
// token with golang-jwt at each request and reads the row with pgx, which prepares the statement once a connection.
// There is no GraphQL, no row-level security, no limit, no log.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const selectUser = "select id::text, full_name, avatar_url from public.users where id = $1"

func main() {
	secret := []byte(os.Getenv("JWT_SECRET"))
	key := func(*jwt.Token) (any, error) { return secret, nil }
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithIssuer(os.Getenv("JWT_ISSUER")),
		jwt.WithAudience("authenticated"),
		jwt.WithExpirationRequired(),
	)

	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	conns, err := strconv.ParseInt(os.Getenv("POOL"), 10, 32)
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = int32(conns)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}

	http.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(token, &claims, key); err != nil {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		var id string
		var name, avatar *string
		if err := pool.QueryRow(r.Context(), selectUser, claims.Subject).Scan(&id, &name, &avatar); err != nil {
			log.Print(err)
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		answer := make([]byte, 0, 256)
		answer = append(answer, `{"id":`...)
		answer = appendJSON(answer, &id)
		answer = append(answer, `,"fullName":`...)
		answer = appendJSON(answer, name)
		answer = append(answer, `,"avatarUrl":`...)
		answer = appendJSON(answer, avatar)
		answer = append(answer, '}')
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

// appendJSON appends text as a JSON string, or null.
func appendJSON(to []byte, text *string) []byte {
	if text == nil {
		return append(to, "null"...)
	}
	quoted, _ := json.Marshal(*text)
	return append(to, quoted...)
}
