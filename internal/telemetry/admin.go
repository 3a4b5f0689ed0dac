package telemetry

import (
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// AdminHandler serves metrics, profiles and POST /purge. Only those who run the server may reach it.
func (t *Telemetry) AdminHandler(purge func()) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.metrics.registry, promhttp.HandlerOpts{Registry: t.metrics.registry}))
	// Index also serves heap, goroutine, allocs, block, mutex and threadcreate.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	// A page in the browser of an operator must not be able to do it.
	mux.Handle("POST /purge", new(http.CrossOriginProtection).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		purge()
		t.log.WarnContext(r.Context(), "keys and verified tokens were forgotten, as POST /purge asked")
		fmt.Fprintln(w, "keys and verified tokens are forgotten; the next request fetches the keys")
	})))
	return mux
}
