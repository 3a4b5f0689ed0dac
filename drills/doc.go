// Package drills answers one question: what do callers see when something around the server breaks?
//
// Its tests run the built program as a process of its own, or three behind nginx, on a real PostgreSQL with real tokens,
// ask it all the time, break something, mend it, and look at every answer. docs/reliability.md has the figures. Others flood
// it, and look at what it keeps: docs/security.md has those.
//
// They are for `make drills`, with the build tag services: they take minutes and need PgBouncer, Redis and nginx.
package drills
