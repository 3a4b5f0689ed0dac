package redisclient_test

import (
	"testing"

	"usergraph/internal/redisclient"
)

func TestABadURLIsRefusedWithoutItsPassword(t *testing.T) {
	const want = "REDIS_URL is not of the form redis://user:password@host:6379/0"
	if _, err := redisclient.New("redis://:hunter2@db:nonsense/", nil); err == nil || err.Error() != want {
		t.Error(err)
	}
}
