package footprint

import (
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// TestRulesOfOneName holds rules that are called alike and differ in kind, whose
// heads OPA cannot compare: only one of them has a key.
func TestRulesOfOneName(t *testing.T) {
	for name, sources := range map[string][]string{
		"field of an object, with and without a condition": {`package p
			r.name := input.a.b
			r.name := "x" if input.a.c == "ci"`},
		"a set and a boolean of two packages":  {"package p\nr if data.q.r[\"x\"]", "package q\nr contains \"x\" if input.a.b"},
		"a boolean and a set of two packages":  {"package q\nr contains \"x\" if input.a.b", "package p\nr if data.q.r[\"x\"]"},
		"an object and a set of two packages":  {"package p\nr[\"a\"] := 1 if data.q.r[\"x\"]", "package q\nr contains \"x\" if input.a.b"},
		"a function and a set of two packages": {"package p\nr := data.q.f(data.s.f)", "package q\nf(x) := x", "package s\nf contains input.a"},
		"a default and a rule":                 {"package p\ndefault r := false\nr if input.a == data.q.r", "package q\ndefault r := 1"},
		"a rule with two bodies":               {"package p\nr if { input.a } { data.q.r }", "package q\nr contains 1"},
		"two bodies of a set":                  {"package p\nr contains 1 if { input.a } { input.b } { input.c }"},
		"an else and a set":                    {"package p\nr := 1 if input.a else := 2 if data.q.r", "package q\nr contains 3 if input.b"},
	} {
		t.Run(name, func(t *testing.T) {
			modules := map[string]*ast.Module{}
			for i, source := range sources {
				file := fmt.Sprintf("m%d.rego", i)
				modules[file] = parse(t, file, source)
			}
			compiler := ast.NewCompiler()
			if compiler.Compile(modules); compiler.Failed() {
				t.Fatal(compiler.Errors)
			}
			first := Of(compiler, ast.MustParseRef("data.p.r"))
			meaning, arrangement := first.Hashes()
			for range 20 {
				again := Of(compiler, ast.MustParseRef("data.p.r"))
				if m, a := again.Hashes(); m != meaning || a != arrangement {
					t.Fatalf("the fingerprints of equal rules differ: the rules are %v and %v", first.Rules, again.Rules)
				}
			}
		})
	}
}

// TestCompareRules compares every two rules of a module, in both orders, as if
// they had one location.
func TestCompareRules(t *testing.T) {
	module := parse(t, "m.rego", `package p
		r if input.a
		r := 1
		r := 2 if input.b
		r contains 1
		r contains 2 if input.b
		r["a"] := 1
		r["a"] contains 1
		r.a.b if input.c
		f(x) := x
		f(1)
		default r := 1`)
	for _, x := range module.Rules {
		for _, y := range module.Rules {
			x.Location, y.Location = nil, nil
			if a, b := compareRules(x, y), compareRules(y, x); a != -b || (x == y) != (a == 0) {
				t.Errorf("%v against %v is %d, and %d in the other order", x, y, a, b)
			}
		}
	}
}
