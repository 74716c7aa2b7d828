package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/p2p-ai-agents/stowage/internal/wire"
)

// session is one process from its launch to its end. A plugin that is started again gets a new one, with a new
// plugin.Client: go-plugin's cannot be used twice.
type session struct {
	opts   Options
	logger hclog.Logger
	runner *processRunner
	plugin *plugin.Client
	client *wire.Client     // over conn
	conn   *grpc.ClientConn // go-plugin's; carries the data
	// control is a connection of our own for the calls that decide over the process. On conn they would wait behind the
	// data when a slow backend holds every stream the plugin allows.
	control *grpc.ClientConn
}

// launch starts the process and returns once it has answered Describe. When it fails nothing is left of the process.
// The error is a *failure.
func launch(ctx context.Context, spec Spec, opts Options, generation uint64) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, opts.StartTimeout, fmt.Errorf("not ready within %v", opts.StartTimeout))
	defer cancel()
	path, digest, err := opts.Store.Prepare(ctx, opts.Trust, spec.Path, spec.Digest)
	if err != nil {
		return nil, untrusted(err)
	}
	dir, err := opts.RunDir.childDir()
	if err != nil {
		return nil, &failure{reason: err.Error(), err: err}
	}
	logger := opts.Logger.Named(spec.Name)
	s := &session{opts: opts, logger: logger, runner: newRunner(path, dir, spec, opts, logger)}
	config := s.clientConfig()
	s.plugin = plugin.NewClient(config)

	// go-plugin takes no context. What it waits for is the process, so ending the process ends the wait.
	release := context.AfterFunc(ctx, func() { s.runner.signal(syscall.SIGKILL) })
	err = s.connect(ctx, config)
	if !release() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		s.destroy()
		return nil, explainLaunch(s.runner, err)
	}
	logger.Info("plugin started", "pid", s.runner.pid(), "generation", generation, "sha256", digest.String())
	return s, nil
}

func newRunner(path, dir string, spec Spec, opts Options, logger hclog.Logger) *processRunner {
	return &processRunner{
		path: path, dir: dir, tcp: opts.AutoMTLS,
		args:      append([]string{spec.Path}, spec.Args...),
		env:       environment(dir, spec.PassEnv, spec.Env),
		log:       &pluginLog{logger: logger},
		handshake: newHandshake(),
		output:    make(chan struct{}),
		conns:     make(map[*keptConn]struct{}),
	}
}

func (s *session) clientConfig() *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.ClientPlugins(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  s.dialOptions(),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			s.runner.env = append(s.runner.env, cmd.Env...) // the last value of a name counts
			return s.runner, nil
		},
		SkipHostEnv:      true,
		AutoMTLS:         s.opts.AutoMTLS,
		StartTimeout:     s.opts.StartTimeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: s.runner.dir},
		Logger:           demoted{s.logger.Named("go-plugin")},
		// What a Go plugin prints after the handshake comes over the connection.
		SyncStdout: &lineWriter{emit: s.runner.log.stdout},
		SyncStderr: &lineWriter{emit: s.runner.log.stderr},
	}
}

func (s *session) dialOptions() []grpc.DialOption {
	return append(wire.DialOptions(), grpc.WithContextDialer(s.runner.dial))
}

// connect runs the handshake and asks the plugin who it is.
func (s *session) connect(ctx context.Context, config *plugin.ClientConfig) error {
	protocol, err := s.plugin.Client() // starts the process
	if err != nil {
		return err
	}
	dispensed, err := protocol.Dispense(wire.PluginKey)
	if err != nil {
		return err
	}
	client, isClient := dispensed.(*wire.Client)
	theirs, isGRPC := protocol.(*plugin.GRPCClient)
	if !isClient || !isGRPC {
		return fmt.Errorf("go-plugin gave a %T over a %T", dispensed, protocol)
	}
	s.client, s.conn = client, theirs.Conn

	credentials := insecure.NewCredentials()
	if config.TLSConfig != nil { // of AutoMTLS, complete since the handshake
		credentials = grpccredentials.NewTLS(config.TLSConfig)
	}
	s.control, err = grpc.NewClient("passthrough:///plugin", append(s.dialOptions(), grpc.WithTransportCredentials(credentials))...)
	if err != nil {
		return err
	}
	if _, err := client.Describe(ctx); err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	return s.alive(ctx)
}

// alive asks the process whether it serves. The question is go-plugin's, which does not depend on the backends: one that
// cannot reach its cloud is no reason to kill the process.
func (s *session) alive(ctx context.Context) error {
	answer, err := grpc_health_v1.NewHealthClient(s.control).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("health: the plugin says %v", answer.GetStatus())
	}
	return nil
}

// ended is closed when the process is reaped and its last words are read.
func (s *session) ended() <-chan struct{} { return s.runner.output }

// stop ends the process as gently as it lets us: our own Shutdown, which closes the backends; go-plugin's, which ends the
// server; SIGTERM and the closed death pipe; SIGKILL. Each step has its time. When ctx ends, the rest is skipped and the
// process killed.
func (s *session) stop(ctx context.Context) {
	defer s.destroy()
	shutdown, cancel := context.WithTimeout(ctx, s.opts.ShutdownTimeout)
	err := wire.NewClient(s.control).Shutdown(shutdown, s.opts.ShutdownTimeout)
	cancel()
	if ctx.Err() != nil || s.hasEnded() {
		return
	}
	if err != nil {
		s.logger.Warn("plugin did not close its backends", "error", err)
	}
	theirs := make(chan struct{})
	go func() {
		defer close(theirs)
		s.plugin.Kill() // ends when the process does, which is seen to below
	}()
	if !s.awaitEnd(ctx, s.opts.ExitTimeout) {
		s.runner.signal(syscall.SIGTERM)
		s.runner.closeStdin()
		if !s.awaitEnd(ctx, s.opts.ExitTimeout) {
			s.logger.Warn("plugin is killed: it does not end by itself", "pid", s.runner.pid())
			s.runner.signal(syscall.SIGKILL)
		}
	}
	<-theirs
}

func (s *session) hasEnded() bool {
	select {
	case <-s.ended():
		return true
	default:
		return false
	}
}

func (s *session) awaitEnd(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.ended():
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// destroy kills what is left of the process group, waits until the process is reaped, and then releases everything that
// belonged to it: go-plugin's goroutines, the connection, pipes, sockets, the directory.
func (s *session) destroy() {
	s.runner.signal(syscall.SIGKILL)
	if s.runner.running() != nil {
		<-s.ended()
	}
	if s.control != nil {
		_ = s.control.Close()
	}
	s.plugin.Kill() // with the process dead this waits for nothing but go-plugin's goroutines
	if err := os.RemoveAll(s.runner.dir); err != nil {
		s.logger.Warn("directory of a plugin cannot be removed", "error", err)
	}
}

// disconnected returns a channel that is closed when the connection breaks, or ctx ends. A unix socket breaks only when
// one of its ends closes it.
func (s *session) disconnected(ctx context.Context) <-chan struct{} {
	lost := make(chan struct{})
	go func() {
		defer close(lost)
		for s.conn.GetState() == connectivity.Ready && s.conn.WaitForStateChange(ctx, connectivity.Ready) {
		}
	}()
	return lost
}

var errStopped = errors.New("stopped")
