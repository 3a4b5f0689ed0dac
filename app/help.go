package app

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// The commands use package flag: ten commands with ten flags between them need no library. This file adds what flag
// lacks, two hyphens and suggestions.

// newFlags returns a command's flags. Its help has one form: usage, description, flags, an example.
func newFlags(stdout io.Writer, name, about, example string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // flag prints its errors and also returns them
	flags.Usage = func() {
		usage, list := "usage: usergraph "+name, ""
		flags.VisitAll(func(f *flag.Flag) {
			kind, meaning := flag.UnquoteUsage(f)
			if f.DefValue != "" && f.DefValue != "false" {
				meaning += " (default " + f.DefValue + ")"
			}
			list += fmt.Sprintf("\n  %-22s %s", "--"+strings.TrimSpace(f.Name+" "+kind), meaning)
		})
		if list != "" {
			usage, list = usage+" [flags]", "\n\nFlags:"+list
		}
		fmt.Fprintf(stdout, "%s\n\n%s%s\n\nExample:\n  %s\n", usage, about, list, example)
	}
	return flags
}

// parseFlags parses the flags of a command that has no other arguments.
func parseFlags(flags *flag.FlagSet, args []string) error {
	help := flags.Usage
	flags.Usage = func() {} // flag also calls it for errors
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		help()
		return err
	}
	if err != nil {
		return usageError{fmt.Errorf("%s: %s", flags.Name(), explainFlag(flags, err))}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("%s takes no %q: `usergraph %s --help` says what it takes", flags.Name(), flags.Arg(0), flags.Name())}
	}
	return nil
}

// twoHyphens corrects the messages of package flag.
var twoHyphens = strings.NewReplacer("for flag -", "for --", "for -", "for --", "argument: -", "argument: --")

// explainFlag adds the known flags to the error for an unknown one.
func explainFlag(flags *flag.FlagSet, err error) string {
	unknown, isUnknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !isUnknown {
		return twoHyphens.Replace(err.Error())
	}
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	text := "there is no flag --" + unknown
	if meant := closest(unknown, names); meant != "" {
		text += ", did you mean --" + meant + "?"
	}
	if len(names) == 0 {
		return text + "; " + flags.Name() + " takes none"
	}
	return text + "; there are --" + strings.Join(names, ", --")
}

// closest returns the name that word is probably a misspelling of, or "". In a short word one letter may differ.
func closest(word string, names []string) string {
	best, at := "", max(1, min(2, len(word)/4))+1
	for _, name := range names {
		if d := distance(word, name); d < at {
			best, at = name, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, change or swap with the next one (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			changed := 0
			if a[i-1] != b[j-1] {
				changed = 1
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// runVersion prints the version of the program.
func (p *application) runVersion(_ context.Context, args []string) error {
	flags := newFlags(p.Stdout, "version", "Prints the version, the commit it was built from, and Go's version. `usergraph --version` does the same.", "usergraph version")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.Stdout, version())
	return err
}

// version returns what the Go toolchain recorded: a tag or a pseudo-version, and the commit of a build from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "usergraph, version unknown"
	}
	commit := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit += ", commit " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += " with changes"
		}
	}
	return fmt.Sprintf("usergraph %s%s, %s %s/%s", cmp.Or(info.Main.Version, "(devel)"), commit, info.GoVersion, runtime.GOOS, runtime.GOARCH)
}
