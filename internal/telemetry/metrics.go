package telemetry

import (
	"database/sql"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// The buckets of the histograms, in seconds. A statement takes a tenth of a millisecond if the database is near.
var (
	durations          = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	statementDurations = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
)

// metrics holds the Prometheus metrics. Every label has few values, whatever clients send: an operation is labelled
// with its root field, which is in the schema, and not with its name, which the client chooses.
type metrics struct {
	registry      *prometheus.Registry
	requests      *labelled[requestLabels, timed]
	operations    *labelled[operationLabels, timed]
	statements    *labelled[string, prometheus.Observer] // by outcome
	tokens        *labelled[tokenLabels, prometheus.Counter]
	refusals      *prometheus.CounterVec
	fetches       *prometheus.CounterVec
	limits        *prometheus.CounterVec
	keys          *prometheus.GaugeVec
	keysFetchedAt *prometheus.GaugeVec
	subscriptions prometheus.Gauge
	events        prometheus.Counter
	redisFailures prometheus.Counter
}

// timed counts something by all its labels, and observes its duration by fewer.
type timed struct {
	count    prometheus.Counter
	duration prometheus.Observer // nil for websockets, for subscriptions, and for what never began
}

func (t timed) add(took time.Duration) {
	t.count.Inc()
	if t.duration != nil {
		t.duration.Observe(took.Seconds())
	}
}

type (
	requestLabels struct {
		route  string
		status int
		socket bool
	}
	operationLabels struct{ kind, field, code string }
	tokenLabels     struct {
		algorithm string
		cached    bool
	}
)

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "usergraph_" + name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histograms := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "usergraph_" + name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "usergraph_" + name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "usergraph_" + name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	requests := counters("http_requests_total", "HTTP requests by route and status.", "route", "status")
	requestDuration := histograms("http_request_duration_seconds", "How long HTTP requests took, without websockets.", durations, "route")
	m.requests = newLabelled(func(l requestLabels) timed {
		metric := timed{count: requests.WithLabelValues(l.route, strconv.Itoa(l.status))}
		if !l.socket {
			metric.duration = requestDuration.WithLabelValues(l.route)
		}
		return metric
	})
	operations := counters("operations_total", "GraphQL operations by kind, root field and code of the first error (OK if none).", "kind", "field", "code")
	operationDuration := histograms("operation_duration_seconds", "How long queries and mutations took.", durations, "kind", "field")
	m.operations = newLabelled(func(l operationLabels) timed {
		metric := timed{count: operations.WithLabelValues(l.kind, l.field, l.code)}
		if l.kind == "query" || l.kind == "mutation" {
			metric.duration = operationDuration.WithLabelValues(l.kind, l.field)
		}
		return metric
	})
	statements := histograms("statement_duration_seconds", "How long round trips to PostgreSQL took, by outcome.", statementDurations, "outcome")
	m.statements = newLabelled(func(outcome string) prometheus.Observer { return statements.WithLabelValues(outcome) })
	tokens := counters("tokens_verified_total", "Tokens accepted, by algorithm, and whether they were known (hit) or verified (miss).", "algorithm", "cache")
	m.tokens = newLabelled(func(l tokenLabels) prometheus.Counter {
		found := "miss"
		if l.cached {
			found = "hit"
		}
		return tokens.WithLabelValues(l.algorithm, found)
	})
	m.refusals = counters("tokens_refused_total", "Callers refused before their request was read, by code.", "code")
	m.fetches = counters("jwks_fetches_total", "Fetches of a key set, by outcome.", "url", "outcome")
	m.limits = counters("limits_hit_total", "Requests refused by a limit.", "limit")
	m.keys = gauges("jwks_keys", "Keys in a key set that can verify tokens.", "url")
	m.keysFetchedAt = gauges("jwks_fetched_timestamp_seconds", "When a key set was last fetched: its age is time() minus this.", "url")
	m.subscriptions = gauge("subscriptions_open", "Running subscriptions.")
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "usergraph_" + name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	m.events = counter("subscription_events_total", "Answers for subscribers, also those that are not sent because they equal the last.")
	m.redisFailures = counter("redis_failures_total", "Times that Redis did not answer and was left in peace for some seconds.")
	m.registry.MustRegister(buildInfo(),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// buildInfo reports the version of the program.
func buildInfo() prometheus.Collector {
	version, goVersion := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version, goVersion = info.Main.Version, info.GoVersion
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "usergraph_build_info", Help: "The version, as labels; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go": goVersion}}, func() float64 { return 1 })
}

// WatchConnections reports the number of open connections. It may be called once.
func (t *Telemetry) WatchConnections(count func() int) {
	t.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "usergraph_connections_open",
		Help: "Open websockets and event streams."}, func() float64 { return float64(count()) }))
}

// WatchSchema reports how much the database lacks of what the API needs. It may be called once.
func (t *Telemetry) WatchSchema(missing func() int) {
	t.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "usergraph_schema_missing",
		Help: "Tables, columns, grants, functions and triggers that the API needs and the database lacks."}, func() float64 { return float64(missing()) }))
}

// WatchPool reports the statistics of the pool of database connections. It may be called once.
func (t *Telemetry) WatchPool(stats func() sql.DBStats) { t.watchPool("pool", stats) }

func (t *Telemetry) watchPool(prefix string, stats func() sql.DBStats) {
	for _, g := range []struct {
		name, help string
		value      func(sql.DBStats) float64
	}{
		{"connections_max", "Connections to PostgreSQL at most.", func(s sql.DBStats) float64 { return float64(s.MaxOpenConnections) }},
		{"connections_open", "Open connections to PostgreSQL.", func(s sql.DBStats) float64 { return float64(s.OpenConnections) }},
		{"connections_in_use", "Connections that run a statement.", func(s sql.DBStats) float64 { return float64(s.InUse) }},
	} {
		t.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "usergraph_" + prefix + "_" + g.name, Help: g.help},
			func() float64 { return g.value(stats()) }))
	}
	for _, c := range []struct {
		name, help string
		value      func(sql.DBStats) float64
	}{
		{"waits_total", "Statements that waited for a connection.", func(s sql.DBStats) float64 { return float64(s.WaitCount) }},
		{"wait_seconds_total", "How long they waited in all.", func(s sql.DBStats) float64 { return s.WaitDuration.Seconds() }},
		{"connections_expired_total", "Connections closed because of their age.", func(s sql.DBStats) float64 { return float64(s.MaxLifetimeClosed) }},
	} {
		t.metrics.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "usergraph_" + prefix + "_" + c.name, Help: c.help},
			func() float64 { return c.value(stats()) }))
	}
}
