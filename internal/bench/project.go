package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
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

// project is a database that keeps what it acknowledges, behind a front that
// answers as Supabase does, with the plugin's tables.
type project struct {
	cluster *supabasetest.Cluster
	front   *supabasetest.Project
}

func openProject(ctx context.Context) (_ *project, err error) {
	p := &project{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.cluster, err = supabasetest.StartCluster(ctx, supabasetest.ClusterOptions{Durable: true}); err != nil {
		return nil, err
	}
	p.front, err = supabasetest.NewProject(ctx, p.cluster, supabasetest.ProjectOptions{
		PoolSize: poolSize, AcquireTimeout: patience,
		Timeouts: supabasetest.StatementTimeouts{ServiceRole: patience},
	})
	if err != nil {
		return nil, err
	}
	sql, err := supabase.SchemaOptions{}.SQL()
	if err != nil {
		return nil, err
	}
	if err := supabase.Migrate(ctx, p.front.DSN(), sql); err != nil {
		return nil, err
	}
	return p, p.front.ReloadSchema(ctx)
}

func (p *project) close() error {
	var errs []error
	if p.front != nil {
		errs = append(errs, p.front.Close())
	}
	if p.cluster != nil {
		errs = append(errs, p.cluster.Close())
	}
	return errors.Join(errs...)
}

// farAway is the address of the project at the end of a slower network.
func (p *project) farAway(roundTrip time.Duration) (address string, network *delayed, err error) {
	u, err := url.Parse(p.front.URL)
	if err != nil {
		return "", nil, err
	}
	if network, err = delayTo(u.Host, roundTrip/2); err != nil {
		return "", nil, err
	}
	u.Host = network.addr()
	return u.String(), network, nil
}

// register makes a writer that puts may name, of epoch 1.
func (p *project) register(ctx context.Context) (uuid.UUID, error) {
	conn, err := pgx.Connect(ctx, p.front.DSN())
	if err != nil {
		return uuid.Nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	id := uuid.New()
	_, err = conn.Exec(ctx, "select public.stowage_register($1)", id)
	return id, err
}

// hosted is the backend for a host that finds the project at an address.
func (p *project) hosted(plugins, transport, address string) hosted {
	return hosted{
		plugin: supabase.Plugin(), plugins: plugins, transport: transport,
		config: fmt.Sprintf("url = %q\nsecret_key = %q\nnamespace = %q\ntimeout = %q", address, p.front.SecretKey, transport, patience),
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

func newPut(namespace string, writer uuid.UUID, key string, value []byte) putCall {
	return putCall{namespace, key, uuid.New(), writer, 1, len(value), storage.Checksum(0, value), value}
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
