//go:build services

package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usergraph/internal/pgtest"
)

// asUsergraph has this test's binary run as the program.
const asUsergraph = "RUN_AS_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asUsergraph) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// approve is what a user does in a browser: it follows the address to the consent page, approves as Ada, and prints the code.
const approve = `approve() {
	page=$(curl -s -o /dev/null -w '%{redirect_url}' "$1")
	curl -s -o /dev/null -w '%{redirect_url}' "${page%%\?*}" -H "Origin: $STAND_IN" -d "authorization_id=${page##*authorization_id=}" \
		-d user=a0000000-0000-4000-8000-000000000001 -d action=approve | sed 's/.*[?&]code=\([^&]*\).*/\1/'
}
`

// volatile is what differs from run to run.
var volatile = []*regexp.Regexp{
	regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`),
	regexp.MustCompile(`"requestId":"[0-9a-f]{16}"`),
	regexp.MustCompile(`code_challenge=[\w-]+`),
	regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`),
}

func steady(text string) string {
	for _, pattern := range volatile {
		text = pattern.ReplaceAllString(text, "…")
	}
	return strings.ReplaceAll(text, "\r", "")
}

// The commands of these blocks, in the order of each page, run as they stand against `usergraph dev`, and answer what the page says.
func TestCommands(t *testing.T) {
	h := &firstHour{T: t}
	banner := h.runs(nil, "listening", h.dev("--data", pgtest.Dir(t))...).String()
	api := regexp.MustCompile(`GraphQL +(\S+)/graphql`).FindStringSubmatch(banner)[1]
	standIn := regexp.MustCompile(`SUPABASE_URL +(\S+)`).FindStringSubmatch(banner)[1]
	ports := []string{"127.0.0.1:8080", strings.TrimPrefix(api, "http://"), "127.0.0.1:8081", strings.TrimPrefix(standIn, "http://")}
	there := strings.NewReplacer(ports...)
	slices.Reverse(ports)
	back := strings.NewReplacer(ports...)

	for page, blocks := range map[string]int{"README.md": 1, "docs/errors.md": 1, "docs/security.md": 1, "docs/agents.md": 3} {
		t.Run(page, func(t *testing.T) {
			script := approve + `go() { shift 2; command=$1; shift; ` + asUsergraph + `=1 "$PROGRAM" $command --url ` + api + ` "$@"; }` + "\n"
			var want strings.Builder
			for _, block := range fence.FindAllStringSubmatch(string(must(os.ReadFile(page))), -1) {
				if block[1] != "console" || blocks == 0 {
					continue
				}
				blocks--
				var continues, skip bool
				for line := range strings.Lines(block[2]) {
					command, begins := strings.CutPrefix(line, "$ ")
					switch {
					case strings.HasPrefix(command, "go run . dev"):
						skip = true // it runs
					case strings.HasPrefix(command, "code="):
						script += `code=$(approve "$auth/oauth/authorize?client_id=$client&redirect_uri=http://127.0.0.1:7777/&code_challenge=$challenge&code_challenge_method=S256")` + "\n"
					case begins || continues:
						script, skip = script+command, false
					case !skip:
						want.WriteString(line)
					}
					continues = (begins || continues) && strings.HasSuffix(strings.TrimSpace(line), `\`)
				}
			}
			shell := exec.CommandContext(t.Context(), "bash", "-c", there.Replace(script))
			shell.Env = append(os.Environ(), "PROGRAM="+must(os.Executable()), "STAND_IN="+standIn)
			out, err := shell.CombinedOutput()
			if got := back.Replace(steady(string(out))); err != nil || strings.TrimSpace(got) != strings.TrimSpace(steady(want.String())) {
				t.Errorf("%v\nit answers:\n%s\nand the page has:\n%s", err, got, steady(want.String()))
			}
		})
	}
}
