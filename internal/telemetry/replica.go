package telemetry

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"usergraph/database"
)

// WatchReplica reports the statistics of the replica and its pool. It may be called once.
func (t *Telemetry) WatchReplica(replica *database.Replica) {
	t.watchPool("replica_pool", replica.Stats)
	gauge := func(name, help string, value func() float64) {
		t.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "usergraph_" + name, Help: help}, value))
	}
	gauge("replica_in_use", "Whether queries read from the replica (1) or all from the primary (0).", func() float64 {
		if replica.InUse() {
			return 1
		}
		return 0
	})
	gauge("replica_lag_seconds", "How old at most is what is read from the replica; infinite if nobody knows.", func() float64 {
		if lag := replica.Lag(); lag != math.MaxInt64 {
			return lag.Seconds()
		}
		return math.Inf(1)
	})
	counter := func(name, help, outcome string, value func() uint64) {
		t.metrics.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "usergraph_" + name, Help: help,
			ConstLabels: prometheus.Labels{"outcome": outcome}}, func() float64 { return float64(value()) }))
	}
	const reads = "Reads that the replica answered, and those repeated on the primary because it did not."
	counter("replica_reads_total", reads, "answered", func() uint64 { answered, _ := replica.Reads(); return answered })
	counter("replica_reads_total", reads, "repeated", func() uint64 { _, repeated := replica.Reads(); return repeated })
}
