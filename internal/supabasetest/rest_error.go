package supabasetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// restError is how PostgREST answers what it does not do, with its fields in the
// order they have on the wire.
type restError struct {
	Code    string  `json:"code"`
	Details *string `json:"details"`
	Hint    *string `json:"hint"`
	Message string  `json:"message"`

	status    int
	challenge string // WWW-Authenticate, if not empty
}

func (e restError) Error() string { return e.Code + ": " + e.Message }

// text is nil for an empty string, which is null on the wire.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func writeRestError(w http.ResponseWriter, r *http.Request, err restError) {
	if err.challenge != "" {
		w.Header().Set("WWW-Authenticate", err.challenge)
	}
	w.Header().Set("Proxy-Status", "PostgREST; error="+err.Code)
	writeJSON(w, r, err.status, err)
}

func errPoolTimeout() restError {
	return restError{
		status: http.StatusGatewayTimeout, Code: "PGRST003",
		Message: "Timed out acquiring connection from connection pool.",
	}
}

func errNoSchema() restError {
	return restError{
		status: http.StatusServiceUnavailable, Code: "PGRST002",
		Message: "Could not query the database for the schema cache. Retrying.",
	}
}

func errConnect(err error) restError {
	return restError{
		status: http.StatusServiceUnavailable, Code: "PGRST000",
		Message: "Database connection error. Retrying the connection.", Details: text(err.Error()),
	}
}

func errLost(err error) restError {
	return restError{
		status: http.StatusServiceUnavailable, Code: "PGRST001",
		Message: "Database client error. Retrying the connection.", Details: text(err.Error()),
	}
}

func errInvalidBody(message string) restError {
	return restError{status: http.StatusBadRequest, Code: "PGRST102", Message: message}
}

// errToken is about the bearer token: PGRST301 if it cannot be read, PGRST303 if
// it says the wrong thing.
func errToken(code, message string) restError {
	return restError{
		status: http.StatusUnauthorized, Code: code, Message: message,
		challenge: fmt.Sprintf("Bearer error=\"invalid_token\", error_description=%q", message),
	}
}

// tokenError says what is wrong with a token.
func tokenError(authorization string, err error) restError {
	_, token, _ := strings.Cut(authorization, " ")
	if token = strings.TrimSpace(token); token == "" {
		return errToken("PGRST301", "Empty JWT is sent in Authorization header")
	}
	if parts := strings.Count(token, ".") + 1; parts != 3 {
		return errToken("PGRST301", fmt.Sprintf("Expected 3 parts in JWT; got %d", parts))
	}
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return errToken("PGRST303", "JWT expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return errToken("PGRST303", "JWT not yet valid")
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return errToken("PGRST303", "JWT issued at future")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return errToken("PGRST301", "JWT couldn't be decoded")
	}
	wrong := errToken("PGRST301", "No suitable key or wrong key type")
	wrong.Details = text("None of the keys was able to decode the JWT")
	return wrong
}

// databaseError turns what a statement of a role ended with into an answer.
func databaseError(err error, role string) restError {
	var refused restError
	if errors.As(err, &refused) {
		return refused
	}
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return errLost(err)
	}
	answer := restError{
		status: statusOf(server, role), Code: server.Code, Message: server.Message,
		Details: text(server.Detail), Hint: text(server.Hint),
	}
	if answer.status == http.StatusUnauthorized {
		answer.challenge = "Bearer"
	}
	return answer
}

// acquireError tells a full pool from a database that is away.
func acquireError(err error) restError {
	var connect *pgconn.ConnectError
	if errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &connect) {
		return errPoolTimeout()
	}
	return errConnect(err)
}

// statusOf maps SQLSTATEs as PostgREST documents it.
func statusOf(err *pgconn.PgError, role string) int {
	code := err.Code
	switch code {
	case "23503", "23505":
		return http.StatusConflict
	case "25006":
		return http.StatusMethodNotAllowed
	case "21000":
		if strings.HasSuffix(err.Message, "requires a WHERE clause") {
			return http.StatusBadRequest
		}
		return http.StatusInternalServerError
	case "22023":
		if strings.HasPrefix(err.Message, "role") && strings.HasSuffix(err.Message, "does not exist") {
			return http.StatusUnauthorized
		}
		return http.StatusBadRequest
	case "53400", "42P17":
		return http.StatusInternalServerError
	case "57P01":
		return http.StatusServiceUnavailable
	case "P0001":
		return http.StatusBadRequest
	case "42883", "42P01":
		return http.StatusNotFound
	case "42501":
		if role == roleAnon {
			return http.StatusUnauthorized
		}
		return http.StatusForbidden
	}
	if digits, custom := strings.CutPrefix(code, "PT"); custom {
		if status, parseErr := strconv.Atoi(digits); parseErr == nil && status >= 200 && status < 600 {
			return status
		}
		return http.StatusInternalServerError
	}
	switch code[:2] {
	case "08", "53":
		return http.StatusServiceUnavailable
	case "0L", "0P", "28":
		return http.StatusForbidden
	case "09", "25", "2D", "38", "39", "3B", "40", "54", "55", "57", "58", "F0", "HV", "P0", "XX":
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
