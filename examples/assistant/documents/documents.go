// Package documents answers one question: which operations has the team named?
//
// One operation a file, <order>_<name>.graphql, and <order>_<name>.json for variables to try it with. They are the
// playground's tabs, in this order. An operation with a description is a tool of agents too.
package documents

import "embed"

// FS holds the files.
//
//go:embed *.graphql *.json
var FS embed.FS
