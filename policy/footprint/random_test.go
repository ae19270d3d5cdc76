package footprint

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

var policies = flag.Uint("policies", 800, "how many generated policies TestNeverTooSmallForRandomPolicies tries")

// TestNeverTooSmallForRandomPolicies goes on from TestNeverTooSmall with
// policies that nobody thought of. Most of them make little sense; those that
// do not compile are left out.
func TestNeverTooSmallForRandomPolicies(t *testing.T) {
	compiled := 0
	for seed := range uint64(*policies) {
		random := rand.New(rand.NewPCG(seed, 2))
		source := (&author{Rand: random}).policy()
		module, err := ast.ParseModuleWithOpts("a.rego", source, ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil {
			continue
		}
		// Types are left unchecked: a field of a number is as good a test.
		compiler := ast.NewCompiler().WithSkipStages(ast.StageCheckTypes)
		if compiler.Compile(map[string]*ast.Module{"a.rego": module}); compiler.Failed() {
			continue
		}
		compiled++
		entry := ast.MustParseRef(fmt.Sprintf("data.p.rule%d", random.IntN(lastRule+1)))
		compareReads(t, source, compiler, entry, documents{random, []string{"a", "b"}}, 20)
	}
	if uint(compiled)*8 < *policies {
		t.Errorf("%d of %d policies compiled", compiled, *policies)
	}
}

// author writes policies. A function calls those before it, and a rule reads
// those after it.
type author struct {
	*rand.Rand
	variables []string // in scope
	count     int      // of variables
	functions int      // that may be called, counted from 0
	rules     int      // the first that may be referred to
}

const lastRule = 3

func (a *author) policy() string {
	var b strings.Builder
	b.WriteString("package p\n")
	for i := range 3 {
		a.functions, a.rules = i, lastRule+1
		for range 1 + a.IntN(5)/4 {
			b.WriteString(a.definition(fmt.Sprintf("f%d(x, y) :=", i), "x", "y"))
		}
		if a.IntN(6) == 0 {
			fmt.Fprintf(&b, "default f%d(_, _) := {}\n", i)
		}
	}
	a.functions = 3
	for i := lastRule; i >= 0; i-- {
		a.rules = i + 1
		name := fmt.Sprintf("rule%d", i)
		switch a.IntN(8) {
		case 0:
			b.WriteString(a.definition(name + " contains"))
		case 1:
			b.WriteString(a.definition(name + "[" + a.one(`"a"`, `"b"`, "input.b") + "] :="))
		default:
			if a.IntN(4) == 0 {
				fmt.Fprintf(&b, "default %s := {}\n", name)
			}
			for range 1 + a.IntN(5)/4 {
				b.WriteString(a.definition(name + " :="))
			}
		}
	}
	return b.String()
}

func (a *author) definition(head string, parameters ...string) string {
	a.variables = parameters
	body := a.body(a.IntN(3))
	text := head + " " + a.term(1) + " if { " + body + " }"
	for strings.HasSuffix(head, ":=") && !strings.Contains(head, "[") && a.IntN(4) == 0 {
		a.variables = parameters
		body := a.body(1)
		text += " else := " + a.term(1) + " if { " + body + " }"
	}
	return text + "\n"
}

func (a *author) body(depth int) string {
	exprs := make([]string, 1+a.IntN(2))
	for i := range exprs {
		exprs[i] = a.expr(depth) + a.with()
	}
	return strings.Join(exprs, "; ")
}

func (a *author) expr(depth int) string {
	term := a.term(depth)
	switch n := a.IntN(20); {
	case n >= 18:
		return a.variable() + a.one(" = ", " := ") + a.one(`"a"`, `"b"`)
	case n < 6:
		return a.variable() + " = " + term
	case n < 8:
		return term + a.one(" == ", " != ", " = ") + a.term(depth)
	case n < 10:
		return term + a.one(" == 1", " != null", " == {}", ` == "a"`, " != {}")
	case n == 10:
		return "is_object(" + term + ")"
	case n == 11:
		return "not " + term
	case n == 12:
		return "not " + term + " == " + a.term(depth)
	case n == 13:
		name := a.variable()
		return "some " + name + " in " + term + "; " + name + " != 7"
	case n == 14 && depth > 0:
		outside := a.variables
		name := a.variable()
		text := "every " + name + " in " + term + " { " + name + " != 7; " + a.body(depth-1) + " }"
		a.variables = outside
		return text
	case n == 15:
		return fmt.Sprintf(a.one("[%s, _] = ", `{"a": %s} = `, "[%s] = "), a.variable()) + term
	}
	return term
}

func (a *author) with() string {
	switch n := a.IntN(12); {
	case n == 0:
		return " with " + a.one("input", "input.a", "input.a.b", "data.t", "data.p.rule3") + " as " + a.term(0)
	case n == 1 && a.functions > 1:
		replaced := 1 + a.IntN(a.functions-1)
		return fmt.Sprintf(" with f%d as f%d", replaced, a.IntN(replaced))
	}
	return ""
}

func (a *author) term(depth int) string {
	if depth <= 0 {
		return a.document() + a.path()
	}
	switch n := a.IntN(24); {
	case n == 0:
		return a.one("1", "null", "{}", "[]", "true", `"a"`)
	case n == 1:
		return fmt.Sprintf(a.one("[%s]", `{"a": %s}`), a.term(depth-1))
	case n < 5:
		return fmt.Sprintf("object.get(%s, %s, %s)", a.term(depth-1), a.one(`"a"`, `["a", "b"]`, `"b"`, "[]"), a.one("{}", "1", `{"a": 1}`, a.term(depth-2)))
	case n == 5 && a.functions > 0:
		return fmt.Sprintf("f%d(%s, %s)", a.IntN(a.functions), a.term(depth-1), a.one(`"a"`, `"b"`, "input.b"))
	case n < 8 && a.functions > 0:
		return fmt.Sprintf("f%d(%s, %s)", a.IntN(a.functions), a.term(depth-1), a.term(depth-1))
	case n == 8:
		return fmt.Sprintf("%s[%s]", a.document(), a.term(depth-1))
	case n == 9:
		return fmt.Sprintf("is_object(%s)", a.term(depth-1))
	case n == 10:
		return fmt.Sprintf("object.union(%s, {})", a.term(depth-1))
	case n == 11:
		outside := a.variables
		body := a.body(depth - 1)
		text := "[" + a.term(depth-1) + " | " + body + "]"
		a.variables = outside
		return text
	}
	return a.document() + a.path()
}

// document is what a path can begin with.
func (a *author) document() string {
	switch n := a.IntN(10); {
	case n < 3 && len(a.variables) > 0:
		return a.one(a.variables...)
	case n == 3:
		return "data.t"
	case n < 6 && a.rules <= lastRule:
		return fmt.Sprintf("rule%d", a.rules+a.IntN(lastRule+1-a.rules))
	}
	return "input." + a.one("a", "b")
}

func (a *author) path() string {
	if len(a.variables) > 0 && a.IntN(5) == 0 {
		return "[" + a.one(a.variables...) + "]" + a.one("", ".a", ".b")
	}
	return a.one("", ".a", ".b", ".a", ".b", ".a.b", ".a", ".b", "[_].a", ".b[_].a", ".a[_]", "[0].b")
}

// variable brings a new variable into scope.
func (a *author) variable() string {
	a.count++
	name := fmt.Sprintf("v%d", a.count)
	a.variables = append(slices.Clip(a.variables), name)
	return name
}

func (a *author) one(of ...string) string { return of[a.IntN(len(of))] }
