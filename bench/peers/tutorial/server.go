// Command tutorial is what the documentation of gqlgen, bun and golang-jwt leads to: the server that gqlgen init writes,
// bun on its own driver, an HS256 token parsed at each request. There is no row-level security.
//
// With POOL the pool is set as bun's page on production says; without it, it is database/sql's own: two idle connections.
package main

import (
	"database/sql"
	"log"
	"net/http"
	"os"
	"strconv"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"
	"github.com/vektah/gqlparser/v2/ast"

	"tutorial/graph"
)

func main() {
	sqldb := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(os.Getenv("DATABASE_URL"))))
	if pool := os.Getenv("POOL"); pool != "" {
		conns, err := strconv.Atoi(pool)
		if err != nil {
			log.Fatal(err)
		}
		sqldb.SetMaxOpenConns(conns)
		sqldb.SetMaxIdleConns(conns)
	}
	db := bun.NewDB(sqldb, pgdialect.New())

	srv := handler.New(graph.NewExecutableSchema(graph.Config{Resolvers: &graph.Resolver{DB: db}}))
	srv.AddTransport(transport.Options{})
	srv.AddTransport(transport.GET{})
	srv.AddTransport(transport.POST{})
	srv.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	srv.Use(extension.Introspection{})
	srv.Use(extension.AutomaticPersistedQuery{Cache: lru.New[string](100)})

	http.Handle("/graphql", graph.Middleware([]byte(os.Getenv("JWT_SECRET")), os.Getenv("JWT_ISSUER"))(graph.WithLoaders(db, srv)))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
