package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/p2p-ai-agents/stowage/sdk/schema"
)

// shortSecret is the length in bytes below which a secret is only replaced
// where it stands as a word of its own: a port number from the environment
// should not tear other numbers apart.
const shortSecret = 5

// secrets are the texts that must not appear in a diagnostic that somebody
// else has worded: hcl, or a plugin.
type secrets struct {
	texts []string // longest first, each once
}

func (s *secrets) add(text string) {
	for _, form := range []string{text, quotedInside(text)} {
		if strings.TrimSpace(form) == "" || slices.Contains(s.texts, form) {
			continue
		}
		at, _ := slices.BinarySearchFunc(s.texts, form, func(have, want string) int { return len(want) - len(have) })
		s.texts = slices.Insert(s.texts, at, form)
	}
}

// quotedInside is how a text looks after %q.
func quotedInside(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// addSensitive adds every sensitive value of a validated body.
func (s *secrets) addSensitive(sch *schema.Schema, body cty.Value) {
	if body.IsNull() {
		return
	}
	for i := range sch.Attributes {
		if a := &sch.Attributes[i]; a.Sensitive {
			s.addLeaves(body.GetAttr(a.Name))
		}
	}
	for i := range sch.Blocks {
		b := &sch.Blocks[i]
		nested := body.GetAttr(b.Name)
		switch {
		case nested.IsNull():
		case b.Nesting == schema.NestingSingle:
			s.addSensitive(&b.Body, nested)
		default:
			for it := nested.ElementIterator(); it.Next(); {
				_, elem := it.Element()
				s.addSensitive(&b.Body, elem)
			}
		}
	}
}

func (s *secrets) addLeaves(v cty.Value) {
	switch {
	case v.IsNull() || v.Type() == cty.Bool:
	case v.Type() == cty.String:
		s.add(v.AsString())
	case v.Type() == cty.Number:
		s.add(v.AsBigFloat().Text('f', -1))
	default:
		for it := v.ElementIterator(); it.Next(); {
			key, elem := it.Element()
			if key.Type() == cty.String {
				s.add(key.AsString())
			}
			s.addLeaves(elem)
		}
	}
}

// scrub replaces every secret in a text.
func (s *secrets) scrub(text string) string {
	for _, secret := range s.texts {
		if len(secret) >= shortSecret {
			text = strings.ReplaceAll(text, secret, schema.Redacted)
		} else {
			text = replaceWord(text, secret)
		}
	}
	return text
}

func replaceWord(text, word string) string {
	var out strings.Builder
	for {
		at := strings.Index(text, word)
		if at < 0 {
			out.WriteString(text)
			return out.String()
		}
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		after, _ := utf8.DecodeRuneInString(text[at+len(word):])
		out.WriteString(text[:at])
		if inWord(before) || inWord(after) {
			out.WriteString(word)
		} else {
			out.WriteString(schema.Redacted)
		}
		text = text[at+len(word):]
	}
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
