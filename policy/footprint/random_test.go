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

var (
	policies  = flag.Uint("policies", 800, "how many generated policies TestNeverTooSmallForRandomPolicies tries")
	construct = flag.String("construct", "", "the `name` of a construct that generated policies have often, such as \"term: object.get\"; empty: none")
)

// TestNeverTooSmallForRandomPolicies goes on from TestNeverTooSmall with random
// policies. Most of them make little sense; those that do not compile are left out.
func TestNeverTooSmallForRandomPolicies(t *testing.T) {
	compiled := 0
	for seed := range uint64(*policies) {
		random := rand.New(rand.NewPCG(seed, 2))
		source := newAuthor(random, *construct).policy()
		compiler := compileRandom(source)
		if compiler == nil {
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

// compileRandom compiles a random policy, nil where it does not compile.
func compileRandom(source string) *ast.Compiler {
	module, err := ast.ParseModuleWithOpts("a.rego", source, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil
	}
	// Types are left unchecked: a field of a number is as good a test.
	compiler := ast.NewCompiler().WithSkipStages(ast.StageCheckTypes)
	if compiler.Compile(map[string]*ast.Module{"a.rego": module}); compiler.Failed() {
		return nil
	}
	return compiler
}

// author writes policies. A function calls those before it, and a rule reads
// those after it.
type author struct {
	*rand.Rand
	variables []string // in scope
	count     int      // of variables
	functions int      // that may be called, counted from 0
	rules     int      // the first that may be referred to
	// prefer is the name of the construct to write wherever it is possible, empty for
	// any; written are those that were written.
	prefer  string
	written map[string]bool
}

const lastRule = 3

func newAuthor(random *rand.Rand, prefer string) *author {
	return &author{Rand: random, prefer: prefer, written: map[string]bool{}}
}

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
		b.WriteString(a.choose(ruleConstructs(), i))
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

// document is what a path can begin with.
func (a *author) document() string {
	return a.choose(documentConstructs(), 0)
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
