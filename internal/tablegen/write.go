package tablegen

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Write writes files into a project's folder: all of them, or none. Their names are relative to it.
func Write(dir string, files map[string][]byte) error {
	before, err := Snapshot(dir, slices.Collect(maps.Keys(files)))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, files[name], 0o644)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", name, err), before.Restore())
		}
	}
	return nil
}

// Saved is what files held before they were changed.
type Saved struct {
	dir   string
	files map[string][]byte // nil for a file that was not there
}

// Snapshot reads files, so that Restore can undo what is done to them.
func Snapshot(dir string, names []string) (Saved, error) {
	saved := Saved{dir, map[string][]byte{}}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Saved{}, err
		}
		saved.files[name] = text
	}
	return saved, nil
}

// Restore writes the files as they were, and removes those that were not there.
func (s Saved) Restore() error {
	var errs []error
	for name, text := range s.files {
		path := filepath.Join(s.dir, filepath.FromSlash(name))
		if text == nil {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
			continue
		}
		errs = append(errs, os.WriteFile(path, text, 0o644))
	}
	return errors.Join(errs...)
}
