package expression_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/p2p-ai-agents/stowage/host/expression"
)

var update = flag.Bool("update", false, "rewrite the golden file in testdata")

// TestWrongExpressions compiles every line of testdata/wrong.txt and compares
// what an operator would read.
func TestWrongExpressions(t *testing.T) {
	src, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(src)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			fmt.Fprintln(&got, line)
			continue
		}
		p, diags := expression.Compile("x", []byte(line), hcl.InitialPos)
		if p != nil || !diags.HasErrors() {
			t.Errorf("%s: nothing is wrong", line)
		}
		fmt.Fprintln(&got, line)
		for _, d := range diags {
			if d.Subject == nil || d.Subject.Start.Byte > len(line) || d.Subject.End.Byte > len(line) {
				t.Errorf("%s: no place in it: %v", line, d)
				continue
			}
			before, marked := line[:d.Subject.Start.Byte], line[d.Subject.Start.Byte:d.Subject.End.Byte]
			fmt.Fprintf(&got, "%s%s\n", strings.Repeat(" ", utf8.RuneCountInString(before)), strings.Repeat("^", max(1, utf8.RuneCountInString(marked))))
			fmt.Fprintf(&got, "    %s: %s\n", d.Summary, d.Detail)
		}
	}
	const golden = "testdata/wrong.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnErrorTellsLineAndColumn(t *testing.T) {
	_, err := expression.CompileText("size > 1\n  ? backend.a\n  : now()")
	if err == nil || !strings.Contains(err.Error(), "3,5-10: Not a property of the object; now() may not appear") {
		t.Errorf("got %v", err)
	}
	var diags hcl.Diagnostics
	if !errors.As(err, &diags) || len(diags) != 1 {
		t.Errorf("the error holds no diagnostics: %v", err)
	}
}

func TestPositionsStartWhereTheExpressionStands(t *testing.T) {
	_, diags := expression.Compile("config.hcl", []byte("siz > 1 ? backend.a : backend.b"), hcl.Pos{Line: 7, Column: 11, Byte: 120})
	if at := diags[0].Subject; at.Filename != "config.hcl" || at.Start != (hcl.Pos{Line: 7, Column: 11, Byte: 120}) || at.End.Column != 14 {
		t.Errorf("it is at %v", at)
	}
}

func TestTheLengthOfAnExpressionIsBounded(t *testing.T) {
	const short = "backend.a"
	if _, err := expression.CompileText(short + strings.Repeat(" ", expression.MaxSource-len(short))); err != nil {
		t.Error(err)
	}
	_, err := expression.CompileText(short + strings.Repeat(" ", expression.MaxSource+1-len(short)))
	if err == nil || !strings.Contains(err.Error(), "16385 bytes; at most 16384") {
		t.Errorf("one byte more: %v", err)
	}
}

func TestDeepNestingIsNoHarm(t *testing.T) {
	deep := strings.Repeat("(", 5000) + "size > 1" + strings.Repeat(")", 5000) + " ? backend.a : backend.b"
	if got := placed(t, deep, object); got != "backend.a" {
		t.Errorf("got %s", got)
	}
	chain := strings.Repeat("size>1?backend.a:", 900) + "backend.b"
	if got := placed(t, chain, expression.Attributes{}); got != "backend.b" {
		t.Errorf("got %s", got)
	}
	if _, err := expression.CompileText(strings.Repeat("!", 16000)); err == nil {
		t.Error("nothing is not an operand")
	}
}
