package supervisor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-plugin"
	"github.com/p2p-ai-agents/stowage/host/trust"
	"github.com/p2p-ai-agents/stowage/internal/wire"
)

// verdict is what a failure means for the next attempt.
type verdict int

const (
	retry      verdict = iota // start it again after a backoff
	quarantine                // nothing changes by itself soon: look again after the cool-down
	hopeless                  // these bytes will never work
)

// failure is why a process could not be started or went down.
type failure struct {
	reason  string
	verdict verdict
	output  []string // the plugin's last words
	err     error    // the cause; may be nil
}

func (f *failure) Error() string { return f.reason }
func (f *failure) Unwrap() error { return f.err }

// untrusted explains a binary that was not launched at all. A file that is being copied is worth another look soon.
func untrusted(err error) *failure {
	f := &failure{reason: err.Error(), verdict: retry, err: err}
	var judged *trust.Error
	if errors.As(err, &judged) {
		switch judged.Reason {
		case trust.Busy, trust.Changed, trust.NotCopied:
		default:
			f.verdict = quarantine
		}
	}
	return f
}

// notAPlugin is what go-plugin's server prints when the magic cookie is not the one it was built with.
const notAPlugin = "This binary is a plugin. These are not meant to be executed directly"

// explainLaunch turns what went wrong between exec and the first answer into a reason an operator understands. r has
// ended.
func explainLaunch(r *processRunner, err error) *failure {
	f := &failure{verdict: retry, output: r.log.lastWords(), err: err}
	ended := "did not start"
	if c := r.running(); c != nil {
		ended = exitText(c.exit)
	}
	core, version, protocol, shaken := r.handshake.offered()
	switch {
	case r.running() == nil:
		f.reason = err.Error()
	case !shaken && r.log.wrote(notAPlugin):
		f.reason, f.verdict = "not a Stowage plugin: it is a plugin for another program (the magic cookie differs)", hopeless
	case !shaken && r.wasKilled():
		f.reason = "no handshake: " + err.Error()
	case !shaken:
		f.reason = ended + " before the handshake; is it a Stowage plugin?"
	case core != plugin.CoreProtocolVersion:
		f.reason = fmt.Sprintf("speaks version %d of go-plugin's core protocol, this host speaks %d; rebuild the plugin",
			core, plugin.CoreProtocolVersion)
		f.verdict = hopeless
	case version != wire.ProtocolVersion:
		newer, older := "host", "plugin"
		if version < wire.ProtocolVersion {
			newer, older = older, newer
		}
		f.reason = fmt.Sprintf("speaks version %d of the Stowage plugin protocol, this host speaks %d; upgrade the %s or use an older %s",
			version, wire.ProtocolVersion, newer, older)
		f.verdict = hopeless
	case protocol != string(plugin.ProtocolGRPC):
		f.reason, f.verdict = "speaks net/rpc, but a Stowage plugin speaks gRPC", hopeless
	case !r.wasKilled():
		f.reason = ended + " after the handshake"
	default:
		f.reason = err.Error()
	}
	if last := r.log.summary(); last != "" && f.verdict != hopeless && !strings.Contains(f.reason, last) {
		f.reason += "; its last words: " + last
	}
	return f
}

// explainExit says how a process that was serving ended.
func explainExit(r *processRunner) *failure {
	f := &failure{reason: exitText(r.running().exit), output: r.log.lastWords()}
	if last := r.log.summary(); last != "" {
		f.reason += "; its last words: " + last
	}
	return f
}
