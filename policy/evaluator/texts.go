package evaluator

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// texts makes the terms of strings that an evaluation puts together, such as the
// reasons of a decision. Their characters lie together, and so do the terms: a
// string by itself would be three allocations. A string that
// is kept keeps those beside it in memory.
type texts struct {
	chars strings.Builder
	terms []ast.Term
	last  [recentTexts]*ast.Term
	next  int
}

const (
	// recentTexts is the number of texts that a new one is compared with: grants of one
	// role, for example, give the same text again and again.
	recentTexts = 4
	// firstTexts is the room for characters at first, in bytes; it is doubled up to
	// mostTexts.
	firstTexts, mostTexts = 128, 512
	termChunk             = 8
)

// term is the term of the string that out spells.
func (t *texts) term(out []byte) *ast.Term {
	for _, known := range t.last {
		if known == nil {
			break
		}
		if s, ok := known.Value.(ast.String); ok && string(s) == string(out) {
			return known
		}
	}
	var s string
	if len(out) > mostTexts/2 {
		s = string(out)
	} else {
		if t.chars.Len()+len(out) > t.chars.Cap() {
			room := min(max(firstTexts, 2*t.chars.Cap()), mostTexts)
			t.chars.Reset()
			t.chars.Grow(max(room, len(out)))
		}
		from := t.chars.Len()
		t.chars.Write(out)
		s = t.chars.String()[from:]
	}
	if len(t.terms) == 0 {
		t.terms = make([]ast.Term, termChunk)
	}
	made := &t.terms[0]
	t.terms = t.terms[1:]
	made.Value = ast.String(s)
	t.last[t.next] = made
	t.next = (t.next + 1) % recentTexts
	return made
}
