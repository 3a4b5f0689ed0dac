// Package documents answers one question: which operations has the team named?
//
// One operation a file, <order>_<name>.graphql, and <order>_<name>.json for variables to try it with. The playground lists them
// in this order, the first five as tabs. An operation with a description is a tool of agents too.
package documents

import "embed"

// FS holds the files.
//
//go:embed *.graphql *.json
var FS embed.FS
