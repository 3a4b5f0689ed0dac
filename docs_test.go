package main

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// markdown returns the Markdown files that people read here, by path.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && file != "." && (name == "node_modules" || name == "vendor" || name == "testdata" || strings.HasPrefix(name, ".") && name != ".github" || strings.HasPrefix(name, "_")):
			return fs.SkipDir
		case filepath.Ext(file) == ".md" && !strings.HasPrefix(filepath.ToSlash(file), "internal/scaffold/project/"): // their links lead to a project's files
			text, err := os.ReadFile(file)
			files[filepath.ToSlash(file)] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	fence   = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	code    = regexp.MustCompile("`[^`\n]+`")
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
	link    = regexp.MustCompile(`\]\(([^()\s]+(?:\([^()\s]*\))?[^()\s]*)\)`)
)

// anchors are the fragments that GitHub gives to the headings of a page.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, title := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title[1]))
		all[slug] = true
	}
	return all
}

// Links between files lead somewhere, to a heading that is there.
func TestLinks(t *testing.T) {
	pages := markdown(t)
	checked := 0
	for file, text := range pages {
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(fence.ReplaceAllString(text, ""), ""), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			to := file
			if target != "" {
				to = path.Join(path.Dir(file), target)
			}
			if _, err := os.Stat(filepath.FromSlash(to)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", file, found[1])
				continue
			}
			if page, ok := pages[to]; anchor != "" && (!ok || !anchors(page)[anchor]) {
				t.Errorf("%s: there is no heading for the link %s", file, found[1])
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links are found", checked)
	}
}

// Each picture is on a page, and loads quickly.
func TestImages(t *testing.T) {
	const maxSize = 300_000
	var text strings.Builder
	for _, page := range markdown(t) {
		text.WriteString(page)
	}
	images, err := filepath.Glob("docs/images/*")
	if err != nil || len(images) == 0 {
		t.Fatal("no pictures", err)
	}
	for _, image := range images {
		if !strings.Contains(text.String(), "images/"+filepath.Base(image)+")") {
			t.Errorf("no page shows %s", image)
		}
		if info, err := os.Stat(image); err != nil || info.Size() > maxSize {
			t.Errorf("%s is too large: %v bytes, %v", image, info.Size(), err)
		}
	}
}

// docs/README.md leads to every page, and each says first what its reader can do afterwards.
func TestPages(t *testing.T) {
	pages := markdown(t)
	index := pages["docs/README.md"]
	for file, text := range pages {
		if path.Dir(file) != "docs" {
			continue
		}
		if name := path.Base(file); name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
		if _, first, _ := strings.Cut(text, "\n\n"); !strings.HasPrefix(text, "# ") || !strings.HasPrefix(first, "After this page ") {
			t.Errorf("%s does not begin with what its reader can do afterwards", file)
		}
	}
}

// documented is a command of a page: the first line of it.
type documented struct{ page, command string }

var exported = regexp.MustCompile(`^(export )?\w+=('[^']*'|\S*)( +#.*)?$`)

// commandsOf returns the commands in the blocks of a page, without those that only set a variable.
func commandsOf(page, text string) (commands []documented) {
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		continues := false
		for line := range strings.Lines(block[2]) {
			line = strings.TrimSpace(line)
			begins := !continues && line != "" && !strings.HasPrefix(line, "#")
			continues = strings.HasSuffix(line, `\`)
			switch block[1] {
			case "console":
				line, begins = strings.CutPrefix(line, "$ ")
			case "sh":
			default:
				begins = false
			}
			if begins && !exported.MatchString(line) {
				commands = append(commands, documented{page, line})
			}
		}
	}
	return commands
}

var (
	commandRow = regexp.MustCompile("(?m)^\\| \\[[^]]+\\]\\(([^)]+)\\) \\| `([^`]+)` \\| (.+) \\|$")
	testFile   = regexp.MustCompile("\\]\\(([^)]+)\\)(?:,? `(\\w+)`)?")
)

// docs/commands.md says of each command in the README and in docs what runs it: a test or script that is there, or by hand
// how it was tried.
func TestCommandsAreListed(t *testing.T) {
	pages := markdown(t)
	type row struct {
		documented
		runBy string
		used  bool
	}
	var rows []*row
	for _, found := range commandRow.FindAllStringSubmatch(pages["docs/commands.md"], -1) {
		rows = append(rows, &row{documented{path.Join("docs", found[1]), found[2]}, found[3], false})
	}
	for file, text := range pages {
		if file != "README.md" && path.Dir(file) != "docs" {
			continue
		}
		for _, c := range commandsOf(file, text) {
			var of *row // the longest beginning
			for _, r := range rows {
				if r.page == c.page && strings.HasPrefix(c.command, r.command) && (of == nil || len(r.command) > len(of.command)) {
					of = r
				}
			}
			if of == nil {
				t.Errorf("docs/commands.md does not have, of %s: %s", c.page, c.command)
				continue
			}
			of.used = true
		}
	}
	for _, r := range rows {
		if !r.used {
			t.Errorf("%s has no command that begins with %s", r.page, r.command)
		}
		by := testFile.FindAllStringSubmatch(r.runBy, -1)
		if len(by) == 0 && !strings.HasPrefix(r.runBy, "by hand: ") {
			t.Errorf("%s: nothing runs it: %s", r.command, r.runBy)
		}
		for _, found := range by {
			text, err := os.ReadFile(filepath.FromSlash(path.Join("docs", found[1])))
			if errors.Is(err, fs.ErrNotExist) || !strings.Contains(string(text), found[2]) {
				t.Errorf("%s: there is no %s in %s", r.command, found[2], found[1])
			}
		}
	}
}
