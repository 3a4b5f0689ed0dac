//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// newMajor is the downloaded version for a new cluster, the same as a new Supabase project's.
const newMajor = 17

// downloadTimeout bounds the download, about 15 MB.
const downloadTimeout = 10 * time.Minute

// sharedCache holds the downloads of root, since the account that PostgreSQL runs as cannot enter /root.
const sharedCache = "/var/cache/usergraph"

// releases are the downloadable versions, by major version.
var releases = map[int]embedded.PostgresVersion{15: embedded.V15, 16: embedded.V16, 17: embedded.V17, 18: embedded.V18}

// cacheDir returns the folder of downloads.
func (h *home) cacheDir(cfg Config) (string, error) {
	switch {
	case cfg.cache != "":
		return cfg.cache, nil
	case h.account != nil:
		return sharedCache, nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "usergraph"), err
}

// downloaded lists the folders of earlier downloads.
func (h *home) downloaded(cfg Config) []string {
	cache, err := h.cacheDir(cfg)
	if err != nil {
		return nil
	}
	dirs, _ := filepath.Glob(filepath.Join(cache, "postgres-*", "bin"))
	return dirs
}

// download fetches a PostgreSQL into the cache. The folder of a release is complete or does not exist. Concurrent
// processes fetch it once.
func (h *home) download(ctx context.Context, cfg Config, major int) (binaries, error) {
	release, ok := releases[major]
	if !ok {
		return binaries{}, fmt.Errorf("there is no PostgreSQL %d to download", major)
	}
	if mirror, err := url.Parse(cfg.Mirror); err != nil || (cfg.Mirror != "" && mirror.Host == "") {
		return binaries{}, errors.New("the mirror is not a URL that starts with https://") // it may hold a password
	}
	cache, err := h.cacheDir(cfg)
	if err == nil {
		err = os.MkdirAll(cache, 0o755)
	}
	if err != nil {
		return binaries{}, fmt.Errorf("folder for downloads: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	lock, err := openLock(filepath.Join(cache, "lock"))
	if err != nil {
		return binaries{}, err
	}
	if err := waitLock(ctx, lock); err != nil {
		lock.Close()
		return binaries{}, fmt.Errorf("wait for a download by another process: %w", err)
	}

	target := filepath.Join(cache, "postgres-"+string(release))
	fetched := make(chan error, 1)
	// The library takes no context. The goroutine is left running when ctx is done, because the process is about to end
	// then.
	go func() {
		defer lock.Close()
		if _, err := os.Stat(target); err == nil {
			fetched <- nil // by the previous holder of the lock
			return
		}
		if cfg.Progress != nil {
			cfg.Progress(fmt.Sprintf("downloading PostgreSQL %s (about 15 MB) into %s", release, cache))
		}
		fetched <- h.fetch(ctx, release, cfg.Mirror, target)
	}()
	select {
	case err = <-fetched:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return binaries{}, err
	}
	return inspect(ctx, filepath.Join(target, "bin"), h.account)
}

// fetch downloads a release, runs it once, and only then renames it to its final name.
func (h *home) fetch(ctx context.Context, release embedded.PostgresVersion, mirror, target string) error {
	leftovers, _ := filepath.Glob(target + ".part-*")
	for _, dir := range leftovers {
		_ = os.RemoveAll(dir)
	}
	part, err := os.MkdirTemp(filepath.Dir(target), filepath.Base(target)+".part-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)

	// The library cannot only download. Before it starts a server it fetches, checks and unpacks the archive, then
	// creates RuntimePath, then DataPath. DataPath is below a file here, so it fails at that point, before anything was
	// run.
	unpacked, runtime, file := filepath.Join(part, "unpacked"), filepath.Join(part, "runtime"), filepath.Join(part, "file")
	if err := errors.Join(os.Chmod(part, 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
		return err
	}
	cfg := embedded.DefaultConfig().Version(release).Port(0).Logger(io.Discard).
		CachePath(filepath.Join(part, "archive")).BinariesPath(unpacked).RuntimePath(runtime).DataPath(filepath.Join(file, "data"))
	if mirror != "" {
		cfg = cfg.BinaryRepositoryURL(strings.TrimSuffix(mirror, "/"))
	}
	err = embedded.NewDatabase(cfg).Start()
	if _, missing := os.Stat(runtime); missing != nil {
		return withoutPassword(err, mirror)
	}
	got, err := inspect(ctx, filepath.Join(unpacked, "bin"), h.account)
	if err != nil {
		return err
	}
	if releases[got.major] != release {
		return fmt.Errorf("asked for PostgreSQL %s, the mirror sent PostgreSQL %d", release, got.major)
	}
	return os.Rename(unpacked, target)
}

// withoutPassword returns err without secrets of the mirror's URL.
func withoutPassword(err error, mirror string) error {
	address, unreadable := url.Parse(mirror)
	if unreadable != nil || address.User == nil {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), address.User.String()+"@", ""))
}
