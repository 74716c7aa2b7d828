package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

const (
	functionEnv  = "env"
	functionFile = "file"
)

func functionNames() []string { return []string{functionEnv, functionFile} }

func isFunction(name string) bool { return name == functionEnv || name == functionFile }

// fromOutside marks the results of env() and file(). schema.Validate does not
// quote marked values.
const fromOutside = "from outside the configuration"

// envFunction is env("NAME"): the value of a variable of the host's
// environment, which must be set but may be empty.
func envFunction(d *document) function.Function {
	return textFunction("name", func(name string, secret bool) (string, error) {
		value, ok := d.lookupEnv(name)
		shown := "The environment variable " + name
		if secret {
			shown = "The environment variable"
		}
		switch {
		case !ok:
			return "", &callProblem{"Environment variable not set", shown + " is not set. Set it for the process of the host, or read the value with file()."}
		case !utf8.ValidString(value):
			return "", &callProblem{"Environment variable not usable", shown + " does not hold UTF-8 text."}
		}
		d.secrets.add(value)
		return value, nil
	})
}

// fileFunction is file("path"): the content of a file without the newline at
// its end.
func fileFunction(d *document) function.Function {
	return textFunction("path", func(path string, secret bool) (string, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(d.dir, path)
		}
		shown := "The file " + path
		if secret {
			shown = "The file"
		}
		data, err := readBounded(path)
		switch {
		case err != nil:
			return "", &callProblem{"File cannot be read", fmt.Sprintf("%s cannot be read: %v.", shown, cause(err))}
		case !utf8.Valid(data):
			return "", &callProblem{"File not usable", shown + " does not hold UTF-8 text."}
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
		d.secrets.add(text)
		return text, nil
	})
}

// textFunction makes a function from a string to a string that comes from
// outside. secret says that the argument comes from there as well.
func textFunction(param string, f func(arg string, secret bool) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: param, Type: cty.String, AllowMarked: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			arg, marks := args[0].Unmark()
			text, err := f(arg.AsString(), len(marks) > 0)
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return cty.StringVal(text).Mark(fromOutside), nil
		},
	})
}
