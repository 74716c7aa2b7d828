package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// read is a GET or HEAD of an object.
type read struct {
	freshness
	key        string
	conditions readConditions
	byteRange  storage.Range
	ifRange    rangeCondition
}

func parseRead(r *http.Request, key string) (read, error) {
	rd := read{key: key}
	var err error
	if rd.freshness, err = parseFreshness(r.Header); err != nil {
		return rd, err
	}
	if rd.conditions, err = parseReadConditions(r.Header); err != nil {
		return rd, err
	}
	if r.Method == http.MethodGet { // for other methods Range means nothing
		rd.byteRange, rd.ifRange = parseRange(r.Header), parseIfRange(r.Header)
	}
	return rd, nil
}

// version is one version of an object and the status it is answered with:
// 200, 206, 304, 412 or 416. The reader is set for 200 and 206 of a GET.
type version struct {
	status int
	object storage.Object
	reader *storage.Reader
}

// readAttempts bounds how often a range is tried anew on an object that
// changes at the same time.
const readAttempts = 5

// open finds the version to answer with. Everything the answer says about it
// comes from the one operation that found it.
func (rd read) open(ctx context.Context, store storage.Store) (version, error) {
	byteRange := rd.byteRange
	for range readAttempts {
		v, err := rd.find(ctx, store, byteRange)
		if err != nil {
			return version{}, err
		}
		v.status = rd.judge(v.object, byteRange)
		hasBody := v.status == http.StatusOK || v.status == http.StatusPartialContent
		if hasBody && v.reader != nil {
			return v, nil
		}
		if err := v.release(); err != nil {
			return version{}, err
		}
		switch {
		case v.status == anotherVersion:
			byteRange = storage.Range{}
		case !hasBody:
			return v, nil
		} // else it was too short for the range a moment ago, and has grown
	}
	return version{}, storage.Errorf(storage.CodeUnavailable, "the object changes faster than it can be read")
}

// find opens the range of the current version. A range outside of the value
// leaves the reader nil.
func (rd read) find(ctx context.Context, store storage.Store, byteRange storage.Range) (version, error) {
	reader, err := store.Get(ctx, rd.key, storage.GetOptions{
		Range: byteRange, IfMatch: rd.conditions.pinned(), Consistency: rd.consistency, Session: rd.session,
	})
	if err == nil {
		return version{object: reader.Object, reader: reader}, nil
	}
	if byteRange.IsWhole() || !errors.Is(err, storage.ErrOutOfRange) {
		return version{}, err
	}
	o, err := rd.stat(ctx, store)
	return version{object: o}, err
}

// anotherVersion is the verdict that the range is meant for another version:
// this one is to be read as a whole.
const anotherVersion = 0

// judge returns the status to answer with, or anotherVersion.
func (rd read) judge(o storage.Object, byteRange storage.Range) int {
	status := rd.conditions.judge(o)
	if status != http.StatusOK || byteRange.IsWhole() {
		return status
	}
	if !rd.ifRange.holds(o) {
		return anotherVersion
	}
	if _, length, err := byteRange.Resolve(o.Size); err != nil || length == 0 {
		return http.StatusRequestedRangeNotSatisfiable
	}
	return http.StatusPartialContent
}

// release closes the reader, if there is one.
func (v *version) release() error {
	if v.reader == nil {
		return nil
	}
	reader := v.reader
	v.reader = nil
	return reader.Close()
}

func (rd read) stat(ctx context.Context, store storage.Store) (storage.Object, error) {
	return store.Stat(ctx, rd.key, storage.StatOptions{
		IfMatch: rd.conditions.pinned(), Consistency: rd.consistency, Session: rd.session,
	})
}

func (h *handler) get(w *response, r *http.Request, key string) {
	rd, err := parseRead(r, key)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	v, err := rd.open(r.Context(), h.host.Store())
	rd.remember(w.Header())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if v.reader == nil {
		h.answerWithout(w, r, v)
		return
	}
	defer v.reader.Close()
	h.stream(w, r, v)
}

func (h *handler) head(w *response, r *http.Request, key string) {
	rd, err := parseRead(r, key)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	o, err := rd.stat(r.Context(), h.host.Store())
	rd.remember(w.Header())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	v := version{status: rd.conditions.judge(o), object: o}
	if v.status != http.StatusOK {
		h.answerWithout(w, r, v)
		return
	}
	represent(w.Header(), o)
	w.Header().Set("Content-Length", strconv.FormatInt(o.Size, 10))
	w.WriteHeader(http.StatusOK)
}

// answerWithout answers 304, 412 or 416: without the value.
func (h *handler) answerWithout(w *response, r *http.Request, v version) {
	switch v.status {
	case http.StatusNotModified:
		describe(w.Header(), v.object)
		w.WriteHeader(http.StatusNotModified)
	case http.StatusPreconditionFailed:
		h.fail(w, r, &storage.Error{
			Code: storage.CodeFailedPrecondition, Current: v.object.ETag, Err: errors.New("the object is another version"),
		})
	default:
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", v.object.Size))
		h.fail(w, r, storage.Errorf(storage.CodeOutOfRange, "the range lies outside of the value, which has %d bytes", v.object.Size))
	}
}

// stream answers with the bytes of v. The status is sent with the first of
// them, so that a value that cannot be read is an error; after that the only
// way to tell is to break the connection.
func (h *handler) stream(w *response, r *http.Request, v version) {
	buf := h.buffers.Get().(*[bufferSize]byte)
	defer h.buffers.Put(buf)
	n, err := v.reader.Read(buf[:])
	if err != nil && err != io.EOF { //nolint:errorlint // Read returns io.EOF itself
		h.fail(w, r, err)
		return
	}
	header := w.Header()
	represent(header, v.object)
	header.Set("Content-Length", strconv.FormatInt(v.reader.Length, 10))
	if v.status == http.StatusPartialContent {
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", v.reader.Offset, v.reader.Offset+v.reader.Length-1, v.object.Size))
	}
	w.WriteHeader(v.status)
	for {
		if _, writeErr := w.Write(buf[:n]); writeErr != nil {
			return // the caller is gone
		}
		if err != nil {
			return
		}
		if n, err = v.reader.Read(buf[:]); err != nil && err != io.EOF { //nolint:errorlint // Read returns io.EOF itself
			h.opts.Logger.Warn("an answer broke off", "error", err)
			panic(http.ErrAbortHandler)
		}
	}
}
