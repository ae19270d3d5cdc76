package policy

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/cache/cachetest"
)

func TestPatternsAreFoundAgain(t *testing.T) {
	p := newPatterns(cache.Budget{})
	keys := []ast.Value{
		ast.String("a"), ast.String("1"), ast.Number("1"),
		ast.NewArray(ast.StringTerm("a")), ast.NewSet(ast.StringTerm("b")),
		ast.NewObject([2]*ast.Term{ast.StringTerm("a"), ast.StringTerm("b")}),
	}
	for i, key := range keys {
		p.Insert(key, i)
		p.GetCache("named").Insert(key, -i)
	}
	for i, key := range keys {
		if got, ok := p.Get(key); !ok || got != i {
			t.Errorf("%v: got %v, %t, want %d", key, got, ok, i)
		}
		if got, ok := p.GetCache("named").Get(key); !ok || got != -i {
			t.Errorf("%v, in a cache with a name: got %v, %t, want %d", key, got, ok, -i)
		}
		if _, ok := p.GetCache("other").Get(key); ok {
			t.Errorf("%v is in a cache that nothing was put in", key)
		}
	}
	p.Delete(keys[0])
	if _, ok := p.Get(keys[0]); ok {
		t.Error("what was deleted is there")
	}
	// Of the same hash, and not the same.
	p.kept.Set(patternKey{hash: keys[3].Hash()}, pattern{key: keys[4], compiled: 1})
	if _, ok := p.Get(keys[3]); ok {
		t.Error("a value of the same hash is taken for the other")
	}
	if p.GetCache("io_jwt") != nil {
		t.Error("tokens are kept by themselves")
	}
}

// TestSizesOfRegexps compares what compiled expressions are said to take with the heap.
func TestSizesOfRegexps(t *testing.T) {
	for name, text := range map[string]string{
		"literal":     strings.Repeat("abcdefgh", 100),
		"repetition":  "(abc){1000}",
		"nested":      "((a{10}b){10}c){10}",
		"classes":     strings.Repeat("[a-z0-9]", 200),
		"unicode":     strings.Repeat(`\p{L}`, 50),
		"optional":    "(a|b|c){0,500}",
		"any":         strings.Repeat(".*", 200),
		"ends of one": "^abc$",
	} {
		t.Run(name, func(t *testing.T) {
			const copies = 20
			made := make([]*regexp.Regexp, copies)
			before := cachetest.Heap()
			for i := range made {
				made[i] = regexp.MustCompile(text)
			}
			held := float64(cachetest.Heap()-before) / copies
			size := float64(sizeOfRegexp(text))
			runtime.KeepAlive(made)
			if t.Logf("%.0f of %.0f", size, held); size < 0.8*held || size > 8*held {
				t.Errorf("%.0f bytes are counted where %.0f are held", size, held)
			}
		})
	}
}
