package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Contestants that call the functions of a project without a host or plugin.
const (
	namePgx  = "pgx"
	nameHTTP = "http"
)

// openPgx speaks to the database itself, over connections that stay open.
func openPgx(ctx context.Context, p *project) (contestant, error) {
	writer, err := p.register(ctx)
	if err != nil {
		return contestant{}, err
	}
	config, err := pgxpool.ParseConfig(p.DSN)
	if err != nil {
		return contestant{}, err
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return contestant{}, err
	}
	return contestant{
		name: namePgx,
		get: func(ctx context.Context, key string) ([]byte, error) {
			call := newGet(namePgx, key)
			items, err := json.Marshal(call.Items)
			if err != nil {
				return nil, err
			}
			var answer []byte
			err = pool.QueryRow(ctx, "select public.stowage_get($1, $2, $3)", call.Namespace, items, call.Room).Scan(&answer)
			if err != nil {
				return nil, err
			}
			return got(answer)
		},
		put: func(ctx context.Context, key string, value []byte) error {
			call := newPut(namePgx, writer, key, value)
			var answer []byte
			err := pool.QueryRow(
				ctx, "select public.stowage_put($1, $2, $3, $4, $5, $6, $7, $8)", call.Namespace, call.Key, call.Request,
				call.Writer, call.Epoch, call.Size, call.CRC32C, base64.StdEncoding.EncodeToString(value),
			).Scan(&answer)
			if err != nil {
				return err
			}
			return done(answer)
		},
		close: func(context.Context) error { pool.Close(); return nil },
	}, nil
}

// openHTTP is a client of the project's API as a careful author writes it: a
// connection for each caller, which stays open, and one request for each
// operation. Like the plugin it does not ask for compressed answers, since
// values that are random make them no smaller.
func openHTTP(ctx context.Context, p *project, address string) (contestant, error) {
	writer, err := p.register(ctx)
	if err != nil {
		return contestant{}, err
	}
	transport := &http.Transport{MaxIdleConns: 2 * keysPerSize, MaxIdleConnsPerHost: 2 * keysPerSize, DisableCompression: true}
	r := rest{client: &http.Client{Transport: transport, Timeout: patience}, base: address + "/rest/v1/rpc/stowage_", key: p.SecretKey}
	return contestant{
		name: nameHTTP,
		get: func(ctx context.Context, key string) ([]byte, error) {
			answer, err := r.call(ctx, "get", newGet(nameHTTP, key))
			if err != nil {
				return nil, err
			}
			return got(answer)
		},
		put: func(ctx context.Context, key string, value []byte) error {
			answer, err := r.call(ctx, "put", newPut(nameHTTP, writer, key, value))
			if err != nil {
				return err
			}
			return done(answer)
		},
		close: func(context.Context) error { transport.CloseIdleConnections(); return nil },
	}, nil
}

type rest struct {
	client *http.Client
	base   string
	key    string
}

func (r rest) call(ctx context.Context, function string, arguments any) ([]byte, error) {
	body, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+function, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Apikey", r.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	answer.Grow(int(max(resp.ContentLength, 0)) + bytes.MinRead)
	if _, err := io.Copy(&answer, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", function, resp.Status, answer.Bytes())
	}
	return answer.Bytes(), nil
}
