package supabasetest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind is what a fault does to a request.
type Kind int

const (
	// AnswerLost carries the request out wholly and then resets the connection,
	// so that the client cannot know.
	AnswerLost Kind = iota + 1

	// CutBefore resets the connection before the request is looked at.
	CutBefore

	// CutRequest ends the connection after Bytes of the request's body. The
	// service keeps what it would keep of a broken upload.
	CutRequest

	// CutAnswer ends the connection after Bytes of the answer's body, which has
	// been sent with its full Content-Length. The request is carried out.
	CutAnswer

	// Stall takes the request in and answers nothing until [Injection.Release],
	// and then carries it out. If the client goes first, nothing is carried out.
	Stall

	// Late is Stall, but after Release the request is carried out even if its
	// client has gone, as real servers do.
	Late

	// Answer answers with Status, Header and Body instead of carrying it out.
	Answer

	// Delay carries the request out after a pause, unless the client goes first.
	Delay
)

// Fault breaks some of the requests that match.
type Fault struct {
	// Match is a part of the path, as "/rpc/kv_put", a method and a part, as
	// "PATCH /upload/resumable", or a method alone. Empty matches everything.
	Match string

	// Skip lets that many matching requests pass first.
	Skip int

	// Times is how many requests are broken then, one if zero, and all until
	// [Injection.Remove] if negative.
	Times int

	Kind  Kind
	Bytes int64         // of CutRequest and CutAnswer
	Pause time.Duration // of Delay

	Status int         // of Answer
	Header http.Header // of Answer; Content-Type is JSON if it is not there
	Body   string      // of Answer
}

// pattern is a parsed Match.
type pattern struct{ method, part string }

func parsePattern(match string) pattern {
	method, part, _ := strings.Cut(match, " ")
	if strings.Contains(method, "/") {
		return pattern{part: match}
	}
	return pattern{method, part}
}

func (p pattern) matches(method, path string) bool {
	return (p.method == "" || p.method == method) && strings.Contains(path, p.part)
}

// TooManyRequests is the gateway's rate limit. retryAfter is rounded to whole
// seconds; a negative one leaves the header away.
func TooManyRequests(match string, retryAfter time.Duration) Fault {
	return Fault{
		Match: match, Kind: Answer, Status: http.StatusTooManyRequests, Header: retryHeader(retryAfter),
		Body: `{"message":"API rate limit exceeded"}`,
	}
}

// ServiceUnavailable is the gateway's answer while a service is restarted.
// retryAfter is as in [TooManyRequests].
func ServiceUnavailable(match string, retryAfter time.Duration) Fault {
	return Fault{
		Match: match, Kind: Answer, Status: http.StatusServiceUnavailable, Header: retryHeader(retryAfter),
		Body: `{"message":"name resolution failed"}`,
	}
}

func retryHeader(after time.Duration) http.Header {
	if after < 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(int(after.Round(time.Second) / time.Second))}}
}

// statusDatabaseTimeout is Storage's own.
const statusDatabaseTimeout = 544

// StorageTimeout is Storage that cannot get a database connection in time.
func StorageTimeout(match string) Fault {
	return answerJSON(match, errDatabaseTimeout().status, errDatabaseTimeout())
}

// SlowDown is Storage whose database takes no more connections, a 429.
func SlowDown(match string) Fault {
	err := storageError{
		status: http.StatusTooManyRequests, StatusCode: "429", Code: "SlowDown",
		Kind: "too_many_connections", Message: "Too many connections issued to the database",
	}
	return answerJSON(match, err.status, err)
}

// SerializationFailure is a transaction that PostgreSQL rolled back for another;
// PostgREST answers it with 500.
func SerializationFailure(match string) Fault {
	return answerJSON(match, http.StatusInternalServerError, restError{
		Code: "40001", Message: "could not serialize access due to concurrent update",
	})
}

// Deadlock is a transaction that PostgreSQL rolled back to end a deadlock.
func Deadlock(match string) Fault {
	return answerJSON(match, http.StatusInternalServerError, restError{
		Code: "40P01", Message: "deadlock detected",
	})
}

// StatementTimeout is a statement that took longer than its role may.
func StatementTimeout(match string) Fault {
	return answerJSON(match, http.StatusInternalServerError, restError{
		Code: "57014", Message: "canceling statement due to statement timeout",
	})
}

// PoolTimeout is PostgREST that has no database connection left.
func PoolTimeout(match string) Fault {
	return answerJSON(match, errPoolTimeout().status, errPoolTimeout())
}

// SchemaUnread is PostgREST that could not read the schema yet.
func SchemaUnread(match string) Fault {
	return answerJSON(match, errNoSchema().status, errNoSchema())
}

// ExpiredKey is PostgREST that was given a JWT of the past.
func ExpiredKey(match string) Fault {
	err := errToken("PGRST303", "JWT expired")
	fault := answerJSON(match, err.status, err)
	fault.Header = http.Header{"Www-Authenticate": {err.challenge}}
	return fault
}

// RevokedKey is the gateway that does not know the API key any more.
func RevokedKey(match string) Fault {
	return Fault{
		Match: match, Kind: Answer, Status: http.StatusUnauthorized,
		Body: "{\"message\":\"Invalid API key\",\"hint\":\"Double check your Supabase `anon` or `service_role` API key.\"}",
	}
}
