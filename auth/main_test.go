package auth_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// No test may leave a goroutine behind, except the fuzzer's own.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		m.Run()
		return
	}
	goleak.VerifyTestMain(m)
}
