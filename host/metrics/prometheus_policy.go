package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/p2p-ai-agents/stowage/host/event"
)

// policyDescs describe what the page says of policies.
type policyDescs struct {
	hits, misses, failovers, events *prometheus.Desc
	entries, bytes, age, dirty      *prometheus.Desc
}

func (d policyDescs) describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{d.hits, d.misses, d.failovers, d.events, d.entries, d.bytes, d.age, d.dirty} {
		descs <- desc
	}
}

// collect reads counters, and asks for the backlogs. An event that did not occur
// is left out.
func (d policyDescs) collect(r *Recorder, out chan<- prometheus.Metric) {
	counter := func(desc *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
	}
	r.policies.entries.Range(func(key, value any) bool {
		name, p := key.(string), value.(*policy)
		if hits, misses := p.hits.Load(), p.misses.Load(); hits+misses > 0 {
			counter(d.hits, hits, name)
			counter(d.misses, misses, name)
		}
		counter(d.failovers, p.failovers.Load(), name)
		for e := range event.NumPolicyEvents {
			if n := p.events[e].Load(); n > 0 {
				counter(d.events, n, name, e.String())
			}
		}
		return true
	})
	for name, backlogs := range r.currentBacklogs() {
		for _, b := range backlogs {
			gauge := func(desc *prometheus.Desc, value float64) {
				out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, name, b.Target)
			}
			gauge(d.entries, float64(b.Entries))
			gauge(d.bytes, float64(b.Bytes))
			gauge(d.age, b.age().Seconds())
			dirty := 0.0
			if b.Dirty {
				dirty = 1
			}
			gauge(d.dirty, dirty)
		}
	}
}
