package wire

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc"
)

func TestOnlyTheParentIsServed(t *testing.T) {
	self := &peerCredentials{pid: os.Getpid(), uid: os.Getuid()}
	for _, test := range []struct {
		name          string
		creds         *peerCredentials
		mine, foreign bool
	}{
		{"the process itself is the host", self, true, false},
		{"another process is the host", &peerCredentials{pid: os.Getppid(), uid: os.Getuid()}, false, false},
		{"another user is the host", &peerCredentials{pid: os.Getpid(), uid: os.Getuid() + 1}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := grpc.NewServer(append(ServerOptions(), grpc.Creds(test.creds))...)
			NewServer(&fakePlugin{}, slog.New(slog.DiscardHandler)).Register(g)
			socket := listen(t, g)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := NewClient(dial(t, socket)).Describe(ctx)
			if (err == nil) != test.mine {
				t.Errorf("this process got %v", err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), foreignerEnv+"="+socket)
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); (got == 0) != test.foreign || got != 3 {
				t.Errorf("a foreign process exited with %d, want 3 (refused)", got)
			}
		})
	}
}
