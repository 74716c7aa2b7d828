package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/p2p-ai-agents/stowage/internal/supabasetest"
	"github.com/p2p-ai-agents/stowage/plugins/supabase/supabase"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// poolSize is how many calls may be in the database at once: of the front, as in
// a real project, and of those who call without it.
const poolSize = 10

// patience is how long a call may wait where others would give up, so that a
// busy machine makes figures worse and no errors.
const patience = time.Minute

// project is a Supabase project in a process of its own, as a real one is not in
// that of its clients either.
type project struct {
	access
	process *exec.Cmd
	stdin   io.Closer
}

// access is what clients of a project need.
type access struct {
	URL       string
	FarURL    string // the same, behind a network with farRoundTrip
	SecretKey string
	DSN       string
}

// openProject starts this binary as a project.
func openProject() (*project, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &project{process: exec.Command(self, asProject)}
	p.process.Stderr = os.Stderr
	stdin, err := p.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stdout, err := p.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.process.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(stdout).Decode(&p.access); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *project) close() error {
	return errors.Join(p.stdin.Close(), p.process.Wait())
}

// serveProject is that process: a database that keeps what it acknowledges,
// behind a front that answers as Supabase does, with the plugin's tables. It
// tells out how to reach it, and ends with in.
func serveProject(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	cluster, err := supabasetest.StartCluster(ctx, supabasetest.ClusterOptions{Durable: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	front, err := supabasetest.NewProject(ctx, cluster, supabasetest.ProjectOptions{
		PoolSize: poolSize, AcquireTimeout: patience,
		Timeouts: supabasetest.StatementTimeouts{ServiceRole: patience},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, front.Close()) }()
	sql, err := supabase.SchemaOptions{}.SQL()
	if err != nil {
		return err
	}
	if err := supabase.Migrate(ctx, front.DSN(), sql); err != nil {
		return err
	}
	if err := front.ReloadSchema(ctx); err != nil {
		return err
	}
	network, err := delayTo(strings.TrimPrefix(front.URL, "http://"), farRoundTrip/2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, network.close()) }()
	err = json.NewEncoder(out).Encode(access{front.URL, "http://" + network.addr(), front.SecretKey, front.DSN()})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// writer is whom a put names.
type writer struct {
	id    uuid.UUID
	epoch int64
}

// register makes a writer.
func (p *project) register(ctx context.Context) (writer, error) {
	w := writer{id: uuid.New()}
	conn, err := pgx.Connect(ctx, p.DSN)
	if err != nil {
		return w, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return w, conn.QueryRow(ctx, "select (public.stowage_register($1) ->> 'epoch')::bigint", w.id).Scan(&w.epoch)
}

// hosted is the backend for a host that finds the project at an address.
func (p *project) hosted(plugins, transport, address string) hosted {
	return hosted{
		plugin: supabase.Plugin(), plugins: plugins, transport: transport,
		config: fmt.Sprintf("url = %q\nsecret_key = %q\nnamespace = %q\ntimeout = %q", address, p.SecretKey, transport, patience),
	}
}

// putCall is what the function stowage_put needs.
type putCall struct {
	Namespace string    `json:"p_namespace"`
	Key       string    `json:"p_key"`
	Request   uuid.UUID `json:"p_request"`
	Writer    uuid.UUID `json:"p_writer"`
	Epoch     int64     `json:"p_epoch"`
	Size      int       `json:"p_size"`
	CRC32C    uint32    `json:"p_crc32c"`
	Value     []byte    `json:"p_value"`
}

func newPut(namespace string, w writer, key string, value []byte) putCall {
	return putCall{namespace, key, uuid.New(), w.id, w.epoch, len(value), storage.Checksum(0, value), value}
}

// done says why a put was not.
func done(answer []byte) error {
	var result struct {
		OK     bool   `json:"ok"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return err
	}
	if !result.OK {
		return fmt.Errorf("the put was refused: %s", result.Reason)
	}
	return nil
}

// getCall is what the function stowage_get needs.
type getCall struct {
	Namespace string    `json:"p_namespace"`
	Items     []getItem `json:"p_items"`
	Room      int       `json:"p_room"`
}

type getItem struct {
	Key   string `json:"k"`
	Value bool   `json:"v"`
}

func newGet(namespace, key string) getCall {
	return getCall{namespace, []getItem{{key, true}}, 1 << 20}
}

// got takes the value out of what a get answers.
func got(answer []byte) ([]byte, error) {
	var results []struct {
		Missing bool   `json:"missing"`
		Value   []byte `json:"value"`
	}
	if err := json.Unmarshal(answer, &results); err != nil {
		return nil, err
	}
	if len(results) != 1 || results[0].Missing {
		return nil, errors.New("the value is missing")
	}
	return results[0].Value, nil
}
