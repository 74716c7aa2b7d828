package supabase

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"golang.org/x/sync/semaphore"
)

// maxAnswer bounds the answer to one call, in bytes: a batch that reads 4 MiB,
// in base64, with the keys and metadata of 1000 objects.
const maxAnswer = 32 << 20

// userAgent is told to the project, which refuses secret keys to browsers.
const userAgent = "stowage-plugin-supabase/" + Version

// newTransport returns the connections to the project. Idle ones are kept, and
// a dead one is noticed by a ping. Answers are asked for as they are: what they
// carry is mostly base64 of what does not compress.
func newTransport(c *Config) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: min(c.Timeout, 10*time.Second), KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   min(c.Timeout, 10*time.Second),
		MaxIdleConns:          2 * c.MaxConnections,
		MaxIdleConnsPerHost:   2 * c.MaxConnections,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: c.Timeout, PingTimeout: c.Timeout},
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if c.CAFile != "" {
		pool, err := c.roots()
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}

// noRedirects keeps requests, and the keys in them, from being sent elsewhere.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// isUntrusted reports whether the other side could not show who it is.
func isUntrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname)
}

// wholeAnswers is a RoundTripper that takes one of a bounded number of slots,
// ends an attempt in which nothing moves for the timeout, and reads the whole
// answer, so that one that breaks off is an attempt that failed.
type wholeAnswers struct {
	next    http.RoundTripper
	slots   *semaphore.Weighted
	timeout time.Duration
}

// RoundTrip implements http.RoundTripper.
func (w *wholeAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	a := attemptsOf(req.Context())
	a.sent.Store(false)
	if err := w.slots.Acquire(req.Context(), 1); err != nil {
		return nil, err
	}
	defer w.slots.Release(1)
	ctx, dog := guard(req.Context(), w.timeout)
	defer dog.end()
	req = req.WithContext(a.trace(ctx))
	if req.Body != nil {
		req.Body = dog.watched(req.Body)
	}
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, dog.blame(err)
	}
	defer resp.Body.Close()
	resp.Body = dog.watched(resp.Body)
	if a.answer, err = readAnswer(resp); err != nil {
		return nil, dog.blame(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(a.answer))
	return resp, nil
}

type answerTooLong struct{}

func (*answerTooLong) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", maxAnswer)
}

func readAnswer(resp *http.Response) ([]byte, error) {
	if resp.ContentLength > maxAnswer {
		return nil, &answerTooLong{}
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		buf.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && n > maxAnswer {
		err = &answerTooLong{}
	}
	return buf.Bytes(), err
}

// trace notes when a request gets hold of a connection: before that it cannot
// have reached the project.
func (a *attempts) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { a.sent.Store(true) },
	})
}
