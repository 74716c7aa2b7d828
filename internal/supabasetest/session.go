package supabasetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// extraSearchPath follows the schema that was asked for.
const extraSearchPath = `, "public", "extensions"`

// transact runs statements in one transaction as the request's role, with what
// the database can ask about the request. An error may be a [restError].
func (p *Project) transact(r restRequest, own []setting, do func(context.Context, pgx.Tx) error) error {
	ctx := r.Context()
	waiting, cancel := context.WithTimeout(ctx, p.options.AcquireTimeout)
	conn, err := p.pool.Acquire(waiting)
	cancel()
	if err != nil {
		return acquireError(err)
	}
	defer conn.Release()
	settings, err := requestSettings(r, own)
	if err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: isolation(settings), AccessMode: accessMode(r)})
	if err != nil {
		return err
	}
	// It does nothing after a commit; if the connection broke, the transaction
	// went with it.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := configure(ctx, tx, settings); err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func accessMode(r restRequest) pgx.TxAccessMode {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return pgx.ReadOnly
	}
	return pgx.ReadWrite
}

// isolation is the last one that a role or function brings along. It is known
// when the transaction begins, and cannot be set later.
func isolation(settings []setting) pgx.TxIsoLevel {
	level := pgx.ReadCommitted
	for _, s := range settings {
		if s.name == "default_transaction_isolation" {
			level = pgx.TxIsoLevel(s.value)
		}
	}
	return level
}

// requestSettings are in the order in which they must be set: what the role
// brings along before the role, since it may not be allowed to set it.
func requestSettings(r restRequest, own []setting) ([]setting, error) {
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	headers["host"] = r.Host
	encodedHeaders, err := json.Marshal(headers)
	if err != nil {
		return nil, err
	}
	cookies := map[string]string{}
	for _, cookie := range r.Cookies() {
		cookies[cookie.Name] = cookie.Value
	}
	encodedCookies, err := json.Marshal(cookies)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		[]setting{{"search_path", pgx.Identifier{r.profile}.Sanitize() + extraSearchPath}},
		r.schema.settings[r.who.role],
		[]setting{
			{"role", r.who.role},
			{"request.jwt.claims", string(r.who.claims)},
			{"request.method", r.Method},
			{"request.path", strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(restPath, "/"))},
			{"request.headers", string(encodedHeaders)},
			{"request.cookies", string(encodedCookies)},
		},
		own,
	), nil
}

// configure sets all in one statement.
func configure(ctx context.Context, tx pgx.Tx, settings []setting) error {
	var calls []string
	var values []any
	for _, s := range settings {
		values = append(values, s.name, s.value)
		calls = append(calls, fmt.Sprintf("set_config($%d, $%d, true)", len(values)-1, len(values)))
	}
	_, err := tx.Exec(ctx, "select "+strings.Join(calls, ", "), values...)
	return err
}

// readAnswer runs a query whose one row is a body, a number of rows, and the
// status and headers that the database chose.
func readAnswer(ctx context.Context, tx pgx.Tx, query string, arguments ...any) (restAnswer, error) {
	answer := restAnswer{status: http.StatusOK}
	var status, headers *string
	if err := tx.QueryRow(ctx, query, arguments...).Scan(&answer.body, &answer.rows, &status, &headers); err != nil {
		return answer, err
	}
	if status != nil {
		code, err := strconv.Atoi(*status)
		if err != nil || code < 200 || code > 599 {
			return answer, restError{
				status: http.StatusInternalServerError, Code: "PGRST112",
				Message: "response.status guc must be a valid status code",
			}
		}
		answer.status = code
	}
	if headers == nil {
		return answer, nil
	}
	var list []map[string]string
	if err := json.Unmarshal([]byte(*headers), &list); err != nil {
		return answer, restError{
			status: http.StatusInternalServerError, Code: "PGRST111",
			Message: "response.headers guc must be a JSON array composed of objects with a single key and a string value",
		}
	}
	answer.header = http.Header{}
	for _, one := range list {
		for name, value := range one {
			answer.header.Set(name, value)
		}
	}
	return answer, nil
}

// chosenByDatabase are the last two columns that readAnswer reads.
const chosenByDatabase = `nullif(current_setting('response.status', true), ''), nullif(current_setting('response.headers', true), '')`

// contentRange counts rows as the API does: 0-2/* for three.
func contentRange(rows int) string {
	if rows == 0 {
		return "*/*"
	}
	return fmt.Sprintf("0-%d/*", rows-1)
}
