package supabasetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ProjectOptions has Supabase's defaults as its zero value.
type ProjectOptions struct {
	// TLS serves HTTPS with HTTP/2; clients trust [Project.CAPEM].
	TLS bool

	// PoolSize is how many requests may be in the database at once, 10 if zero.
	PoolSize int

	// AcquireTimeout is how long a request waits for one of those places before
	// it is answered with PGRST003, 10 seconds if zero.
	AcquireTimeout time.Duration

	// MaxRows bounds the rows of one answer, 1000 if zero.
	MaxRows int

	// Timeouts bound statements by role.
	Timeouts StatementTimeouts

	// FileSizeLimit bounds one object in bytes, 50 MiB if zero.
	FileSizeLimit int64

	// Resumable is about uploads through /storage/v1/upload/resumable.
	Resumable ResumableOptions
}

// withDefaults fills what was left zero.
func (o ProjectOptions) withDefaults() ProjectOptions {
	o.PoolSize = cmp.Or(o.PoolSize, 10)
	o.AcquireTimeout = cmp.Or(o.AcquireTimeout, 10*time.Second)
	o.MaxRows = cmp.Or(o.MaxRows, 1000)
	o.FileSizeLimit = cmp.Or(o.FileSizeLimit, 50<<20)
	o.Resumable = o.Resumable.withDefaults()
	return o
}

// Project is a database behind an HTTP front, on a loopback port of its own. Its
// exported fields are constant; all methods may be called from several
// goroutines.
type Project struct {
	// URL is the base of all requests, as "http://127.0.0.1:34567", without a
	// slash at the end.
	URL string

	// AnonKey and ServiceKey are JWTs, sent as apikey and as bearer token.
	AnonKey, ServiceKey string

	// PublishableKey and SecretKey are of the newer kind, sent as apikey alone.
	PublishableKey, SecretKey string

	options  ProjectOptions
	cluster  *Cluster
	database string
	secret   []byte // signs JWTs
	ca       []byte
	pool     *pgxpool.Pool
	storage  *storage
	dir      string

	faults   faults
	requests requests

	listener  *listener
	http      *http.Server
	gate      gate
	stop      context.CancelFunc
	watching  sync.WaitGroup
	closeOnce sync.Once
	closeErr  error

	mu      sync.RWMutex
	exposed []string
	schema  *schemaCache // nil until it could be read
}

// NewProject creates a database in the cluster and serves it. ctx bounds that,
// not the project's life.
func NewProject(ctx context.Context, cluster *Cluster, options ProjectOptions) (*Project, error) {
	options = options.withDefaults()
	p := &Project{
		options:  options,
		cluster:  cluster,
		database: fmt.Sprintf("project_%d", cluster.projects.next()),
		exposed:  []string{"public"},
	}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("create a project: %w", err), p.Close())
	}
	return p, nil
}

func (p *Project) open(ctx context.Context) error {
	if err := p.createKeys(); err != nil {
		return err
	}
	var err error
	if p.dir, err = os.MkdirTemp("", "supabasetest-objects-"); err != nil {
		return err
	}
	if p.storage, err = newStorage(p.dir, p.options); err != nil {
		return err
	}
	if err := p.cluster.createDatabase(ctx, p.database, p.options.Timeouts); err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(p.cluster.DSN(p.database, roleAuthenticator))
	if err != nil {
		return err
	}
	config.MaxConns = int32(p.options.PoolSize)
	base, stop := context.WithCancel(context.Background())
	p.stop = stop
	if p.pool, err = pgxpool.NewWithConfig(base, config); err != nil {
		return err
	}
	if err := p.ReloadSchema(ctx); err != nil {
		return err
	}
	if err := p.watch(base, ctx); err != nil {
		return err
	}
	return p.listen(base)
}

// DSN is the owner's connection string, with which migrations are applied.
func (p *Project) DSN() string { return p.cluster.DSN(p.database, superuser) }

// ExposedSchemas are the schemas that /rest/v1 serves, the default one first.
func (p *Project) ExposedSchemas() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Clone(p.exposed)
}

// Expose adds schemas to the exposed ones and reads the schema again, as a
// change in the dashboard does.
func (p *Project) Expose(ctx context.Context, schemas ...string) error {
	p.mu.Lock()
	for _, schema := range schemas {
		if !slices.Contains(p.exposed, schema) {
			p.exposed = append(p.exposed, schema)
		}
	}
	p.mu.Unlock()
	return p.ReloadSchema(ctx)
}

// ReloadSchema lets /rest/v1 see functions and tables that were made since it
// last read the schema. NOTIFY pgrst, 'reload schema' does the same without
// saying when it is done.
func (p *Project) ReloadSchema(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Held over the reading, so that an older reading cannot replace a newer.
	p.mu.Lock()
	defer p.mu.Unlock()
	read, err := readSchema(ctx, conn, p.exposed)
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	p.schema = read
	return nil
}

// Close ends requests in progress, the served ports and the database. The
// cluster may be down.
func (p *Project) Close() error {
	p.closeOnce.Do(func() { p.closeErr = p.close() })
	return p.closeErr
}

func (p *Project) close() error {
	if p.stop != nil {
		p.stop()
	}
	var err error
	if p.http != nil {
		err = p.http.Close()
	}
	p.gate.close()
	p.watching.Wait()
	if p.pool != nil {
		p.pool.Close()
	}
	if p.dir != "" {
		err = errors.Join(err, os.RemoveAll(p.dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// Its directory goes with the cluster if the cluster is down.
	_ = p.cluster.execute(ctx, superuser, "drop database if exists "+p.database+" with (force)")
	return err
}
