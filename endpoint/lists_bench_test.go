package endpoint_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/rowjson"
	"usergraph/internal/testapi"
)

// BenchmarkLists is a page of 20 rows in process, without TCP and token: written by package rowjson, and by gqlgen's generated
// code.
func BenchmarkLists(b *testing.B) {
	fresh := pgtest.New(b)
	fresh.Exec(b, fmt.Sprintf(`%s; insert into projects (owner_id, name) select '%[2]s', 'Project ' || i from generate_series(1, 10) i;
		insert into todos (user_id, project_id, title, due_on) select '%[2]s', p.id, 'Todo ' || i, date '2026-01-01' + i
		from generate_series(1, 200) i join projects p on p.name = 'Project ' || (1 + i %% 10)`, pgtest.Seed, ada))
	db, err := database.Open(database.Config{URL: fresh.URL, MaxConns: 8})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	claims := &auth.Claims{UserID: ada, Role: "authenticated", Payload: fmt.Appendf(nil, `{"role":"authenticated","sub":%q}`, ada)}
	for _, mode := range []struct {
		name string
		rowjson.Mode
	}{{"written", rowjson.On}, {"generated", rowjson.Off}} {
		handler, err := endpoint.NewHandler(endpoint.Options{DB: db, Schema: testapi.New, Log: slog.New(slog.DiscardHandler), RowJSON: mode.Mode})
		if err != nil {
			b.Fatal(err)
		}
		for name, fields := range map[string]string{"page": "", "relation": "project { id name }"} {
			body := []byte(jsonOf("{ todos { nodes { id title done dueOn createdAt " + fields + " } } }"))
			b.Run(name+"/"+mode.name, func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(each *testing.PB) {
					reader := bytes.NewReader(nil)
					request := httptest.NewRequest(http.MethodPost, "/graphql", nil)
					request.Header.Set("Content-Type", "application/json")
					request = request.WithContext(auth.NewContext(request.Context(), claims))
					request.ContentLength = int64(len(body))
					for each.Next() {
						reader.Reset(body)
						request.Body = io.NopCloser(reader)
						handler.ServeHTTP(&discard{http.Header{}}, request)
					}
				})
			})
		}
	}
}
