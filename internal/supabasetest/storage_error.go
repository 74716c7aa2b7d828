package supabasetest

import (
	"errors"
	"net/http"

	"github.com/golang-jwt/jwt/v5"
)

// storageError is how Storage answers what it does not do: mostly with 400 and
// the real status in the body.
type storageError struct {
	StatusCode string `json:"statusCode"`
	Code       string `json:"code,omitempty"`
	Kind       string `json:"error"`
	Message    string `json:"message"`

	status int // 400 if zero
}

func (e storageError) Error() string { return e.Kind + ": " + e.Message }

// writeStorageError answers with an error; one that is not a storageError is the
// server's fault. The answer to a HEAD has no body and so tells nothing.
func writeStorageError(w http.ResponseWriter, r *http.Request, err error) {
	var answer storageError
	if !errors.As(err, &answer) {
		answer = errInternal(err.Error())
	}
	status := answer.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(status)
		return
	}
	writeJSON(w, r, status, answer)
}

func errNoSuchKey() storageError {
	return storageError{StatusCode: "404", Code: "NoSuchKey", Kind: "not_found", Message: "Object not found"}
}

func errNoSuchBucket() storageError {
	return storageError{StatusCode: "404", Code: "NoSuchBucket", Kind: "Bucket not found", Message: "Bucket not found"}
}

func errDuplicate(code string) storageError {
	return storageError{StatusCode: "409", Code: code, Kind: "Duplicate", Message: "The resource already exists"}
}

func errRowSecurity() storageError {
	return storageError{
		StatusCode: "403", Code: "AccessDenied", Kind: "Unauthorized", Message: "new row violates row-level security policy",
	}
}

func errTooLarge() storageError {
	return storageError{
		StatusCode: "413", Code: "EntityTooLarge", Kind: "Payload too large",
		Message: "The object exceeded the maximum allowed size",
	}
}

func errInvalidKey(name string) storageError {
	return storageError{StatusCode: "400", Code: "InvalidKey", Kind: "InvalidKey", Message: "Invalid key: " + name}
}

func errInvalidBucketName() storageError {
	return storageError{StatusCode: "400", Code: "InvalidBucketName", Kind: "Invalid Input", Message: "Bucket name invalid"}
}

func errBucketNotEmpty() storageError {
	return storageError{
		StatusCode: "409", Code: "ResourceNotEmpty", Kind: "ResourceNotEmpty",
		Message: "The bucket you tried to delete is not empty",
	}
}

func errInvalidRange() storageError {
	return storageError{
		StatusCode: "416", Code: "S3Error", Kind: "The requested range is not satisfiable", Message: "InvalidRange",
	}
}

// errInvalidRequest is what the framework below Storage says of a request that
// does not have its form.
func errInvalidRequest(message string) storageError {
	return storageError{StatusCode: "400", Kind: "Error", Message: message}
}

func errNoRoute(r *http.Request) storageError {
	return storageError{
		status: http.StatusNotFound, StatusCode: "404", Kind: "Not Found",
		Message: "Route " + r.Method + ":" + r.URL.Path + " not found",
	}
}

func errInternal(message string) storageError {
	return storageError{
		status: http.StatusInternalServerError, StatusCode: "500", Code: "InternalError", Kind: "Internal", Message: message,
	}
}

func errDatabaseTimeout() storageError {
	return storageError{
		status: statusDatabaseTimeout, StatusCode: "544", Code: "DatabaseTimeout",
		Kind: "DatabaseTimeout", Message: "The connection to the database timed out",
	}
}

// errBearer is about a token that is missing or wrong.
func errBearer(err error) storageError {
	message := "signature verification failed"
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		message = "Invalid Compact JWS"
	case errors.Is(err, jwt.ErrTokenExpired):
		message = `"exp" claim timestamp check failed`
	}
	return storageError{StatusCode: "403", Code: "AccessDenied", Kind: "Unauthorized", Message: message}
}
