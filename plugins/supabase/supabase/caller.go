package supabase

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/sync/semaphore"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// The waits between attempts, before jitter. A Retry-After is waited for if it
// is not longer than maxRetryAfter and the caller's deadline allows it.
const (
	minBackoff    = 50 * time.Millisecond
	maxBackoff    = 5 * time.Second
	maxRetryAfter = time.Minute
)

// caller makes requests to the project and repeats them. It is safe for
// concurrent use.
type caller struct {
	base      string
	creds     credentials
	headers   map[string]string
	profile   string // the schema of the functions
	prefix    string // of the functions' names
	transport *http.Transport
	retrying  *retryablehttp.Client
	streaming *http.Client
	timeout   time.Duration
	retries   int
}

func newCaller(c *Config, log *slog.Logger) (*caller, error) {
	transport, err := newTransport(c)
	if err != nil {
		return nil, storage.Errorf(storage.CodeInvalidArgument, "%w", err)
	}
	out := &caller{
		base: strings.TrimRight(c.URL, "/"), creds: c.credentials(), headers: c.Headers,
		profile: c.Schema, prefix: c.Table + "_", transport: transport, timeout: c.Timeout, retries: c.MaxRetries,
		streaming: &http.Client{Transport: transport, CheckRedirect: noRedirects},
	}
	whole := &wholeAnswers{next: transport, slots: semaphore.NewWeighted(int64(c.MaxConnections)), timeout: c.Timeout}
	out.retrying = &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: whole, CheckRedirect: noRedirects},
		RetryWaitMin: minBackoff, RetryWaitMax: maxBackoff, RetryMax: c.MaxRetries,
		CheckRetry: out.checkRetry, Backoff: backoff, ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(_ retryablehttp.Logger, req *http.Request, attempt int) {
			if attempt > 0 {
				log.Debug("a request is repeated", "path", req.URL.Path, "attempt", attempt+1, "reason", attemptsOf(req.Context()).last.text)
			}
		},
	}
	return out, nil
}

func (c *caller) close() { c.transport.CloseIdleConnections() }

// scrub takes the keys, and the values of the configured headers, out of a text
// that came from elsewhere.
func (c *caller) scrub(text string) string {
	for _, secret := range append(slices.Collect(maps.Values(c.headers)), c.creds.bearer, c.creds.apikey) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, schema.Redacted)
		}
	}
	return text
}

// attempts is what became of the attempts of one call so far.
type attempts struct {
	sent  atomic.Bool // the attempt under way has a connection
	tries int
	doubt bool // one may have been carried out whose answer is missing
	last  *failure
	// answer is the body of the last answer.
	answer []byte
}

type attemptsKey struct{}

func attemptsOf(ctx context.Context) *attempts {
	a, _ := ctx.Value(attemptsKey{}).(*attempts)
	return a
}

// checkRetry implements retryablehttp.CheckRetry.
func (c *caller) checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	a := attemptsOf(ctx)
	a.tries++
	a.last = c.judge(ctx, resp, err, a.sent.Load())
	if a.last == nil {
		return false, nil
	}
	a.doubt = a.doubt || a.last.doubt
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < a.last.after {
		return false, nil
	}
	return a.last.retry && ctx.Err() == nil && a.last.after <= maxRetryAfter, nil
}

// judge returns nil for a success.
func (c *caller) judge(ctx context.Context, resp *http.Response, err error, sent bool) *failure {
	if err != nil {
		return judgeError(ctx, err, sent)
	}
	if resp.StatusCode/100 == 2 {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return judgeError(ctx, err, sent)
	}
	return judgeAnswer(resp.StatusCode, resp.Header, body, c.scrub)
}

// backoff implements retryablehttp.Backoff: what the project asks for, or
// doubling waits, and then a random part more, so that callers who were
// refused together do not come back together.
func backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	wait := min(least<<min(attempt, 16), most)
	if resp != nil {
		if asked := retryAfter(resp.Header); asked > 0 {
			return asked + rand.N(wait) //nolint:gosec // jitter needs no secrecy
		}
	}
	return wait/2 + rand.N(wait) //nolint:gosec // jitter needs no secrecy
}

