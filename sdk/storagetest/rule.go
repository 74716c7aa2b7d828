package storagetest

import (
	"context"
	"slices"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// rule is one case of the kit: a sentence of the contract and its check.
type rule struct {
	group string
	// name says what a conforming backend does.
	name string
	// needs are the capabilities without which the case is skipped.
	needs []capability
	// undeclared, when not empty, runs the case only on backends that do not
	// declare the capability.
	undeclared capability
	check      func(ctx context.Context, p *probe)
}

func (r rule) fullName() string { return r.group + "/" + r.name }

// capability names what a case needs of the backend or of the run.
type capability string

const (
	conditionalPut    capability = "ConditionalPut"
	conditionalDelete capability = "ConditionalDelete"
	ttl               capability = "TTL"
	batches           capability = "Batch"
	atomicBatch       capability = "AtomicBatch"
	watching          capability = "Watch"
	transactions      capability = "Transactions"
	healthCheck       capability = "HealthCheck"
	durable           capability = "Durable"
	maxValueSize      capability = "MaxValueSize"
	eventual          capability = "Consistency(eventual)"
	readYourWrites    capability = "Consistency(read-your-writes)"
	causal            capability = "Consistency(causal)"
	strong            capability = "Consistency(strong)"

	reopening capability = "Options.Reopen"
	alone     capability = "Options.Alone"
	closing   capability = "closing (Options.KeepOpen is set)"
)

func (c capability) of(caps storage.Capabilities, opts Options) bool {
	switch c {
	case conditionalPut:
		return caps.ConditionalPut
	case conditionalDelete:
		return caps.ConditionalDelete
	case ttl:
		return caps.TTL
	case batches:
		return caps.Batch
	case atomicBatch:
		return caps.AtomicBatch
	case watching:
		return caps.Watch
	case transactions:
		return caps.Transactions
	case healthCheck:
		return caps.HealthCheck
	case durable:
		return caps.Durable
	case maxValueSize:
		return caps.MaxValueSize > 0
	case eventual:
		return caps.Consistency.Has(storage.ConsistencyEventual)
	case readYourWrites:
		return caps.Consistency.Has(storage.ConsistencyReadYourWrites)
	case causal:
		return caps.Consistency.Has(storage.ConsistencyCausal)
	case strong:
		return caps.Consistency.Has(storage.ConsistencyStrong)
	case reopening:
		return opts.Reopen != nil
	case alone:
		return opts.Alone
	case closing:
		return !opts.KeepOpen
	default:
		return false
	}
}

// skipReason returns why the case is not run, or "".
func (r rule) skipReason(caps storage.Capabilities, opts Options) string {
	if reason, ok := opts.Skip[r.fullName()]; ok {
		return "left out: " + reason
	}
	if reason, ok := opts.Skip[r.group]; ok {
		return "left out: " + reason
	}
	for _, need := range r.needs {
		if !need.of(caps, opts) {
			return "without " + string(need)
		}
	}
	if r.undeclared != "" && r.undeclared.of(caps, opts) {
		return "declares " + string(r.undeclared)
	}
	return ""
}

// allRules returns every case. Those that close the backend come last.
func allRules() []rule {
	return slices.Concat(
		keyRules(), keyRefusalRules(),
		getRules(), rangeRules(), readerRules(), statRules(),
		putRules(), bodyRules(), metadataRules(), sizeRules(),
		putConditionRules(), deleteConditionRules(), raceRules(),
		deleteRules(),
		ttlRules(),
		listRules(), delimiterRules(), pageRules(),
		batchRules(), atomicBatchRules(),
		transactionRules(),
		copyRules(),
		watchRules(),
		consistencyRules(), undeclaredRules(),
		errorRules(), cancelRules(),
		healthRules(), loadRules(),
		durabilityRules(),
		closeRules(),
	)
}
