package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Handler serves r, and the figures of the Go runtime and the process, as a
// Prometheus page. It has a registry of its own and leaves the global one
// alone.
func (r *Recorder) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(r.Collector(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Collector returns r for a registry of the embedder's.
func (r *Recorder) Collector() prometheus.Collector {
	perBackend := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("stowage_"+name, help, append([]string{"backend"}, labels...), nil)
	}
	perPolicy := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("stowage_"+name, help, append([]string{"policy"}, labels...), nil)
	}
	return &collector{
		recorder:   r,
		operations: perBackend("operations_total", "Operations that ended, by code; OK for those without error.", "operation", "code"),
		duration:   perBackend("operation_duration_seconds", "Time from the call to the end of the operation or its stream.", "operation"),
		read:       perBackend("read_bytes_total", "Bytes of values read.", "operation"),
		written:    perBackend("written_bytes_total", "Bytes of values written.", "operation"),
		retries:    perBackend("retries_total", "Attempts after the first."),
		refused:    perBackend("retries_refused_total", "Retries the budget did not allow."),
		failovers:  perBackend("failovers_total", "Times a policy went past this backend."),
		breaker:    perBackend("breaker_state", "0 closed, 1 open, 2 half-open."),
		trips:      perBackend("breaker_trips_total", "Times the circuit breaker opened."),
		policies: policyDescs{
			hits:      perPolicy("cache_hits_total", "Looks into the cache that found the object."),
			misses:    perPolicy("cache_misses_total", "Looks into the cache that did not."),
			failovers: perPolicy("policy_failovers_total", "Times the policy went on to its next child."),
			events:    perPolicy("policy_events_total", "What the policy did besides its operations.", "event"),
			entries:   perPolicy("policy_backlog_entries", "Writes that the policy owes the child.", "child"),
			bytes:     perPolicy("policy_backlog_bytes", "Size of the account of these writes.", "child"),
			age:       perPolicy("policy_backlog_age_seconds", "Age of the oldest of these writes.", "child"),
			dirty:     perPolicy("policy_child_dirty", "1 if the account was given up: the child must be repaired.", "child"),
		},
	}
}

type collector struct {
	recorder                            *Recorder
	operations, duration, read, written *prometheus.Desc
	retries, refused, failovers         *prometheus.Desc
	breaker, trips                      *prometheus.Desc
	policies                            policyDescs
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.operations, c.duration, c.read, c.written, c.retries, c.refused, c.failovers, c.breaker, c.trips,
	} {
		descs <- d
	}
	c.policies.describe(descs)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	c.recorder.backends.entries.Range(func(key, value any) bool {
		name, b := key.(string), value.(*backend)
		for op := range event.NumOps {
			if counted := b.ops[op].Load(); counted != nil {
				c.collectOperation(out, name, op.String(), counted)
			}
		}
		counter(c.retries, b.retries.Load(), name)
		counter(c.refused, b.budgetSpent.Load(), name)
		counter(c.failovers, b.failovers.Load(), name)
		counter(c.trips, b.breakerTrips.Load(), name)
		out <- prometheus.MustNewConstMetric(c.breaker, prometheus.GaugeValue, float64(b.breakerState.Load()), name)
		return true
	})
	c.policies.collect(c.recorder, out)
}

func (c *collector) collectOperation(out chan<- prometheus.Metric, backend, op string, counted *operation) {
	var t tally
	t.add(counted)
	counter := func(d *prometheus.Desc, n float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n, append([]string{backend, op}, labels...)...)
	}
	counter(c.operations, float64(t.ok), "OK")
	for code, n := range t.errors {
		if n > 0 {
			counter(c.operations, float64(n), storage.Code(code).String())
		}
	}
	counter(c.read, float64(t.bytesRead))
	counter(c.written, float64(t.bytesWritten))
	out <- prometheus.MustNewConstHistogram(c.duration, t.latency.total, t.latency.sum.Seconds(), t.latency.cumulative(), backend, op)
}

// cumulative gives one bucket for each second power of two between 16 µs and
// 69 s.
func (c *counts) cumulative() map[float64]uint64 {
	const first, last, step = 14, 36, 2
	out := map[float64]uint64{}
	seen, next := uint64(0), first
	for i, n := range c.buckets {
		seen += n
		if next <= last && upperBound(i) == 1<<next {
			out[time.Duration(1<<next).Seconds()] = seen
			next += step
		}
	}
	return out
}
