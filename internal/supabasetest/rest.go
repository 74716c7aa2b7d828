package supabasetest

import (
	"net/http"
	"slices"
	"strings"
)

// serveRest is PostgREST: who asks, in which schema, for what.
func (p *Project) serveRest(w http.ResponseWriter, r *http.Request, authorization string) {
	answer, err := p.rest(r, authorization)
	if err != nil {
		writeRestError(w, r, *err)
		return
	}
	answer.write(w, r)
}

// rest does the work of serveRest.
func (p *Project) rest(r *http.Request, authorization string) (restAnswer, *restError) {
	fail := func(err restError) (restAnswer, *restError) { return restAnswer{}, &err }
	who, err := p.identify(authorization)
	if err != nil {
		return fail(tokenError(authorization, err))
	}
	p.mu.RLock()
	schema, exposed := p.schema, p.exposed
	p.mu.RUnlock()
	if schema == nil {
		return fail(errNoSchema())
	}
	profile, refused := chooseProfile(r, exposed)
	if refused != nil {
		return fail(*refused)
	}
	request := restRequest{Request: r, who: who, schema: schema, profile: profile}
	resource := strings.TrimPrefix(r.URL.Path, restPath)
	var answer restAnswer
	name, isFunction := strings.CutPrefix(resource, "rpc/")
	switch {
	case resource == "":
		answer = restAnswer{status: http.StatusOK, body: []byte(`{"swagger":"2.0","info":{"title":"standard public schema"},"paths":{}}`)}
	case isFunction && name != "" && !strings.Contains(name, "/"):
		answer, err = p.callFunction(request, name)
	case strings.Contains(resource, "/"):
		return fail(restError{status: http.StatusNotFound, Code: "PGRST125", Message: "Invalid path specified in request URL"})
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		answer, err = p.readTable(request, resource)
	case r.Method == http.MethodPost:
		answer, err = p.insertInto(request, resource)
	default:
		return fail(restError{
			status: http.StatusMethodNotAllowed, Code: "PGRST117", Message: "Unsupported HTTP method: " + r.Method,
		})
	}
	if err != nil {
		return fail(databaseError(err, who.role))
	}
	if len(exposed) > 1 {
		answer.profile = profile
	}
	return answer, nil
}

// restRequest is a request with what was found out about it.
type restRequest struct {
	*http.Request
	who     identity
	schema  *schemaCache
	profile string // the schema that is asked for
}

// contentType is without its parameters, JSON if there is none.
func (r restRequest) contentType() string {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if kind = strings.ToLower(strings.TrimSpace(kind)); kind == "" {
		return "application/json"
	}
	return kind
}

// wantsOne says that the client takes an object, and no list.
func (r restRequest) wantsOne() bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/vnd.pgrst.object")
}

// chooseProfile reads the schema from the header that goes with the method.
func chooseProfile(r *http.Request, exposed []string) (string, *restError) {
	header := "Content-Profile"
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		header = "Accept-Profile"
	}
	profile := r.Header.Get(header)
	if profile == "" {
		return exposed[0], nil
	}
	if !slices.Contains(exposed, profile) {
		return "", &restError{
			status: http.StatusNotAcceptable, Code: "PGRST106", Message: "Invalid schema: " + profile,
			Hint: text("Only the following schemas are exposed: " + strings.Join(exposed, ", ")),
		}
	}
	return profile, nil
}

// restAnswer is one that was not refused.
type restAnswer struct {
	status      int
	contentType string // JSON if empty
	body        []byte
	rows        int         // of a list or object, for Content-Range
	header      http.Header // set by the function
	profile     string
}

func (a restAnswer) write(w http.ResponseWriter, r *http.Request) {
	if a.profile != "" {
		w.Header().Set("Content-Profile", a.profile)
	}
	if a.status == http.StatusOK {
		w.Header().Set("Content-Range", contentRange(a.rows))
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	contentType := a.contentType
	if contentType == "" {
		contentType = "application/json; charset=utf-8"
	}
	writeText(w, r, a.status, contentType, a.body)
}
