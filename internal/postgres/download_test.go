//go:build unix

package postgres

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	embedded "github.com/fergusstrange/embedded-postgres"
	"github.com/ulikunitz/xz"
)

// mirror serves a PostgreSQL, made of this machine's programs, as a Maven repository.
type mirror struct {
	*httptest.Server
	archive []byte
	sum     string
	major   int
	paths   atomic.Pointer[string]
	served  atomic.Int32
	// answer, if set, is the response of a failing repository.
	answer http.HandlerFunc
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	account, err := accountFor("")
	if err != nil {
		t.Fatal(err)
	}
	m := &mirror{}
	for _, dir := range usualPlaces() {
		if bin, err := inspect(t.Context(), dir, account); err == nil {
			m.archive, m.major = archive(t, bin.dir), bin.major
			break
		}
	}
	if m.archive == nil {
		t.Fatal("this test needs a PostgreSQL on the machine: apt-get install postgresql")
	}
	if _, ok := releases[m.major]; !ok { // a PostgreSQL newer than the library
		releases[m.major] = embedded.PostgresVersion(fmt.Sprint(m.major, ".0.0"))
	}
	m.sum = sumOf(m.archive)
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, ".jar.sha256"):
		_, _ = w.Write([]byte(m.sum))
	case m.answer != nil:
		m.answer(w, r)
	default:
		m.served.Add(1)
		m.paths.Store(&path)
		_, _ = w.Write(m.archive)
	}
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// archive packs a tar.xz with the programs into a zip. Their libraries are found at their usual place, since they are
// installed.
func archive(t *testing.T, bin string) []byte {
	t.Helper()
	var packed, jar bytes.Buffer
	compress, err := xz.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewWriter(compress)
	for _, name := range []string{"initdb", "postgres", "pg_ctl"} {
		path, err := filepath.EvalSymlinks(filepath.Join(bin, name))
		if err != nil {
			t.Fatal(err)
		}
		// A link works like the program, which finds its own folder, and is packed quickly.
		if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: path, Mode: 0o777}); err != nil {
			t.Fatal(err)
		}
	}
	readme := "not empty"
	if err := files.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "share/README", Size: int64(len(readme)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { _, err := files.Write([]byte(readme)); return err },
		files.Close, compress.Close,
		func() error {
			z := zip.NewWriter(&jar)
			file, err := z.Create("postgres-test.txz")
			if err != nil {
				return err
			}
			if _, err := file.Write(packed.Bytes()); err != nil {
				return err
			}
			return z.Close()
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return jar.Bytes()
}

// without returns a configuration that finds no PostgreSQL on the machine, for a cluster made by the machine's own.
func without(t *testing.T, m *mirror) Config {
	t.Helper()
	cfg := stopped(t)
	cfg.places = []string{}
	cfg.cache = filepath.Join(filepath.Dir(cfg.DataDir), "cache")
	cfg.Mirror = m.URL + "/"
	return cfg
}

// Without a PostgreSQL and without a network, the message has ways out, and docs/first-hour.md has the message.
func TestNoPostgreSQL(t *testing.T) {
	cfg := without(t, newMirror(t))
	cfg.DataDir, cfg.Mirror = filepath.Join(filepath.Dir(cfg.cache), "new"), "http://127.0.0.1:1"
	_, err := Start(t.Context(), cfg)
	const message = "PostgreSQL 15 or newer is not on this machine and could not be downloaded: "
	wantError(t, err, message, "apt-get install postgresql", "docker compose up")
	page, unread := os.ReadFile("../../docs/first-hour.md")
	if unread != nil || !strings.Contains(string(page), "| `"+message+"…` |") {
		t.Error("docs/first-hour.md does not list it", unread)
	}
}

func TestDownload(t *testing.T) {
	m := newMirror(t)
	cfg := without(t, m)
	told := make(chan string, 2)
	cfg.Progress = func(message string) { told <- message }

	// Two clusters, one cache.
	other := without(t, m)
	other.cache, other.Progress = cfg.cache, cfg.Progress
	failed := make(chan error)
	go func() {
		server, err := Start(t.Context(), other)
		if err == nil {
			err = server.Stop()
		}
		failed <- err
	}()
	server := start(t, cfg)
	if err := <-failed; err != nil {
		t.Error("the other one:", err)
	}
	wantKept(t, server)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if m.served.Load() != 1 {
		t.Errorf("downloaded %d times", m.served.Load())
	}
	if message := <-told; !strings.HasPrefix(message, "downloading PostgreSQL "+string(releases[m.major])) || len(told) > 0 {
		t.Error(message, "and", len(told), "more")
	}
	if path := *m.paths.Load(); !strings.Contains(path, "/"+string(releases[m.major])+"/") {
		t.Error("asked for", path)
	}

	m.Close()
	wantKept(t, start(t, cfg)) // from the cache
	left, err := filepath.Glob(filepath.Join(cfg.cache, "*"))
	if err != nil || len(left) != 2 { // the lock and the release
		t.Error("the cache holds", left, err)
	}
}

// However a download fails, nothing of it is used, and the next attempt succeeds.
func TestDownloadFails(t *testing.T) {
	m := newMirror(t)
	cfg := without(t, m)
	good, sum := m.archive, m.sum
	for _, test := range []struct {
		name   string
		change func()
		want   string
	}{
		{"no such release", func() { m.answer = http.NotFound }, "no version found"},
		{"half of it", func() {
			m.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000000")
				_, _ = w.Write(good)
			}
		}, "unexpected EOF"},
		{"altered", func() {
			m.archive = bytes.Clone(good)
			m.archive[len(good)/2]++
		}, "checksums do not match"},
		{"not an archive", func() { m.archive, m.sum = []byte("<html>"), sumOf([]byte("<html>")) }, "not a valid zip file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.change()
			defer func() { m.answer, m.archive, m.sum = nil, good, sum }()
			_, err := Start(t.Context(), cfg)
			wantError(t, err, test.want, "is left as it is")
			if left, _ := filepath.Glob(filepath.Join(cfg.cache, "postgres-*")); len(left) > 0 {
				t.Error("the cache holds", left)
			}
		})
	}
	wantKept(t, start(t, cfg))
}

