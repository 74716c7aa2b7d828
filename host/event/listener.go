package event

// Listener is told what happens in the host. A nil function is not called, so
// the zero Listener is valid.
//
// The functions are called on the goroutine where the thing happens, often in
// the middle of a request and from many goroutines at once. They must return
// promptly, must not block, must not panic and must not call back into the
// host. Infos are plain values; what they point to must not be changed.
type Listener struct {
	// Operation is called once for every operation that reached a backend,
	// after it ended; that of a Get or Watch ends when its stream does. This is
	// the hot path: the call must not allocate.
	Operation func(OperationInfo)
	// Cache is called for every look into a cache.
	Cache func(CacheInfo)
	// Retry is called before an operation is tried again, and when it is not
	// because the budget is spent.
	Retry func(RetryInfo)
	// BreakerChanged is called when a circuit breaker changes its state.
	BreakerChanged func(BreakerInfo)
	// Failover is called when a policy asks the next child after one failed.
	Failover func(FailoverInfo)
	// Policy is called when a policy did something that no operation shows. Like
	// Operation it may be called often and must not allocate.
	Policy func(PolicyInfo)
	// Process is called when a plugin process changes its state.
	Process func(ProcessInfo)
	// Backend is called when a backend begins or ceases to serve.
	Backend func(BackendInfo)
	// Drain is called when the last lease of a retired generation was returned,
	// or when its time ran out.
	Drain func(DrainInfo)
	// ConfigLoaded is called after every attempt to load a configuration.
	ConfigLoaded func(ConfigInfo)
}

// WithDefaults returns l with functions that do nothing in the place of nil
// ones. Emitters call it once and then need not ask.
func (l Listener) WithDefaults() Listener {
	setDefault(&l.Operation)
	setDefault(&l.Cache)
	setDefault(&l.Retry)
	setDefault(&l.BreakerChanged)
	setDefault(&l.Failover)
	setDefault(&l.Policy)
	setDefault(&l.Process)
	setDefault(&l.Backend)
	setDefault(&l.Drain)
	setDefault(&l.ConfigLoaded)
	return l
}

func setDefault[T any](f *func(T)) {
	if *f == nil {
		*f = func(T) {}
	}
}

// Combine returns a Listener that tells all of listeners, in their order.
func Combine(listeners ...Listener) Listener {
	return Listener{
		Operation:      combine(listeners, func(l Listener) func(OperationInfo) { return l.Operation }),
		Cache:          combine(listeners, func(l Listener) func(CacheInfo) { return l.Cache }),
		Retry:          combine(listeners, func(l Listener) func(RetryInfo) { return l.Retry }),
		BreakerChanged: combine(listeners, func(l Listener) func(BreakerInfo) { return l.BreakerChanged }),
		Failover:       combine(listeners, func(l Listener) func(FailoverInfo) { return l.Failover }),
		Policy:         combine(listeners, func(l Listener) func(PolicyInfo) { return l.Policy }),
		Process:        combine(listeners, func(l Listener) func(ProcessInfo) { return l.Process }),
		Backend:        combine(listeners, func(l Listener) func(BackendInfo) { return l.Backend }),
		Drain:          combine(listeners, func(l Listener) func(DrainInfo) { return l.Drain }),
		ConfigLoaded:   combine(listeners, func(l Listener) func(ConfigInfo) { return l.ConfigLoaded }),
	}
}

// combine returns nil if nobody listens, and the function itself if only one
// does.
func combine[T any](listeners []Listener, pick func(Listener) func(T)) func(T) {
	var all []func(T)
	for _, l := range listeners {
		if f := pick(l); f != nil {
			all = append(all, f)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(info T) {
		for _, f := range all {
			f(info)
		}
	}
}
