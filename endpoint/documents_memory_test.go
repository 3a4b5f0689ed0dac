package endpoint

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// A document takes no more memory than its weight, of which the cache bounds the sum.
func TestDocumentsWeighWhatTheyTake(t *testing.T) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: "type Query { a(b: String, x: String): Query c: Int l(v: [[Int]]): Int o(i: I): Int } input I { i: I n: Int }"})
	d, bounds := &documents{schema: schema}, DefaultLimits().SignedIn
	for name, text := range map[string]string{
		"fields":     "{a{" + strings.Repeat("c ", 490) + "}}",
		"aliases":    "{a{" + strings.Repeat("x:c ", 30) + strings.Repeat("c ", 400) + "}}",
		"nested":     "{" + strings.Repeat("a{c ", 11) + strings.Repeat("}", 12),
		"inline":     "{a{" + strings.Repeat("...{c}", 240) + "}}",
		"spreads":    "{a{" + strings.Repeat("...f ", 49) + "}} fragment f on Query{" + strings.Repeat("c ", 4) + "}",
		"comments":   "{c" + strings.Repeat("#\n", 990) + "}",
		"commented":  "{a{" + strings.Repeat("#\nc ", 480) + "}}",
		"arguments":  "{" + strings.Repeat("a(b:\"\" x:\"\\n\"){c}", 20) + "}",
		"directives": "{" + strings.Repeat("c@include(if:true)", 19) + "}",
		"lists":      "{l(v:[" + strings.Repeat("[]", 480) + "])}",
		"numbers":    "{l(v:[" + strings.Repeat("1 ", 980) + "])}",
		"objects":    "{o(i:" + strings.Repeat("{n:1 i:", 120) + "null" + strings.Repeat("}", 120) + ")}",
		"operations": func() (text string) {
			for i := range 190 {
				text += fmt.Sprintf("query q%d{c}", i)
			}
			return text
		}(),
		"a long text":         `{a(b:"` + strings.Repeat("x", 100_000) + `"){c}}`,
		"a long text, copied": `{a(b:"\n` + strings.Repeat("x", 100_000) + `"){c}}`,
		"a long block text":   `{a(b:"""` + strings.Repeat("x\n", 50_000) + `"""){c}}`,
		"a long comment":      "{c#" + strings.Repeat("x", 100_000) + "\n}",
		"a small one":         "{ c }",
	} {
		const copies = 64
		kept := make([]*document, copies)
		before := liveHeap()
		for i := range kept {
			var refusal *gqlerror.Error
			if kept[i], refusal = d.parseAndValidate(strings.Clone(text), &bounds, true); refusal != nil {
				t.Fatal(name, refusal)
			}
		}
		takes := (liveHeap() - before) / copies
		runtime.KeepAlive(kept)
		if weight := kept[0].weight(); takes > weight {
			t.Errorf("%s: %d bytes, and weighs %d", name, takes, weight)
		} else {
			t.Logf("%s: %d bytes, weighs %d", name, takes, weight)
		}
	}
}

// liveHeap is what is alive, in bytes.
func liveHeap() int {
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int(memory.HeapAlloc)
}