// A new cluster gets the version of a new Supabase project. On a machine without it, the error names the alternatives.
func TestNowhere(t *testing.T) {
	m := newMirror(t)
	cfg := quick(tempDir(t))
	cfg.places = []string{}
	cfg.cache = filepath.Join(filepath.Dir(cfg.DataDir), "cache")

	cfg.Mirror = m.URL
	server, err := Start(t.Context(), cfg)
	switch {
	case m.major != newMajor:
		wantError(t, err, "the mirror sent PostgreSQL")
	case err != nil:
		t.Error(err)
	default:
		if err := errors.Join(server.Stop(), Remove(cfg.DataDir)); err != nil {
			t.Error(err)
		}
	}
	if path := *m.paths.Load(); !strings.Contains(path, "/"+string(releases[newMajor])+"/") {
		t.Error("asked for", path)
	}
	cfg.cache += "2"

	m.Close()
	cfg.Mirror = strings.Replace(m.URL, "://", "://user:hunter2@", 1)
	_, err = Start(t.Context(), cfg)
	wantError(t, err, "unable to connect", "apt-get install postgresql", "POSTGRES_MIRROR", "DATABASE_URL")
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the password is told:", err)
	}
	cfg.Mirror = "user:hunter2@nexus"
	_, err = Start(t.Context(), cfg)
	wantError(t, err, "is not a URL")
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the password is told:", err)
	}
}

// If ctx ends during a download, Start returns at once.
func TestDownloadAbandoned(t *testing.T) {
	m := newMirror(t)
	cfg := without(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	m.answer = func(http.ResponseWriter, *http.Request) {
		cancel()
		<-release
	}
	if _, err := Start(ctx, cfg); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "downloaded") {
		t.Error(err)
	}
}
