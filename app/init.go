package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"usergraph/internal/scaffold"
)

// runInit writes a new project into a folder and prints the next steps.
func (p *application) runInit(ctx context.Context, args []string) error {
	flags := newFlags(p.Stdout, "init", "Writes an API of your own, with its tests, into DIR, a new or empty folder. With --database, `me` is the table of the\n"+
		"database whose key refers to auth.users; the database is only read.", "usergraph init ../shop --module example.com/shop")
	modulePath := flags.String("module", "", "the module path of the project; example.com/ and the folder's name if not given")
	engine := flags.String("engine", "", "the folder of a checkout of usergraph, which the project uses while there is no release; that of the current folder if not given")
	database := flags.String("database", "", "the `url` of a database with a table of users; any login may read it")
	users := flags.String("me", "", "the `table` of --database that me shows, if the keys of several refer to auth.users")
	help := flags.Usage
	flags.Usage = func() {} // flag also calls it for errors
	// Flags may come before the folder and after it.
	var dir string
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			help()
			return err
		} else if err != nil {
			return usageError{fmt.Errorf("init: %s", explainFlag(flags, err))}
		}
		if flags.NArg() == 0 {
			break
		}
		if dir != "" {
			return usageError{fmt.Errorf("init takes one folder, not %q as well", flags.Arg(0))}
		}
		dir, args = flags.Arg(0), flags.Args()[1:]
	}
	if dir == "" {
		return usageError{errors.New("init: name the folder to write, as in `go run . init ../app`")}
	}
	target, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if *users != "" && *database == "" {
		return usageError{errors.New("init: --me names a table of --database")}
	}
	if *modulePath == "" {
		*modulePath = path.Join("example.com", filepath.Base(target))
	}
	info, _ := debug.ReadBuildInfo()
	found, err := scaffold.FindEngine(*engine, info, ".")
	if err != nil {
		return usageError{err}
	}
	if *database != "" {
		if err := (&initDatabase{application: p, url: *database, users: *users}).write(ctx, target, *modulePath, found); err != nil {
			return err
		}
	} else if err := scaffold.Write(target, *modulePath, found, nil); err != nil {
		return usageError{err}
	}
	tidy := ""
	if found.Dir == "" && found.Sum == "" {
		tidy = "  go mod tidy       # writes the checksum of the engine\n"
	}
	fmt.Fprintf(p.Stdout, `wrote %s, module %s

  cd %s
%s  go run . dev      # a PostgreSQL with users, a stand-in for Supabase Auth, and your server
  go test ./...     # the tests, on a real PostgreSQL

README.md says how to add a field or a table, and how to deploy.
`, dir, *modulePath, quoted(dir), tidy)
	return nil
}

// quoted quotes a word for a shell.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[\w./+@%:=,][\w./+@%:=,-]*$`)
