package supabasetest

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// maxCounters bounds how many different requests are told apart.
const maxCounters = 4096

// otherRequests counts those beyond maxCounters.
const otherRequests = "other"

// requests counts by method and path.
type requests struct {
	mu    sync.Mutex
	count map[string]int
}

func (q *requests) add(r *http.Request) {
	name := r.Method + " " + r.URL.Path
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == nil {
		q.count = map[string]int{}
	}
	if _, known := q.count[name]; !known && len(q.count) >= maxCounters {
		name = otherRequests
	}
	q.count[name]++
}

// Requests counts the requests since the start or the last reset, by method and
// path as in "POST /rest/v1/rpc/kv_put". Those that a fault swallowed count too.
// At most 4096 paths are told apart; the rest are counted as "other".
func (p *Project) Requests() map[string]int {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	return maps.Clone(p.requests.count)
}

// Count adds up the requests that match, in the language of [Fault.Match].
func (p *Project) Count(match string) int {
	pattern := parsePattern(match)
	total := 0
	for name, count := range p.Requests() {
		method, path, _ := strings.Cut(name, " ")
		if pattern.matches(method, path) {
			total += count
		}
	}
	return total
}

// ResetRequests starts all counters from zero.
func (p *Project) ResetRequests() {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	p.requests.count = nil
}
