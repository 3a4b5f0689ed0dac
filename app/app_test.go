package app

import (
	"context"
	"io"
	"os"

	"usergraph/internal/pgtest"
	"usergraph/internal/testapi"
)

// testAPI is the API that the program of these tests serves.
var testAPI = API{Schema: testapi.New, Migrations: pgtest.Migrations, Seed: pgtest.Seed, Documents: testapi.Documents}

// run runs the program with testAPI.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	return Run(ctx, testAPI, Env{Args: args, Getenv: getenv, Stdin: os.Stdin, Stdout: stdout})
}

// readConfig reads the settings as that program does.
func readConfig(getenv func(string) string) (config, error) {
	return (&application{API: testAPI}).readConfig(getenv)
}
