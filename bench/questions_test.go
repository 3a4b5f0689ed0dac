//go:build linux

package main

import "testing"

// An answer is right in whatever way it is written, and wrong with one value, field or row more or less.
func TestEqual(t *testing.T) {
	const truth = `{"todos":{"nodes":[{"id":7,"status":"active","createdAt":"2026-01-01T00:00:00+00:00","project":null}]}}`
	const node = `{"id":"7","status":"ACTIVE","createdAt":"2026-01-01T01:00:00.000+01:00","project":null}`
	for answer, right := range map[string]bool{
		`{"data":{"todos":{"nodes":[` + node + `]}}}`:                              true,
		`{"todos":{"nodes":[` + node + `]}}`:                                       true,
		`{"data":{"todos":{"nodes":[` + node + `]}},"errors":[{"message":"no"}]}`:  false,
		`{"data":{"todos":{"nodes":[` + node + `,` + node + `]}}}`:                 false,
		`{"data":{"todos":{"nodes":[` + node + `],"pageInfo":{}}}}`:                false,
		`{"todos":{"nodes":[]}}`:                                                   false,
		`{"data":{"todos":null}}`:                                                  false,
		`{"data":null}`:                                                            false,
		`null`:                                                                     false,
		`{"todos":{"nodes":[{"id":7,"status":"active","project":null}]}}`:          false,
		`{"todos":{"nodes":[` + node[:len(node)-1] + `,"done":true}]}}`:            false,
		`{"todos":{"nodes":[{"id":8` + node[len(`{"id":"7"`):] + `]}}`:             false,
		`{"todos":{"nodes":[` + node[:len(node)-len(`null}`)] + `{"name":"x"}}]}}`: false,
	} {
		if err := equal([]byte(truth), []byte(answer), nil); (err == nil) != right {
			t.Errorf("%s: %v", answer, err)
		}
	}
	const made = `{"createTodo":{"title":"x"}}`
	for answer, right := range map[string]bool{
		`{"createTodo":{"id":1,"title":"x"}}`:                   true,
		`{"data":{"createTodo":{"todo":{"id":1,"title":"x"}}}}`: true,
		`{"createTodo":{"title":"x"}}`:                          false,
		`{"createTodo":{"id":1,"title":"y"}}`:                   false,
		`{"data":{"createTodo":null}}`:                          false,
	} {
		if err := equal([]byte(made), []byte(answer), []string{"id"}); (err == nil) != right {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
