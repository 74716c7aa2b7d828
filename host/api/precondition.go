package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// entityTag is what If-Match or If-None-Match says: nothing, "*", or one
// strong etag.
type entityTag struct {
	set, any bool
	etag     string
}

func (t entityTag) matches(etag string) bool { return t.any || t.etag == etag }

// parseEntityTag reads the header called name. Weak, empty and listed etags
// are InvalidArgument: the store compares with one strong etag.
func parseEntityTag(header http.Header, name string) (entityTag, error) {
	value, set, err := single(header, name)
	if err != nil || !set {
		return entityTag{}, err
	}
	if value == "*" {
		return entityTag{set: true, any: true}, nil
	}
	etag, reason := unquote(value)
	if reason != "" {
		return entityTag{}, storage.Errorf(storage.CodeInvalidArgument, "%s: %s; write one strong etag in double quotes, or *", name, reason)
	}
	return entityTag{set: true, etag: etag}, storage.ValidateETag(etag)
}

// unquote returns the etag inside the quotes, or why value is not one strong
// etag.
func unquote(value string) (etag, reason string) {
	rest, quoted := strings.CutPrefix(value, `"`)
	etag, after, closed := strings.Cut(rest, `"`)
	switch {
	case value == "":
		return "", "the header is empty"
	case strings.HasPrefix(value, "W/"):
		return "", "the etag is weak"
	case !quoted || !closed:
		return "", "the etag is not quoted"
	case strings.HasPrefix(strings.TrimLeft(after, " \t"), ","):
		return "", "there is a list of etags"
	case after != "":
		return "", "something follows the etag"
	case etag == "":
		return "", "the etag is empty"
	}
	return etag, ""
}

func quote(etag string) string { return `"` + etag + `"` }

// readConditions are the conditions of a GET or HEAD.
type readConditions struct {
	match, noneMatch                entityTag
	modifiedSince, unmodifiedSince  time.Time
	hasModifiedSince, hasUnmodified bool
}

func parseReadConditions(header http.Header) (readConditions, error) {
	var c readConditions
	var err error
	if c.match, err = parseEntityTag(header, "If-Match"); err != nil {
		return c, err
	}
	if c.noneMatch, err = parseEntityTag(header, "If-None-Match"); err != nil {
		return c, err
	}
	c.modifiedSince, c.hasModifiedSince = date(header, "If-Modified-Since")
	c.unmodifiedSince, c.hasUnmodified = date(header, "If-Unmodified-Since")
	return c, nil
}

// date reads an HTTP date; as RFC 9110 says, one that is malformed counts as
// not given.
func date(header http.Header, name string) (time.Time, bool) {
	if len(header.Values(name)) != 1 {
		return time.Time{}, false
	}
	t, err := http.ParseTime(header.Get(name))
	return t, err == nil
}

// pinned is the etag the store can be asked for.
func (c readConditions) pinned() string { return c.match.etag }

// judge evaluates the conditions on a live object in the order of RFC 9110,
// section 13.2.2: 412, 304, or 200 to go on.
func (c readConditions) judge(o storage.Object) int {
	modified := o.ModTime.Truncate(time.Second)
	switch {
	case c.match.set && !c.match.matches(o.ETag):
		return http.StatusPreconditionFailed
	case !c.match.set && c.hasUnmodified && modified.After(c.unmodifiedSince):
		return http.StatusPreconditionFailed
	case c.noneMatch.set && c.noneMatch.matches(o.ETag):
		return http.StatusNotModified
	case !c.noneMatch.set && c.hasModifiedSince && !modified.After(c.modifiedSince):
		return http.StatusNotModified
	}
	return http.StatusOK
}

// parseWriteCondition reads the condition of a PUT or DELETE.
func parseWriteCondition(header http.Header) (storage.Condition, error) {
	match, err := parseEntityTag(header, "If-Match")
	if err != nil {
		return storage.Condition{}, err
	}
	noneMatch, err := parseEntityTag(header, "If-None-Match")
	if err != nil {
		return storage.Condition{}, err
	}
	switch {
	case match.set && noneMatch.set:
		return storage.Condition{}, storage.Errorf(storage.CodeInvalidArgument, "a write takes If-Match or If-None-Match, not both")
	case match.any:
		return storage.IfExists(), nil
	case match.set:
		return storage.IfETag(match.etag), nil
	case noneMatch.any:
		return storage.IfAbsent(), nil
	case noneMatch.set:
		return storage.Condition{}, storage.Errorf(storage.CodeInvalidArgument, "a write takes If-None-Match only as *, for a key that does not exist")
	}
	if _, ok := date(header, "If-Unmodified-Since"); ok {
		return storage.Condition{}, storage.Errorf(storage.CodeUnimplemented, "a write cannot depend on a date; use If-Match with the etag")
	}
	return storage.Condition{}, nil
}
