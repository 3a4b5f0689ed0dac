package redisclient_test

import (
	"testing"

	"usergraph/internal/redisclient"
)

func TestABadURLIsRefusedWithoutItsPassword(t *testing.T) {
	const want = "REDIS_URL is not of the form redis://user:password@host:6379/0"
	for _, url := range []string{
		"redis://:hunter2@db:nonsense/", "redis://:hunter2@db/one", "redis://:hunter2@db/-1", "redis://:hunter2@db/1/2",
		"redis://:hunter2@db?skip_verify=true", "redis://:hunter2@db#0", "redis:hunter2@db", "http://:hunter2@db", "unix:///hunter2", ":hunter2", "",
	} {
		if _, err := redisclient.New(url, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"redis://db", "redis://:hunter2@db", "rediss://ada:hunter2@db:1234/15", "redis://[::1]", "redis://[::1]:1/", "redis://"} {
		client, err := redisclient.New(url, nil)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		_ = client.Close()
	}
}