// pause waits before a stream is taken up again after it failed so many times
// in a row, or says why it is not.
func (c *caller) pause(ctx context.Context, f *failure, failures int) error {
	if ctx.Err() != nil {
		return cause(ctx)
	}
	wait := max(f.after, backoff(minBackoff, maxBackoff, failures, nil))
	deadline, ok := ctx.Deadline()
	if !f.retry || failures >= c.retries || f.after > maxRetryAfter || ok && time.Until(deadline) < wait {
		return c.explain(f).err(failures > 0)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return cause(ctx)
	}
}

// request makes a signed request. body is nil, []byte or a
// retryablehttp.ReaderFunc.
func (c *caller) request(ctx context.Context, method, path string, body any) (*retryablehttp.Request, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, storage.Errorf(storage.CodeInternal, "%w", err)
	}
	c.sign(req.Header)
	return req, nil
}

func (c *caller) sign(h http.Header) {
	for name, value := range c.headers {
		h.Set(name, value)
	}
	h.Set("User-Agent", userAgent)
	c.creds.sign(h)
}

// do makes a request, repeats it as often as may help, and returns the answer's
// body. The attempts say whether it may have been carried out although it
// failed.
func (c *caller) do(req *retryablehttp.Request) ([]byte, http.Header, *attempts) {
	a := new(attempts)
	ctx := context.WithValue(req.Context(), attemptsKey{}, a)
	resp, err := c.retrying.Do(req.WithContext(ctx))
	if resp != nil {
		defer resp.Body.Close()
	}
	if a.last == nil && err == nil {
		return a.answer, resp.Header, a
	}
	if a.last == nil { // it ended before the first attempt
		a.last = judgeError(ctx, err, false)
	}
	if ctx.Err() != nil { // it ended while waiting for the next
		f := new(failure)
		f.ended(ctx, a.last.text)
		a.last = f
	}
	return nil, nil, a
}

// call calls a database function and decodes what it returns into out. Its error
// has no word on the outcome: that is in the attempts, and matters to writes.
func (c *caller) call(ctx context.Context, function string, args, out any) (*attempts, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return new(attempts), storage.Errorf(storage.CodeInternal, "%w", err)
	}
	req, err := c.request(ctx, http.MethodPost, "/rest/v1/rpc/"+c.prefix+function, body)
	if err != nil {
		return new(attempts), err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Profile", c.profile)
	answer, _, a := c.do(req)
	if a.last != nil {
		return a, c.fail(a)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		a.doubt = true
		return a, storage.Errorf(storage.CodeInternal, "the answer of %s%s is not what it should be: %w", c.prefix, function, err)
	}
	return a, nil
}

// fail is the error of a call that failed, without a word on its outcome.
func (c *caller) fail(a *attempts) *storage.Error { return c.explain(a.last).err(a.tries > 1) }

// explain adds what to do to failures that only the operator can end.
func (c *caller) explain(known *failure) *failure {
	f := *known
	advice := ""
	switch {
	case f.api == "PGRST106":
		advice = "add the schema " + c.profile + " to the exposed schemas in the project's API settings"
	case f.missesSchema():
		advice = "apply the output of '" + schemaCommand(c) + "' in the project's SQL editor; if that was done already, run: notify pgrst, 'reload schema'"
	case f.code == storage.CodePermissionDenied:
		advice = "the role of the key may not use the tables; only the one the tables were made for may, which is service_role unless --role said otherwise"
	case f.code == storage.CodeUnauthenticated:
		advice = "the key is wrong, revoked or expired; look at secret_key, service_role_key and anon_key"
	}
	if advice != "" {
		f.text += "; " + advice
	}
	return &f
}

func schemaCommand(c *caller) string {
	command := "stowage-plugin-supabase schema"
	if c.profile != DefaultSchema {
		command += " --schema " + c.profile
	}
	if table := strings.TrimSuffix(c.prefix, "_"); table != DefaultTable {
		command += " --table " + table
	}
	return command
}

// escapePath percent-encodes a path, slashes excepted.
func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }
