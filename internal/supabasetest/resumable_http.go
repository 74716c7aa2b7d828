package supabasetest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	tusVersion     = "1.0.0"
	tusContentType = "application/offset+octet-stream"
	resumablePath  = storagePath + "upload/resumable"
)

// tusError is plain text with its real status.
type tusError struct {
	status int
	text   string
}

func (e tusError) Error() string { return e.text }

var (
	errUploadNotFound  = tusError{http.StatusNotFound, "The file for this url was not found\n"}
	errUploadExpired   = tusError{http.StatusGone, "The file for this url no longer exists\n"}
	errUploadOffset    = tusError{http.StatusConflict, "Upload-Offset conflict\n"}
	errUploadLocked    = tusError{http.StatusLocked, "The resource is locked"}
	errUploadBroken    = tusError{http.StatusBadRequest, "Request aborted due to lock acquired"}
	errUploadMetadata  = tusError{http.StatusBadRequest, "Upload-Metadata is invalid\n"}
	errUploadID        = tusError{http.StatusBadRequest, "Invalid upload id"}
	errUploadLength    = tusError{http.StatusBadRequest, "Upload-Length or Upload-Defer-Length header required\n"}
	errUploadNoOffset  = tusError{http.StatusForbidden, "Upload-Offset header required\n"}
	errUploadNoType    = tusError{http.StatusForbidden, "Content-Type header required\n"}
	errUploadTooLong   = tusError{http.StatusRequestEntityTooLarge, "upload's size exceeded\n"}
	errUploadChunk     = tusError{http.StatusBadRequest, "chunks must have 6 MiB, except the last\n"}
	errUploadComplete  = tusError{http.StatusBadRequest, "Cannot terminate an already completed upload"}
	errMaxSize         = tusError{http.StatusRequestEntityTooLarge, "Maximum size exceeded\n"}
	errUploadNoVersion = tusError{http.StatusPreconditionFailed, "Tus-Resumable Required\n"}
)

// describe answers OPTIONS, which needs no key.
func (o ResumableOptions) describe(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Tus-Resumable", tusVersion)
	header.Set("Tus-Version", tusVersion)
	header.Set("Tus-Extension", "creation,creation-with-upload,termination,expiration")
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Methods", "POST, HEAD, PATCH, OPTIONS, DELETE, GET, PUT")
	header.Set("Access-Control-Allow-Headers", "*")
	w.WriteHeader(http.StatusNoContent)
}

// serveResumable speaks TUS. Its errors have their real status, unlike those of
// the rest of Storage.
func (s *storage) serveResumable(w http.ResponseWriter, r *http.Request, base, id string, owner bool) {
	w.Header().Set("Tus-Resumable", tusVersion)
	err := s.resumable(w, r, base, id, owner)
	if err == nil {
		return
	}
	status, text := http.StatusInternalServerError, "Something went wrong with that request\n"
	var known tusError
	var refused storageError
	switch {
	case errors.As(err, &known):
		status, text = known.status, known.text
	case errors.As(err, &refused):
		text = refused.Message
		if code, err := strconv.Atoi(refused.StatusCode); err == nil {
			status = code
		}
	}
	writeText(w, r, status, "text/plain; charset=utf-8", []byte(text))
}

func (s *storage) resumable(w http.ResponseWriter, r *http.Request, base, id string, owner bool) error {
	if r.Header.Get("Tus-Resumable") == "" {
		return errUploadNoVersion
	}
	upsert := strings.EqualFold(r.Header.Get("X-Upsert"), "true")
	if id == "" {
		if r.Method != http.MethodPost {
			return errUploadNotFound
		}
		return s.create(w, r, base, owner, upsert)
	}
	if !owner && r.Method != http.MethodHead {
		return errRowSecurity()
	}
	u, err := s.lookup(id)
	if err != nil {
		return err
	}
	controller := http.NewResponseController(w)
	interrupt := func() {
		// What cannot be interrupted goes on, and the other request is answered
		// with 423.
		_ = controller.SetReadDeadline(time.Unix(1, 0))
	}
	if r.Method != http.MethodPatch {
		interrupt = nil
	}
	if err := u.take(r.Context(), s.options.LockTimeout, interrupt); err != nil {
		return err
	}
	defer u.release()
	if _, err := s.lookup(id); err != nil {
		return err // who had the lock deleted it
	}
	switch r.Method {
	case http.MethodHead:
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
		w.Header().Set("Upload-Length", strconv.FormatInt(u.length, 10))
		w.Header().Set("Upload-Metadata", u.metadata)
		w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodPatch:
		return s.patch(w, r, u, owner, upsert)
	case http.MethodDelete:
		if u.done {
			return errUploadComplete
		}
		if err := s.abandon(u); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errUploadNotFound
}

func (s *storage) create(w http.ResponseWriter, r *http.Request, base string, owner, upsert bool) error {
	length, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	if err != nil || length < 0 {
		return errUploadLength
	}
	u, err := s.begin(r.Header.Get("Upload-Metadata"), length, owner, upsert)
	if err != nil {
		return err
	}
	if err := u.take(r.Context(), s.options.LockTimeout, nil); err != nil {
		return err
	}
	defer u.release()
	if r.Header.Get("Content-Type") == tusContentType {
		if err := s.write(r, u, owner, upsert); err != nil {
			return err
		}
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
	} else if length == 0 {
		if err := s.finish(u, owner, upsert); err != nil {
			return err
		}
	}
	if s.options.WrongLocation {
		base = "https://storage.invalid"
		if r.TLS != nil {
			base = "http://storage.invalid"
		}
	}
	w.Header().Set("Location", base+resumablePath+"/"+u.id)
	u.announceExpiry(w)
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (s *storage) patch(w http.ResponseWriter, r *http.Request, u *upload, owner, upsert bool) error {
	given := r.Header.Get("Upload-Offset")
	if given == "" {
		return errUploadNoOffset
	}
	if r.Header.Get("Content-Type") != tusContentType {
		return errUploadNoType
	}
	offset, err := strconv.ParseInt(given, 10, 64)
	if err != nil || offset != u.offset {
		return errUploadOffset
	}
	if !u.done {
		if err := s.write(r, u, owner, upsert); err != nil {
			return err
		}
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
	u.announceExpiry(w)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// write takes a chunk in and finishes the upload after the last.
func (s *storage) write(r *http.Request, u *upload, owner, upsert bool) error {
	size := r.ContentLength // negative if it is not known
	switch {
	case size > u.length-u.offset:
		return errUploadTooLong
	case s.options.StrictChunks && size != ChunkSize && u.offset+size != u.length:
		return errUploadChunk
	}
	if err := u.append(r.Body, s.options.Granularity); err != nil {
		return err
	}
	if u.offset < u.length {
		return nil
	}
	return s.finish(u, owner, upsert)
}

func (u *upload) announceExpiry(w http.ResponseWriter) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.done {
		w.Header().Set("Upload-Expires", u.expires.UTC().Format(http.TimeFormat))
	}
}
