package routing

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/host/journal"
)

// Reporter is a policy that owes its children something.
type Reporter interface {
	// Backlogs returns one for each child, in their order; the target is the
	// child's reference. It is cheap and asks no child.
	Backlogs() []journal.Backlog
}

// Repairer is a policy whose copies can be compared and made equal.
type Repairer interface {
	// Repair scans all children side by side and gives each what it lacks. It
	// blocks no operation and undoes no write that goes on meanwhile. What it
	// cannot repair stands in the report and is no error; an error ends the
	// scan, and the report tells how far it came. A scan that was ended, or
	// whose context was, goes on from there the next time.
	Repair(ctx context.Context, opts RepairOptions) (RepairReport, error)
}

// Limits of a repair.
const (
	// DefaultRepairRate is the Rate of [RepairOptions] that name none.
	DefaultRepairRate = 1000
	// MaxRepairFailures is how many failures a report lists; it counts all.
	MaxRepairFailures = 100
)

// RepairOptions modify a repair.
type RepairOptions struct {
	// DryRun compares and changes nothing.
	DryRun bool
	// Restart begins with the first key, not where an interrupted repair ended.
	Restart bool
	// Verify also reads the values and compares their SHA-256.
	Verify bool
	// Rate is how many keys are compared per second at most. 0 means
	// [DefaultRepairRate]; a negative one sets no limit.
	Rate float64
	// Progress is told how far the repair is, from one goroutine and at most a
	// few times a second. It may be nil.
	Progress func(RepairReport)
}

// RepairReport is what a repair found and did.
type RepairReport struct {
	Policy string `json:"policy"`
	DryRun bool   `json:"dry_run"`
	// Resumed: it began where an interrupted one had ended.
	Resumed bool `json:"resumed"`
	// Complete: the scan reached the end, and all children answered.
	Complete bool `json:"complete"`
	// Scanned counts the keys compared, and Differed those whose copies were not
	// equal.
	Scanned  uint64 `json:"scanned"`
	Differed uint64 `json:"differed"`
	// Copied and Deleted count copies that were written and removed, or would
	// have been; Collected the deleted keys of which nothing is left anywhere;
	// Failed the keys that could not be repaired.
	Copied    uint64 `json:"copied"`
	Deleted   uint64 `json:"deleted"`
	Collected uint64 `json:"collected"`
	Failed    uint64 `json:"failed"`
	// Bytes of values that were written.
	Bytes int64 `json:"bytes"`
	// Position is the last key compared.
	Position string        `json:"position,omitempty"`
	Elapsed  time.Duration `json:"elapsed_ns"`
	// Children in the order of the configuration.
	Children []ChildRepair `json:"children"`
	// Failures are the first [MaxRepairFailures].
	Failures []RepairFailure `json:"failures"`
}

// ChildRepair is what a repair found at one child.
type ChildRepair struct {
	// Name is the reference, such as "backend.disk".
	Name string `json:"name"`
	// Missing keys, Stale copies of an older version, Extra keys that were
	// deleted and are back, and Corrupt values that are not what was written.
	Missing uint64 `json:"missing"`
	Stale   uint64 `json:"stale"`
	Extra   uint64 `json:"extra"`
	Corrupt uint64 `json:"corrupt"`
}

// RepairFailure is a key that could not be repaired.
type RepairFailure struct {
	Key   string `json:"key"`
	Child string `json:"child,omitempty"`
	Error string `json:"error"`
}
