// Command handwritten is floor B: what somebody writes who wants these answers and nothing else. It verifies an HS256
// token with golang-jwt at each request and reads the rows with pgx, which prepares a statement once a connection.
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

	// serve answers with the JSON that a function makes for a user.
	serve := func(pattern string, answer func(r *http.Request, user string) ([]byte, error)) {
		http.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
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
			body, err := answer(r, claims.Subject)
			if err != nil {
				log.Print(err)
				http.Error(w, "internal error", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		})
	}
	db := database{pool}
	serve("GET /me", db.me)
	serve("GET /todos", db.todos)
	serve("GET /todos/with-projects", db.todosWithProjects)
	serve("GET /todos/with-projects/joined", db.todosJoined)
	serve("GET /plan", db.plan)
	serve("GET /products", db.products)
	serve("POST /todos", db.createTodo)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

type database struct{ *pgxpool.Pool }

func (db database) me(r *http.Request, user string) ([]byte, error) {
	var id string
	var name, avatar *string
	if err := db.QueryRow(r.Context(), selectUser, user).Scan(&id, &name, &avatar); err != nil {
		return nil, err
	}
	answer := make([]byte, 0, 256)
	answer = append(answer, `{"id":`...)
	answer = appendJSON(answer, &id)
	answer = append(answer, `,"fullName":`...)
	answer = appendJSON(answer, name)
	answer = append(answer, `,"avatarUrl":`...)
	answer = appendJSON(answer, avatar)
	return append(answer, '}'), nil
}

// appendJSON appends text as a JSON string, or null.
func appendJSON(to []byte, text *string) []byte {
	if text == nil {
		return append(to, "null"...)
	}
	quoted, _ := json.Marshal(*text)
	return append(to, quoted...)
}
