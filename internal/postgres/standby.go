//go:build unix

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Standby runs a streaming replica of s on a copy of its data, for tests of read replicas. It has the same passwords,
// and its own Stop and Kill. cfg applies to the replica only.
func (s *Server) Standby(ctx context.Context, cfg Config) (*Server, error) {
	home, err := openHome(ctx, cfg)
	if err != nil {
		return nil, err
	}
	standby := &Server{home: home, passwords: s.passwords}
	if err := standby.follow(ctx, s, cfg); err != nil {
		return nil, errors.Join(err, standby.Stop())
	}
	return standby, nil
}

func (s *Server) follow(ctx context.Context, primary *Server, cfg Config) error {
	bin, err := primary.home.binaries(ctx, cfg) // a copy runs on the same version only
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	text, err := json.Marshal(s.passwords)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.home.path("passwords"), text, 0o600); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir(s.home.data(), 0o700), s.home.give(s.home.data())); err != nil {
		return err
	}
	// Distributions link the server's programs into a folder of the PATH, but not this one.
	program, err := filepath.EvalSymlinks(filepath.Join(bin.dir, "postgres"))
	if err != nil {
		return err
	}
	bin.dir = filepath.Dir(program)
	if _, err := os.Stat(filepath.Join(bin.dir, "pg_basebackup")); err != nil {
		return fmt.Errorf("%w: a standby needs a whole PostgreSQL, such as apt-get install postgresql installs", err)
	}
	backup, err := s.home.spawn(bin.command("pg_basebackup", "-D", s.home.data(), "-d", primary.URL("postgres", ""),
		"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"))
	if err != nil {
		return err
	}
	if err := backup.wait(ctx); err != nil {
		backup.end(syscall.SIGKILL, stopTimeout)
		return fmt.Errorf("pg_basebackup: %w\n%s", err, s.home.logTail())
	}
	return s.launch(ctx, bin, cfg)
}
