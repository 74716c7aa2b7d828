package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/host/trust"
	"github.com/p2p-ai-agents/stowage/internal/wire"
)

// killWait is how long the kernel gets to end a process after SIGKILL. Only a process in uninterruptible sleep, say on a
// dead network file system, takes longer.
const killWait = 2 * time.Second

// Spec says which binary to run and with what. It is not modified.
type Spec struct {
	// Name is how logs, errors and Status call the process.
	Name string

	// Path is the plugin's binary. Digest is what its bytes were when they were judged; a file that no longer matches
	// is not launched, unless the store still holds a copy that does. A zero Digest takes what is there.
	Path   string
	Digest trust.Digest

	// Args are given to the plugin after its name.
	Args []string

	// PassEnv names the variables of the host that the plugin may see. Env sets variables and wins over PassEnv. The
	// plugin sees nothing else but PATH, HOME and TMPDIR, which have safe defaults, and what the handshake needs.
	PassEnv []string
	Env     map[string]string
}

// Options say how processes are supervised. Store and RunDir are required; the zero value of everything else is the
// default named with it.
type Options struct {
	// Store keeps the copies that are launched, judged by Trust.
	Store *trust.Store
	Trust trust.Policy

	// RunDir is where sockets live. It must be closed after the last Process has stopped.
	RunDir *RunDir

	// Logger receives the plugin's own log lines and what the supervisor has to say. Default: nothing is logged. It must
	// not block for long: while it does, the plugin's output waits.
	Logger hclog.Logger

	// OnUp is called when a new process has shaken hands, before it counts as ready: the place to open its backends. An
	// error is a failed launch. ctx ends after OpenTimeout (default 30 s), when the process ends, and when it is stopped.
	OnUp func(ctx context.Context, client *wire.Client, generation uint64) error

	// OnDown is called once for every OnUp that succeeded, when that process no longer serves, before it is killed and
	// before its successor is launched. It must not block on calls to the process.
	OnDown func(generation uint64, reason string)

	// Events is told of every change of state through its Process function, from one goroutine at a time.
	Events event.Listener

	// AutoMTLS authenticates the connection with certificates, for about 40 ms at each start, instead of by the socket's
	// directory and the peer's process id.
	AutoMTLS bool

	StartTimeout time.Duration // from launch to the answer to Describe; default 15 s
	OpenTimeout  time.Duration // for OnUp; default 30 s

	HealthInterval time.Duration // between two health calls; default 5 s
	HealthTimeout  time.Duration // for one health call; default 3 s
	HealthMisses   int           // failed health calls in a row until the process is killed; default 3

	BackoffMin   time.Duration // before the first restart, then doubling; default 100 ms
	BackoffMax   time.Duration // default 30 s
	HealthyAfter time.Duration // ready for that long, the process's past is forgotten; default 30 s
	CrashLimit   int           // failures within CrashWindow that quarantine the plugin; default 5
	CrashWindow  time.Duration // default 60 s
	Cooldown     time.Duration // of the quarantine, after which one attempt is made; default 60 s

	// ShutdownTimeout is what the plugin gets to close its backends when it is asked to stop; default 5 s. ExitTimeout is
	// what it then gets to exit when its server is stopped, and again after SIGTERM; default 1 s. So Stop takes at most
	// ShutdownTimeout + 2 ExitTimeout + 2 s (for SIGKILL) + 0.5 s (for its last output), by default 9.5 s.
	ShutdownTimeout time.Duration
	ExitTimeout     time.Duration
}

func (o Options) withDefaults() Options {
	o.Events = o.Events.WithDefaults()
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	for _, d := range []struct {
		value *time.Duration
		unset time.Duration
	}{
		{&o.StartTimeout, 15 * time.Second},
		{&o.OpenTimeout, 30 * time.Second},
		{&o.HealthInterval, 5 * time.Second},
		{&o.HealthTimeout, 3 * time.Second},
		{&o.BackoffMin, 100 * time.Millisecond},
		{&o.BackoffMax, 30 * time.Second},
		{&o.HealthyAfter, 30 * time.Second},
		{&o.CrashWindow, time.Minute},
		{&o.Cooldown, time.Minute},
		{&o.ShutdownTimeout, 5 * time.Second},
		{&o.ExitTimeout, time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.unset
		}
	}
	if o.HealthMisses <= 0 {
		o.HealthMisses = 3
	}
	if o.CrashLimit <= 0 {
		o.CrashLimit = 5
	}
	o.BackoffMax = max(o.BackoffMax, o.BackoffMin)
	return o
}

// check finds what no launch could succeed with.
func check(spec Spec, opts Options) error {
	switch {
	case opts.Store == nil:
		return errors.New("supervisor: Options.Store is required")
	case opts.RunDir == nil:
		return errors.New("supervisor: Options.RunDir is required")
	case spec.Path == "":
		return fmt.Errorf("plugin %s: no path", spec.Name)
	}
	if err := checkEnvironment(spec.PassEnv, spec.Env); err != nil {
		return fmt.Errorf("plugin %s: %w", spec.Name, err)
	}
	return nil
}
