package app

import (
	"context"
	"errors"
	"flag"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// `--help` of every command has one form, and names every flag with two hyphens.
func TestHelpOfEveryCommand(t *testing.T) {
	shape := regexp.MustCompile(`^usage: usergraph ([a-z]+)( \[flags\])?\n\n[A-Z][^\n]+(\n[^\n]+)*\.\n(\nFlags:\n(  --[a-z-]+( [a-z]+)? +\S[^\n]*\n)+)?\nExample:\n  [^\n]*usergraph `)
	for _, command := range (&application{API: testAPI}).commands() {
		var first string
		for _, args := range [][]string{{command.name, "--help"}, {command.name, "-h"}, {"help", command.name}} {
			var out strings.Builder
			if err := run(t.Context(), args, noEnvironment, &out); !errors.Is(err, flag.ErrHelp) {
				t.Errorf("%q: %v", args, err)
			}
			first = out.String()
			if found := shape.FindStringSubmatch(first); found == nil || found[1] != command.name {
				t.Errorf("%q prints\n%s", args, first)
			}
		}
		if strings.Contains(first, "[flags]") != strings.Contains(first, "Flags:") {
			t.Error(first)
		}
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"--help"}, noEnvironment, &out); err != nil || !strings.Contains(out.String(), "Example:") {
		t.Error(out.String(), err)
	}
}

func TestWhatIsMistyped(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"sevre", `there is no command "sevre", did you mean serve?`},
		{"migrat", "did you mean migrate?"},
		{"doctr", "did you mean doctor?"},
		{"frobnicate", `there is no command "frobnicate"` + "\nusage:"},
		{"--port", `there is no command "--port"`},
		{"dev --prot 1", "dev: there is no flag --prot, did you mean --port?; there are --auth-port, --confirm-email, --data, --database, --host, --port, --reset, --token-life"},
		{"dev --frobnicate", "dev: there is no flag --frobnicate; there are --auth-port"},
		{"dev --port x", `invalid value "x" for --port`},
		{"dev --reset=maybe", `invalid boolean value "maybe" for --reset`},
		{"dev --port", "flag needs an argument: --port"},
		{"schema --json", "schema: there is no flag --json; schema takes none"},
		{"migrate up", `migrate takes no "up"`},
		{"config --help-me", "there is no flag --help-me"},
	} {
		var out strings.Builder
		err := run(t.Context(), strings.Fields(test.line), noEnvironment, &out)
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.want) || out.Len() > 0 {
			t.Errorf("usergraph %s: %v\n%s", test.line, err, out.String())
		}
	}
}

func TestMisspelledSettings(t *testing.T) {
	for name, want := range map[string]string{
		"DATABSE_URL": "DATABASE_URL", "SUPABASE_ULR": "SUPABASE_URL", "RATE_LIMTI": "RATE_LIMIT", "ALLOWED_ORIGIN": "ALLOWED_ORIGINS", "LIMIT_COMPLEXTY": "LIMIT_COMPLEXITY", "ADMIN_ADRR": "ADMIN_ADDR",
		"SUPABASE_ANON_KEY": "", "SUPABASE_PUBLISHABLE_KEY": "", "DATABASE_URL_FILE": "", "HOSTNAME": "", "PORTS": "", "PATH": "", "POSTGRES_MIRROR": "", "NEXT_PUBLIC_SUPABASE_URL": "",
	} {
		hints := strings.Join(engineSettings.misspelled([]string{name}), "\n")
		if (want == "") != (hints == "") || !strings.Contains(hints, want) {
			t.Errorf("%s: %q, want %q", name, hints, want)
		}
	}
	if hints := engineSettings.misspelled([]string{"REDIS_URI", "REDIS_URL"}); hints != nil {
		t.Errorf("REDIS_URL is set, so that REDIS_URI is somebody else's: %q", hints)
	}
	if err := engineSettings.checkNames([]string{"USERGRAPH_PROT"}); err == nil || !strings.Contains(err.Error(), "did you mean PORT?") {
		t.Error(err)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"abc", "cba", 2}, {"kitten", "sitting", 3}} {
		if distance(test.a, test.b) != test.want || distance(test.b, test.a) != test.want {
			t.Errorf("%s %s: %d, want %d", test.a, test.b, distance(test.a, test.b), test.want)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		var out strings.Builder
		if err := run(context.Background(), args, noEnvironment, &out); err != nil || !strings.HasPrefix(out.String(), "usergraph ") || !strings.Contains(out.String(), runtime.Version()) {
			t.Error(out.String(), err)
		}
	}
}
