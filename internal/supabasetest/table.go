package supabasetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// readTable knows select with columns, eq filters, order, limit and offset.
func (p *Project) readTable(r restRequest, table string) (restAnswer, error) {
	if err := r.schema.hasTable(r.profile, table); err != nil {
		return restAnswer{}, err
	}
	columns, where, order, limit := "*", "", "", ""
	var values []any
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		given := query.Get(name)
		switch name {
		case "apikey":
		case "select":
			if given != "*" && given != "" {
				columns = quoteAll(strings.Split(given, ","))
			}
		case "order":
			order = " order by " + orderBy(given)
		case "limit", "offset":
			number, err := strconv.Atoi(given)
			if err != nil || number < 0 {
				return restAnswer{}, restError{
					status: http.StatusBadRequest, Code: "PGRST100", Message: fmt.Sprintf("%q (line 1, column 1)", given),
					Details: text("unexpected value of " + name),
				}
			}
			if name == "limit" {
				number = min(number, p.options.MaxRows)
			}
			limit += fmt.Sprintf(" %s %d", name, number)
		default:
			value, isEqual := strings.CutPrefix(given, "eq.")
			if !isEqual {
				return restAnswer{}, restError{
					status: http.StatusBadRequest, Code: "PGRST100",
					Message: fmt.Sprintf("%q (line 1, column 1)", "failed to parse filter ("+given+")"),
					Details: text("only eq is known here"),
				}
			}
			values = append(values, value)
			glue := " and "
			if where == "" {
				glue = " where "
			}
			where += fmt.Sprintf("%s%s = $%d", glue, pgx.Identifier{name}.Sanitize(), len(values))
		}
	}
	if !query.Has("limit") {
		limit = fmt.Sprintf(" limit %d%s", p.options.MaxRows, limit)
	}
	statement := fmt.Sprintf(
		"with result as (select %s from %s%s%s%s) select coalesce(json_agg(result), '[]')::text, count(*), %s from result",
		columns, pgx.Identifier{r.profile, table}.Sanitize(), where, order, limit, chosenByDatabase,
	)
	var answer restAnswer
	err := p.transact(r, nil, func(ctx context.Context, tx pgx.Tx) (err error) {
		answer, err = readAnswer(ctx, tx, statement, values...)
		return err
	})
	if err == nil && r.wantsOne() {
		return onlyOne(answer)
	}
	return answer, err
}

// insertInto inserts the object or the objects of the body.
func (p *Project) insertInto(r restRequest, table string) (restAnswer, error) {
	if err := r.schema.hasTable(r.profile, table); err != nil {
		return restAnswer{}, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return restAnswer{}, errInvalidBody("Empty or invalid json")
	}
	if strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		body = slices.Concat([]byte("["), body, []byte("]"))
	}
	var objects []map[string]json.RawMessage
	if err := json.Unmarshal(body, &objects); err != nil || len(objects) == 0 {
		return restAnswer{}, errInvalidBody("Empty or invalid json")
	}
	columns := quoteAll(slices.Sorted(maps.Keys(objects[0])))
	name := pgx.Identifier{r.profile, table}.Sanitize()
	insert := fmt.Sprintf(
		"insert into %s(%s) select %s from json_populate_recordset(null::%s, $1::json)", name, columns, columns, name,
	)
	statement := insert
	wantsRows := strings.Contains(r.Header.Get("Prefer"), "return=representation")
	if wantsRows {
		statement = fmt.Sprintf(
			"with result as (%s returning *) select coalesce(json_agg(result), '[]')::text, count(*), %s from result",
			insert, chosenByDatabase,
		)
	}
	answer := restAnswer{}
	err = p.transact(r, nil, func(ctx context.Context, tx pgx.Tx) (err error) {
		if wantsRows {
			answer, err = readAnswer(ctx, tx, statement, string(body))
		} else {
			_, err = tx.Exec(ctx, statement, string(body))
		}
		return err
	})
	answer.status = http.StatusCreated
	return answer, err
}

func (s *schemaCache) hasTable(schema, table string) error {
	if slices.Contains(s.tables[schema], table) {
		return nil
	}
	return restError{
		status: http.StatusNotFound, Code: "PGRST205",
		Message: "Could not find the table '" + schema + "." + table + "' in the schema cache",
	}
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = pgx.Identifier{strings.TrimSpace(name)}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}

// orderBy reads "a,b.desc".
func orderBy(given string) string {
	var terms []string
	for term := range strings.SplitSeq(given, ",") {
		column, direction, _ := strings.Cut(term, ".")
		quoted := pgx.Identifier{column}.Sanitize()
		if strings.HasPrefix(direction, "desc") {
			quoted += " desc"
		}
		terms = append(terms, quoted)
	}
	return strings.Join(terms, ", ")
}
