package supabasetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// superuser is the owner of every cluster and database.
const superuser = "postgres"

// programs are the paths of the two executables that a cluster needs.
type programs struct{ initdb, postgres string }

// findPrograms looks into PATH and then where Debian keeps PostgreSQL, the
// newest version first. postgres is taken from beside initdb, since they must
// have the same version.
func findPrograms() (programs, error) {
	const debian = "/usr/lib/postgresql/*/bin/initdb"
	var candidates []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			candidates = append(candidates, path)
		}
	}
	installed, err := filepath.Glob(debian)
	if err != nil {
		return programs{}, err
	}
	slices.SortFunc(installed, func(a, b string) int { return version(b) - version(a) })
	for _, initdb := range append(candidates, installed...) {
		postgres := filepath.Join(filepath.Dir(initdb), "postgres")
		if _, err := os.Stat(postgres); err == nil {
			return programs{initdb: initdb, postgres: postgres}, nil
		}
	}
	return programs{}, fmt.Errorf("no initdb with a postgres beside it in PATH or %s: install Debian's postgresql", debian)
}

// version reads the number in /usr/lib/postgresql/15/bin/initdb.
func version(initdb string) int {
	number, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	if err != nil {
		return 0
	}
	return number
}

// account is the user that PostgreSQL runs as; nil credentials are our own.
type account struct{ credential *syscall.Credential }

// serverAccount is another user if we are root, since PostgreSQL refuses root.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	var failures []error
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return account{}, err
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root: %w", errors.Join(failures...))
}

// own gives a file to the account.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// temporaryDirectory is short enough for a unix socket, whose path has 107
// bytes.
func temporaryDirectory() (string, error) {
	const room = 60
	parent := os.TempDir()
	if len(parent) > room {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "supabasetest-")
}

// freePort is below the range from which the kernel picks ports for outgoing
// connections, so that a restart finds its port unused.
func freePort() (int, error) {
	const first, count, attempts = 20000, 12000, 100
	var err error
	for range attempts {
		port := first + rand.IntN(count)
		var listener net.Listener
		listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}

// environment is what PostgreSQL gets: messages in English, since they are
// matched, and no settings of whoever runs the tests.
func environment() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
}

func (c *Cluster) initdb(ctx context.Context, passwordFile string) error {
	command := exec.CommandContext(
		ctx, c.programs.initdb,
		"--pgdata", filepath.Join(c.dir, "data"), "--username", superuser, "--pwfile", passwordFile,
		"--encoding", "UTF8", "--locale", "C", "--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync",
	)
	command.Dir, command.Env = c.dir, environment()
	command.SysProcAttr = &syscall.SysProcAttr{Credential: c.account.credential, Setpgid: true}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

// command is the postmaster's.
func (c *Cluster) command() *exec.Cmd {
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(c.port),
		"unix_socket_directories=" + c.dir,
		"max_connections=" + strconv.Itoa(maxConnections),
		"shared_buffers=32MB",
		"log_min_messages=warning",
		"log_statement=none",
		"logging_collector=off",
	}
	if !c.options.Durable {
		// synchronous_commit stays on: without it a commit waits in the memory of
		// processes, and dies with them.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	arguments := []string{"-D", filepath.Join(c.dir, "data")}
	for _, setting := range settings {
		arguments = append(arguments, "-c", setting)
	}
	command := exec.Command(c.programs.postgres, arguments...)
	command.Dir, command.Env = c.dir, environment()
	command.SysProcAttr = &syscall.SysProcAttr{
		Credential: c.account.credential,
		Setpgid:    true,
		Pdeathsig:  syscall.SIGKILL,
	}
	return command
}
