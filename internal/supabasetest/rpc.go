package supabasetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// callFunction is /rpc/{name}: arguments by name from a JSON object, or from the
// query of a GET, or one that is the whole body.
func (p *Project) callFunction(r restRequest, name string) (restAnswer, error) {
	wanted := call{schema: r.profile, name: name, contentType: r.contentType(), post: r.Method == http.MethodPost}
	var body []byte
	var err error
	switch r.Method {
	case http.MethodPost:
		body, err = io.ReadAll(r.Body)
		if err != nil {
			return restAnswer{}, errInvalidBody("Empty or invalid json")
		}
	case http.MethodGet, http.MethodHead:
		body, err = queryArguments(r.URL.Query())
	default:
		return restAnswer{}, restError{
			status: http.StatusMethodNotAllowed, Code: "PGRST101", Message: "Cannot use the " + r.Method + " method on RPC",
		}
	}
	if err != nil {
		return restAnswer{}, err
	}
	if !wanted.raw() {
		if wanted.contentType != "application/json" {
			return restAnswer{}, errInvalidBody("Content-Type not acceptable: " + wanted.contentType)
		}
		if len(body) == 0 {
			body = []byte("{}")
		}
		if wanted.arguments, err = argumentNames(body); err != nil {
			return restAnswer{}, err
		}
	}
	f, err := r.schema.find(wanted)
	if err != nil {
		return restAnswer{}, err
	}
	whole := f.takesWhole(wanted) && !f.takes(wanted)
	return p.run(r, f, wanted.arguments, whole, body)
}

// run calls a function in a transaction of its own.
func (p *Project) run(r restRequest, f *function, arguments []string, whole bool, body []byte) (restAnswer, error) {
	var answer restAnswer
	query := f.query(arguments, whole, p.options.MaxRows)
	var values []any
	switch {
	case whole && f.parameters[0].typeName == "bytea":
		values = append(values, body)
	case whole || len(arguments) > 0:
		values = append(values, string(body))
	}
	err := p.transact(r, f.settings, func(ctx context.Context, tx pgx.Tx) (err error) {
		answer, err = readAnswer(ctx, tx, query, values...)
		return err
	})
	if err != nil {
		return restAnswer{}, err
	}
	switch {
	case f.returns == "void":
		answer.body = nil
		if answer.status == http.StatusOK {
			answer.status = http.StatusNoContent
		}
	case f.mediaType() != "":
		answer.contentType = f.mediaType()
	case f.returnsSet && r.wantsOne():
		return onlyOne(answer)
	}
	return answer, nil
}

// onlyOne takes the object out of a list of one.
func onlyOne(answer restAnswer) (restAnswer, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(answer.body, &list); err != nil {
		return restAnswer{}, err
	}
	if len(list) != 1 {
		return restAnswer{}, restError{
			status: http.StatusNotAcceptable, Code: "PGRST116",
			Message: "Cannot coerce the result to a single JSON object",
			Details: text(fmt.Sprintf("The result contains %d rows", len(list))),
		}
	}
	answer.body = list[0]
	answer.contentType = "application/vnd.pgrst.object+json; charset=utf-8"
	return answer, nil
}

// mediaType is not empty if the function returns a domain that is named after
// one, whose bytes are the answer.
func (f *function) mediaType() string {
	if f.returnsSet || !strings.Contains(f.returns, "/") {
		return ""
	}
	return f.returns
}

// query calls a function with $1, from which PostgreSQL makes the arguments, and
// makes JSON of what it returns.
func (f *function) query(arguments []string, whole bool, maxRows int) string {
	name := pgx.Identifier{f.schema, f.name}.Sanitize()
	invocation := name + "()"
	source := ""
	if whole {
		invocation = name + "($1::" + f.parameters[0].typeName + ")"
	} else if len(arguments) > 0 {
		var columns, given []string
		for _, argument := range arguments {
			parameter := f.parameters[slices.IndexFunc(f.parameters, func(p parameter) bool { return p.name == argument })]
			quoted := pgx.Identifier{argument}.Sanitize()
			columns = append(columns, quoted+" "+parameter.typeName)
			prefix := ""
			if parameter.variadic {
				prefix = "variadic "
			}
			given = append(given, prefix+quoted+" := arguments."+quoted)
		}
		invocation = name + "(" + strings.Join(given, ", ") + ")"
		source = "json_to_record($1::json) as arguments(" + strings.Join(columns, ", ") + "), lateral "
	}
	switch {
	case f.mediaType() != "":
		return fmt.Sprintf("with result as (select one.value from %s(select %s as value) one) select value::bytea, 1, %s from result",
			source, invocation, chosenByDatabase)
	case !f.returnsSet && !f.composite:
		return fmt.Sprintf("with result as (select one.value from %s(select %s as value) one) "+
			"select coalesce(json_agg(value)->0, 'null')::text, 1, %s from result", source, invocation, chosenByDatabase)
	case !f.returnsSet:
		return fmt.Sprintf("with result as (select one.* from %s%s one) "+
			"select coalesce(json_agg(result)->0, 'null')::text, 1, %s from result", source, invocation, chosenByDatabase)
	}
	columns, item := "every.*", "result"
	if !f.composite {
		columns, item = "every.value", "result.value"
	}
	alias := "every"
	if !f.composite {
		alias = "every(value)"
	}
	return fmt.Sprintf("with result as (select %s from %s%s %s limit %d) "+
		"select coalesce(json_agg(%s), '[]')::text, count(*), %s from result",
		columns, source, invocation, alias, maxRows, item, chosenByDatabase)
}

// argumentNames are the keys of an object, sorted. Another value has none.
func argumentNames(body []byte) ([]string, error) {
	if !json.Valid(body) {
		return nil, errInvalidBody("Empty or invalid json")
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, errInvalidBody("Empty or invalid json")
	}
	return slices.Sorted(maps.Keys(object)), nil
}

// queryArguments makes an object of a query. PostgreSQL reads all types from
// strings.
func queryArguments(query url.Values) ([]byte, error) {
	arguments := map[string]string{}
	for name, values := range query {
		if name != "select" && name != "apikey" && len(values) > 0 {
			arguments[name] = values[0]
		}
	}
	return json.Marshal(arguments)
}
