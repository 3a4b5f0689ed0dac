package app

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usergraph/auth/authtest"
	"usergraph/internal/doctor"
	"usergraph/internal/pgtest"
)

// consult runs `usergraph doctor --json`.
func consult(t *testing.T, args []string, env ...string) (findings []doctor.Finding, err error) {
	t.Helper()
	var out strings.Builder
	err = run(t.Context(), append([]string{"doctor", "--json"}, args...), environment(env...), &out)
	for lines := bufio.NewScanner(strings.NewReader(out.String())); lines.Scan(); {
		var f doctor.Finding
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		findings = append(findings, f)
	}
	return findings, err
}

func find(findings []doctor.Finding, check string, severity doctor.Severity) string {
	for _, f := range findings {
		if f.Check == check && f.Severity == severity {
			return f.Message
		}
	}
	return ""
}

func TestDoctor(t *testing.T) {
	issuer, pg := authtest.New(t), pgtest.New(t)
	env := []string{"DATABASE_URL", pg.URL, "SUPABASE_URL", strings.TrimSuffix(issuer.URL(), issuerPath), "ALLOWED_ORIGINS", "https://app.example.com"}
	pasted := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(pasted, []byte(issuer.Token(ada)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, err := os.Open(pasted)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	before := os.Stdin
	os.Stdin = stdin
	defer func() { os.Stdin = before }()

	findings, err := consult(t, []string{"--token", "-"}, env...)
	// A busy machine may answer slowly, which is a warning.
	if err != nil && !errors.Is(err, errWarnings) {
		t.Error(err, findings)
	}
	if message := find(findings, "token", doctor.OK); !strings.Contains(message, ada.String()) {
		t.Errorf("the token: %q in %+v", message, findings)
	}
	if find(findings, "origins", doctor.OK) != "https://app.example.com" || find(findings, "settings", doctor.OK) == "" {
		t.Errorf("%+v", findings)
	}

	pg.Exec(t, "alter table public.users disable row level security")
	findings, err = consult(t, nil, append(env, "PORT", "99999")...)
	if !errors.Is(err, errErrors) || !strings.Contains(find(findings, "tables", doctor.Error), "public.users") || !strings.Contains(find(findings, "settings", doctor.Error), "PORT") {
		t.Error(err, findings)
	}
	pg.Exec(t, `alter table public.users enable row level security;
		create policy "bare" on public.users for select to authenticated using (auth.uid() = id)`)
	if findings, err = consult(t, nil, env...); !errors.Is(err, errWarnings) || find(findings, "policies", doctor.Warning) == "" {
		t.Error(err, findings)
	}

	var usage usageError
	if _, err = consult(t, nil); !errors.As(err, &usage) {
		t.Error(err)
	}
	var out strings.Builder
	_ = run(t.Context(), []string{"doctor"}, environment(env...), &out)
	if !strings.Contains(out.String(), "warning  policies    public.users, \"bare\": auth.uid() is called for every row  -> write (select auth.uid())") {
		t.Errorf("printed:\n%s", out.String())
	}
}

// What check says of a database, doctor says too, in the same words.
func TestDoctorChecks(t *testing.T) {
	pg := pgtest.New(t)
	env := []string{"DATABASE_URL", pg.URL, "SUPABASE_URL", strings.TrimSuffix(authtest.New(t).URL(), issuerPath)}
	ofCheck := func(findings []doctor.Finding) []doctor.Finding {
		return slices.DeleteFunc(slices.Clone(findings), func(f doctor.Finding) bool { return f.Check != "check" })
	}
	findings, _ := consult(t, nil, env...)
	if message := find(findings, "check", doctor.Error); message != "" || len(ofCheck(findings)) == 0 {
		t.Errorf("%q in %+v", message, findings)
	}
	pg.Exec(t, "alter table public.users drop column avatar_url")
	var err error
	findings, err = consult(t, nil, env...)
	if message := find(findings, "check", doctor.Error); !errors.Is(err, errErrors) || message != "users: the column avatar_url is gone" {
		t.Errorf("%q in %+v", message, findings)
	}
	var out strings.Builder
	_ = run(t.Context(), []string{"check", "--json", "--database", pg.URL}, noEnvironment, &out)
	var checked []doctor.Finding
	for line := range strings.Lines(out.String()) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err, line)
		}
		checked = append(checked, f)
	}
	if got := ofCheck(findings); !slices.Equal(got, checked) {
		t.Errorf("doctor says\n%+v\ncheck says\n%+v", got, checked)
	}
	if findings, _ = consult(t, nil, "DATABASE_URL", "postgres://127.0.0.1:1/none", "SUPABASE_URL", env[3]); len(ofCheck(findings)) > 0 {
		t.Errorf("%+v", findings)
	}
}

// Where agents may ask, doctor asks Auth whether they can sign in.
func TestDoctorOfAgents(t *testing.T) {
	env := []string{"DATABASE_URL", pgtest.New(t).URL, "SUPABASE_URL", strings.TrimSuffix(authtest.New(t).URL(), issuerPath)}
	if findings, _ := consult(t, nil, env...); find(findings, "agents", doctor.Error) != "" {
		t.Errorf("without MCP=on: %+v", findings)
	}
	findings, err := consult(t, nil, append(env, "MCP", "on", "PUBLIC_URL", "https://api.example.com")...)
	if !errors.Is(err, errErrors) || !strings.Contains(find(findings, "agents", doctor.Error), "this Auth has no OAuth server") {
		t.Error(err, findings)
	}
}

func TestMigrationVersions(t *testing.T) {
	versions := migrationVersions(pgtest.Migrations)
	if !slices.IsSorted(versions) || !slices.Contains(versions, "20261124000000") {
		t.Error(versions)
	}
}
