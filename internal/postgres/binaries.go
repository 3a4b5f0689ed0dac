//go:build unix

package postgres

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// oldestMajor is the oldest PostgreSQL that Supabase runs.
const oldestMajor = 15

// binaries is a folder with initdb and postgres of the same version.
type binaries struct {
	dir   string
	major int
}

func (b binaries) command(name string, args ...string) []string {
	return append([]string{filepath.Join(b.dir, name)}, args...)
}

// binaries finds or downloads a PostgreSQL for this cluster. An existing cluster needs its own version; a new one takes
// the first that is found.
func (h *home) binaries(ctx context.Context, cfg Config) (binaries, error) {
	version, err := h.version()
	if err != nil {
		return binaries{}, err
	}
	places := cfg.places
	if places == nil {
		places = usualPlaces()
	}
	for _, dir := range append(places, h.downloaded(cfg)...) {
		if found, err := inspect(ctx, dir, h.account); err == nil && (version == 0 || version == found.major) {
			return found, nil
		}
	}
	found, err := h.download(ctx, cfg, cmp.Or(version, newMajor))
	switch {
	case ctx.Err() != nil:
		return binaries{}, context.Cause(ctx)
	case err != nil && version != 0:
		return binaries{}, fmt.Errorf("%s was made by PostgreSQL %d, which is not on this machine and could not be downloaded: %w\n"+
			"Bring that version back, or begin with an empty folder. What is there is left as it is", h.data(), version, err)
	case err != nil:
		return binaries{}, fmt.Errorf("PostgreSQL %d or newer is not on this machine and could not be downloaded: %w\n%s", oldestMajor, err, ways)
	}
	return found, nil
}

const ways = `Any of these will do:
  apt-get install postgresql                    Debian, Ubuntu
  brew install postgresql@17                    macOS
  POSTGRES_MIRROR=https://...                   another Maven repository to download it from
  docker compose up                             the server and its PostgreSQL in containers
  DATABASE_URL=postgres://... go run .          a PostgreSQL that runs elsewhere`

// usualPlaces lists where PostgreSQL may be installed, the most likely first.
func usualPlaces() []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                               // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                        // Fedora, Red Hat, from postgresql.org
		"/usr/libexec/postgresql*",                                // Alpine
		"/opt/homebrew/opt/postgresql@*/bin",                      // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",                         // Homebrew on Intel
		"/Applications/Postgres.app/Contents/Versions/[0-9]*/bin", // Postgres.app
	} {
		matches, _ := filepath.Glob(pattern)
		slices.Sort(matches)
		slices.Reverse(matches)
		dirs = append(dirs, matches...)
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "initdb"))
		return err != nil || !filepath.IsAbs(dir)
	})
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// inspect checks that dir holds the programs, that the account can run them, and that they are not too old.
func inspect(ctx context.Context, dir string, account *syscall.Credential) (binaries, error) {
	var major int
	for _, name := range []string{"initdb", "postgres"} {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, name), "--version")
		cmd.Dir = "/"
		cmd.Env = environment()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
		out, err := cmd.Output()
		if err != nil {
			return binaries{}, fmt.Errorf("%s --version: %w", cmd.Path, err)
		}
		line := strings.Replace(string(out), "initdb", "postgres", 1)
		match := versionLine.FindStringSubmatch(line)
		if match == nil {
			return binaries{}, fmt.Errorf("%s --version says %q", cmd.Path, strings.TrimSpace(string(out)))
		}
		if major, err = strconv.Atoi(match[1]); err != nil {
			return binaries{}, err
		}
	}
	if major < oldestMajor {
		return binaries{}, fmt.Errorf("PostgreSQL %d in %s is too old", major, dir)
	}
	return binaries{dir, major}, nil
}
