//go:build memory

package chat_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// What a thousand open answers keep, of users of their own. Server, provider and clients are in this one process, so that an answer
// of the server alone has less. make assistant-memory prints it.
func TestMemoryOfOpenAnswers(t *testing.T) {
	const open = 1000
	began, left := make(chan struct{}, open), make(chan struct{}, open)
	s := serve(t, slow(began, left))
	id := func(i int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("d0000000-0000-4000-8000-%012d", i)) }
	s.Exec(t, "insert into auth.users (id) select ('d0000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid from generate_series(0, $1 - 1) i", open)
	threads := make([]string, open)
	for i := range open {
		threads[i] = s.thread(id(i))
	}
	measure := func(when string) (bytes uint64) {
		runtime.GC()
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		rss := regexp.MustCompile(`VmRSS:\s+(.*)`).FindSubmatch(status)[1]
		fmt.Printf("%s: heap %d KB, stacks %d KB, %d goroutines, resident %s\n", when, memory.HeapAlloc>>10, memory.StackInuse>>10, runtime.NumGoroutine(), rss)
		return memory.HeapAlloc + memory.StackInuse
	}
	before := measure("none open")
	ctx, leave := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range open {
		group.Go(func() {
			answer, err := s.post(ctx, id(i), threads[i], "Hello")
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Errorf("%v %v", answer, err)
				return
			}
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, answer.Body) // until the client leaves
		})
		<-began
	}
	after := measure(fmt.Sprint(open, " open"))
	fmt.Printf("%d KB for each open answer\n", (after-before)/open>>10)
	leave()
	group.Wait()
	for range open {
		<-left
	}
	s.Stop()
	s.settled()
}
