package supabasetest

import "net/http"

// storageError is how Storage answers what it does not do: mostly with 400 and
// the real status in the body.
type storageError struct {
	StatusCode string `json:"statusCode"`
	Code       string `json:"code,omitempty"`
	Kind       string `json:"error"`
	Message    string `json:"message"`

	status int // 400 if zero
}

func (e storageError) Error() string { return e.Code + ": " + e.Message }

func writeStorageError(w http.ResponseWriter, r *http.Request, err storageError) {
	status := err.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	writeJSON(w, r, status, err)
}

func errDatabaseTimeout() storageError {
	return storageError{
		status: statusDatabaseTimeout, StatusCode: "544", Code: "DatabaseTimeout",
		Kind: "DatabaseTimeout", Message: "The connection to the database timed out",
	}
}
