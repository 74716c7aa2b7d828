package routing

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// checks is how often the models run if -rapid.checks does not say.
const checks = "40"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", checks); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
