// Command shapes-writer writes a random schema, its structs and its resolvers into a folder of this module.
package main

import (
	"fmt"
	"os"
	"strconv"

	"usergraph/internal/rowjson/rowfuzz"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: shapes-writer FOLDER PACKAGE SEED")
		os.Exit(2)
	}
	seed, err := strconv.ParseUint(os.Args[3], 10, 64)
	if err == nil {
		err = rowfuzz.Write(os.Args[1], os.Args[2], seed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
