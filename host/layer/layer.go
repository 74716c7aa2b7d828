package layer

import (
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Layer adds something to a Store. The Store it returns passes Close on.
type Layer func(storage.Store) storage.Store

// Chain makes one Layer of several, the first outermost.
func Chain(layers ...Layer) Layer {
	return func(s storage.Store) storage.Store {
		for i := len(layers) - 1; i >= 0; i-- {
			s = layers[i](s)
		}
		return s
	}
}

// StackOptions say what a [Stack] is made of. Only Backend is needed.
type StackOptions struct {
	// Backend and Plugin are the names in errors and events.
	Backend, Plugin string
	// Listener is told of operations, retries and the breaker.
	Listener event.Listener
	// Budget is shared by all stacks of a host; nil gives this one its own.
	Budget *Budget
	// Breaker is one made before, so that its state can be asked for; nil
	// makes one with the default options.
	Breaker     *Breaker
	Timeout     TimeoutOptions
	Retry       RetryOptions
	Concurrency ConcurrencyOptions
}

// Stack returns all layers of a backend in the order the package comment
// gives. Names, Listener and Budget are those of o; the ones in o.Retry and
// o.Concurrency are ignored.
func Stack(o StackOptions) Layer {
	if o.Breaker == nil {
		o.Breaker = NewBreaker(BreakerOptions{Backend: o.Backend, Listener: o.Listener})
	}
	o.Retry.Backend, o.Retry.Listener, o.Retry.Budget = o.Backend, o.Listener, o.Budget
	return Chain(
		Named(o.Backend, o.Plugin),
		Measure(o.Backend, o.Plugin, o.Listener),
		Retry(o.Retry),
		Concurrency(o.Concurrency),
		o.Breaker.Layer(),
		Timeout(o.Timeout),
	)
}
