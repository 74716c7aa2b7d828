package supabasetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
)

// maxConnections leaves room for a dozen projects' pools and the tests' own.
const maxConnections = 120

// ClusterOptions chooses between speed and durability.
type ClusterOptions struct {
	// Durable keeps fsync and full_page_writes on, as in production. Without them
	// commits survive the death of the cluster's processes, but not that of the
	// machine, and are much quicker.
	Durable bool
}

// Cluster is a PostgreSQL of its own in a temporary directory. It listens on a
// loopback port and on a unix socket, and dies with the process that started it.
// Starting one takes about a second, so a test binary shares one cluster and
// gives each test a [Project].
//
// All methods may be called from several goroutines.
type Cluster struct {
	options  ClusterOptions
	programs programs
	account  account
	dir      string // owned by account; holds data, socket and password
	port     int
	password string
	projects sequence

	mu     sync.Mutex // held over starts and stops
	server *server    // nil while stopped
	closed bool
}

// StartCluster creates a database cluster and waits until it accepts
// connections. ctx bounds that, not the cluster's life. When PostgreSQL is not
// installed the error says where it was searched.
func StartCluster(ctx context.Context, options ClusterOptions) (*Cluster, error) {
	found, err := findPrograms()
	if err != nil {
		return nil, err
	}
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: options, programs: found, account: who, password: rand.Text()}
	if err := c.create(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("create a PostgreSQL cluster: %w", err), c.Close())
	}
	return c, nil
}

// create sets up the directory, finds a port and starts the first server.
func (c *Cluster) create(ctx context.Context) error {
	dir, err := temporaryDirectory()
	if err != nil {
		return err
	}
	c.dir = dir
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(c.password), 0o600); err != nil {
		return err
	}
	for _, path := range []string{passwordFile, dir} {
		if err := c.account.own(path); err != nil {
			return err
		}
	}
	if err := c.initdb(ctx, passwordFile); err != nil {
		return err
	}
	const attempts = 5 // another process may take the port first
	for range attempts {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.Start(ctx); err == nil {
			return c.createRoles(ctx)
		}
		if ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Start starts a cluster that was killed, at the same address, and waits until
// it accepts connections. It does nothing if the cluster runs.
func (c *Cluster) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start(ctx)
}

func (c *Cluster) start(ctx context.Context) error {
	if c.closed {
		return errors.New("the cluster is closed")
	}
	if c.server != nil && c.server.running() {
		return nil
	}
	server, err := startServer(ctx, c.command())
	if err != nil {
		return err
	}
	c.server = server
	return nil
}

// Kill kills all processes of the cluster at once, as the kernel does when
// memory runs out, and returns when the last is gone. [Cluster.Start] then
// recovers from the log of writes.
func (c *Cluster) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		c.server.kill()
		c.server = nil
	}
}

// Restart stops the cluster without a goodbye to its clients and starts it again
// at the same address.
func (c *Cluster) Restart(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop()
	return c.start(ctx)
}

// Close stops the cluster and removes its directory. Projects should be closed
// first.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.stop()
	if c.dir == "" {
		return nil
	}
	return os.RemoveAll(c.dir)
}

func (c *Cluster) stop() {
	if c.server != nil {
		c.server.stop()
		c.server = nil
	}
}

// DSN returns a connection string for a database. The superuser postgres gets
// one for TCP with a password, which any process of the machine can use; other
// users one for the unix socket, where no password is asked but which only the
// user that started the cluster, or root, can reach.
func (c *Cluster) DSN(database, user string) string {
	dsn := url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + database}
	if user == superuser {
		dsn.User = url.UserPassword(user, c.password)
		dsn.Host = "127.0.0.1:" + strconv.Itoa(c.port)
		dsn.RawQuery = "sslmode=disable"
		return dsn.String()
	}
	dsn.RawQuery = url.Values{"host": {c.dir}, "port": {strconv.Itoa(c.port)}}.Encode()
	return dsn.String()
}

// execute runs statements as the superuser, each in a transaction of its own.
func (c *Cluster) execute(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, c.DSN(database, superuser))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// sequence hands out 1, 2, 3, …
type sequence struct {
	mu   sync.Mutex
	last int
}

func (s *sequence) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return s.last
}
