package endpoint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"usergraph/auth"
	"usergraph/database"
	"usergraph/endpoint"
	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

// What a policy or a trigger refuses has a code, and a line in the log that says why.
func TestErrorsOfDatabase(t *testing.T) {
	claims := &auth.Claims{UserID: ada, Role: "authenticated", Payload: fmt.Appendf(nil, `{"role":"authenticated","sub":%q}`, ada)}
	policy := func(condition string) string {
		return "create policy odd on public.users as restrictive using (" + condition + ")"
	}
	trigger := func(statement string) string {
		return fmt.Sprintf(`create function public.rule() returns trigger language plpgsql as $$ begin %s; return new; end $$;
			create trigger rule before update on public.users for each row execute function public.rule()`, statement)
	}
	const read, write = `{ me { id } }`, `mutation { updateMe(input: {fullName: "Countess"}) { id } }`
	for _, test := range []struct {
		name, seed, ask              string
		code, message, state, logged string
		level                        string
	}{
		{"a policy reads a table of others", policy("exists (select from auth.mfa_factors)"), read,
			"FORBIDDEN", "this is not allowed", "42501", "permission denied", "WARN"},
		{"a policy casts", policy("current_setting('request.jwt.claims')::jsonb ->> 'email' is null and (full_name || 'x')::int > 0"), read,
			"INTERNAL_SERVER_ERROR", "internal error", "22P02", "invalid input syntax", "ERROR"},
		{"a policy divides", policy("1 / length(nullif(full_name, full_name) || '') > 0 or 1 / (length(id::text) - 36) > 0"), read,
			"INTERNAL_SERVER_ERROR", "internal error", "22012", "division by zero", "ERROR"},
		{"a value too long", trigger("new.full_name = repeat('x', 9)::varchar(3); perform 'abcd'::varchar(3); raise string_data_right_truncation"), write,
			"BAD_USER_INPUT", "a value is not acceptable", "22001", "", "WARN"},
		{"a rule", trigger("raise exception 'Ada owes 7'"), write,
			"REJECTED", "a rule of the database refuses this", "P0001", "Ada owes 7", "WARN"},
		{"a rule for the client", trigger("raise exception 'only three projects' using errcode = 'PT402', detail = 'hidden', hint = 'hidden'"), write,
			"REJECTED", "only three projects", "PT402", "only three projects", "WARN"},
		{"a rule's fault", trigger("raise exception 'hidden' using errcode = 'PT500'"), write,
			"INTERNAL_SERVER_ERROR", "internal error", "PT500", "hidden", "ERROR"},
		{"a rule with a code", trigger("raise exception 'hidden' using errcode = '23505'"), write,
			"CONFLICT", "this conflicts with what is stored", "23505", "hidden", "WARN"},
		{"a rule that talks", trigger("raise exception '%', repeat('é', 1000) using errcode = 'PT400'"), write,
			"REJECTED", strings.Repeat("é", 150) + "…", "PT400", strings.Repeat("é", 100), "WARN"},
		{"a protocol violation", trigger("raise exception 'hidden' using errcode = '08P01'"), write,
			"INTERNAL_SERVER_ERROR", "internal error", "08P01", "hidden", "ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pg := pgtest.New(t)
			pg.Exec(t, pgtest.Seed)
			pg.Exec(t, test.seed)
			db, err := database.Open(database.Config{URL: pg.URL, MaxConns: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var log bytes.Buffer
			handler, err := endpoint.NewHandler(endpoint.Options{Schema: testapi.New, DB: db, Log: slog.New(slog.NewJSONHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Errors []struct {
					Message    string
					Extensions struct{ Code string }
				}
			}
			if err := json.Unmarshal(handler.Ask(claims, jsonOf(test.ask)).Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if len(got.Errors) != 1 || got.Errors[0].Extensions.Code != test.code || got.Errors[0].Message != test.message {
				t.Errorf("told %+v", got.Errors)
			}
			if line := log.String(); !strings.Contains(line, `"level":"`+test.level+`"`) || !strings.Contains(line, test.state) || !strings.Contains(line, test.logged) || !strings.Contains(line, `"path":"`) {
				t.Errorf("logged %s", line)
			}
		})
	}
}
