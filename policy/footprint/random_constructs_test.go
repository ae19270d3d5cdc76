package footprint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// authorConstruct is one way in which a random policy says something. It is written
// weight times as often as one of weight 1. n is how deep terms may be in it, or the
// number of a rule. It gives "" where it cannot be written.
type authorConstruct struct {
	name   string
	weight int
	write  func(a *author, n int) string
}

// choose writes a construct of the table, every other time the preferred one if the table
// has it: a policy that has nothing else seldom compiles.
func (a *author) choose(table []authorConstruct, n int) string {
	if i := slices.IndexFunc(table, func(c authorConstruct) bool { return c.name == a.prefer }); i >= 0 && a.IntN(2) == 0 {
		if out := table[i].write(a, n); out != "" {
			a.written[table[i].name] = true
			return out
		}
	}
	total := 0
	for _, c := range table {
		total += c.weight
	}
	for {
		left := a.IntN(total)
		for _, c := range table {
			if left -= c.weight; left >= 0 {
				continue
			}
			if out := c.write(a, n); out != "" {
				a.written[c.name] = true
				return out
			}
			break
		}
	}
}

// ruleConstructs write the rule with a number.
func ruleConstructs() []authorConstruct {
	head := func(i int) string { return fmt.Sprintf("rule%d", i) }
	return []authorConstruct{
		{"rule: set", 1, func(a *author, i int) string { return a.definition(head(i) + " contains") }},
		{"rule: object", 1, func(a *author, i int) string {
			return a.definition(head(i) + "[" + a.one(`"a"`, `"b"`, "input.b") + "] :=")
		}},
		{"rule: value", 6, func(a *author, i int) string {
			out := ""
			if a.IntN(4) == 0 {
				out = fmt.Sprintf("default %s := {}\n", head(i))
			}
			for range 1 + a.IntN(5)/4 {
				out += a.definition(head(i) + " :=")
			}
			return out
		}},
	}
}

func (a *author) expr(depth int) string { return a.choose(exprConstructs(), depth) }

// exprConstructs write an expression of a body.
func exprConstructs() []authorConstruct {
	return []authorConstruct{
		{"expression: term", 3, func(a *author, depth int) string { return a.term(depth) }},
		{"expression: constant variable", 2, func(a *author, _ int) string {
			return a.variable() + a.one(" = ", " := ") + a.one(`"a"`, `"b"`)
		}},
		{"expression: variable", 6, func(a *author, depth int) string {
			term := a.term(depth)
			return a.variable() + " = " + term
		}},
		{"expression: comparison of terms", 2, func(a *author, depth int) string {
			return a.term(depth) + a.one(" == ", " != ", " = ") + a.term(depth)
		}},
		{"expression: comparison with a constant", 2, func(a *author, depth int) string {
			return a.term(depth) + a.one(" == 1", " != null", " == {}", ` == "a"`, " != {}")
		}},
		{"expression: type", 1, func(a *author, depth int) string { return "is_object(" + a.term(depth) + ")" }},
		{"expression: not", 1, func(a *author, depth int) string { return "not " + a.term(depth) }},
		{"expression: not of a comparison", 1, func(a *author, depth int) string {
			return "not " + a.term(depth) + " == " + a.term(depth)
		}},
		{"expression: some", 1, func(a *author, depth int) string {
			term := a.term(depth)
			name := a.variable()
			return "some " + name + " in " + term + "; " + name + " != 7"
		}},
		{"expression: every", 1, func(a *author, depth int) string {
			if depth <= 0 {
				return a.term(depth)
			}
			term := a.term(depth)
			outside := a.variables
			name := a.variable()
			text := "every " + name + " in " + term + " { " + name + " != 7; " + a.body(depth-1) + " }"
			a.variables = outside
			return text
		}},
		{"expression: pattern", 1, func(a *author, depth int) string {
			term := a.term(depth)
			return fmt.Sprintf(a.one("[%s, _] = ", `{"a": %s} = `, "[%s] = "), a.variable()) + term
		}},
	}
}

func (a *author) with() string {
	if a.IntN(6) > 0 && !strings.HasPrefix(a.prefer, "with: ") {
		return ""
	}
	return a.choose(withConstructs(), 0)
}

// withConstructs write a modifier.
func withConstructs() []authorConstruct {
	return []authorConstruct{
		{"with: document", 1, func(a *author, _ int) string {
			return " with " + a.one("input", "input.a", "input.a.b", "data.t", "data.p.rule3") + " as " + a.term(0)
		}},
		{"with: function", 1, func(a *author, _ int) string {
			if a.functions <= 1 {
				return " " // no modifier
			}
			replaced := 1 + a.IntN(a.functions-1)
			return fmt.Sprintf(" with f%d as f%d", replaced, a.IntN(replaced))
		}},
	}
}

func (a *author) term(depth int) string {
	if depth <= 0 {
		return a.document() + a.path()
	}
	return a.choose(termConstructs(), depth)
}

// termConstructs write a term.
func termConstructs() []authorConstruct {
	return []authorConstruct{
		{"term: reference", 12, func(a *author, _ int) string { return a.document() + a.path() }},
		{"term: constant", 1, func(a *author, _ int) string { return a.one("1", "null", "{}", "[]", "true", `"a"`) }},
		{"term: list or object", 1, func(a *author, depth int) string {
			return fmt.Sprintf(a.one("[%s]", `{"a": %s}`), a.term(depth-1))
		}},
		{"term: object.get", 3, func(a *author, depth int) string {
			return fmt.Sprintf("object.get(%s, %s, %s)", a.term(depth-1), a.one(`"a"`, `["a", "b"]`, `"b"`, "[]"), a.one("{}", "1", `{"a": 1}`, a.term(depth-2)))
		}},
		{"term: function of a name", 1, func(a *author, depth int) string {
			if a.functions == 0 {
				return ""
			}
			return fmt.Sprintf("f%d(%s, %s)", a.IntN(a.functions), a.term(depth-1), a.one(`"a"`, `"b"`, "input.b"))
		}},
		{"term: function of a term", 2, func(a *author, depth int) string {
			if a.functions == 0 {
				return ""
			}
			return fmt.Sprintf("f%d(%s, %s)", a.IntN(a.functions), a.term(depth-1), a.term(depth-1))
		}},
		{"term: computed name", 1, func(a *author, depth int) string { return fmt.Sprintf("%s[%s]", a.document(), a.term(depth-1)) }},
		{"term: type", 1, func(a *author, depth int) string { return fmt.Sprintf("is_object(%s)", a.term(depth-1)) }},
		{"term: object.union", 1, func(a *author, depth int) string { return fmt.Sprintf("object.union(%s, {})", a.term(depth-1)) }},
		{"term: comprehension", 1, func(a *author, depth int) string {
			outside := a.variables
			body := a.body(depth - 1)
			text := "[" + a.term(depth-1) + " | " + body + "]"
			a.variables = outside
			return text
		}},
	}
}

// documentConstructs write the beginning of a reference.
func documentConstructs() []authorConstruct {
	return []authorConstruct{
		{"document: input", 4, func(a *author, _ int) string { return "input." + a.one("a", "b") }},
		{"document: variable", 3, func(a *author, _ int) string {
			if len(a.variables) == 0 {
				return ""
			}
			return a.one(a.variables...)
		}},
		{"document: data", 1, func(*author, int) string { return "data.t" }},
		{"document: rule", 2, func(a *author, _ int) string {
			if a.rules > lastRule {
				return ""
			}
			return fmt.Sprintf("rule%d", a.rules+a.IntN(lastRule+1-a.rules))
		}},
	}
}

// TestRandomConstructs looks for each construct in the policies of a normal run, and for
// one with it of which a rule has different values for two documents.
func TestRandomConstructs(t *testing.T) {
	written := map[string]bool{}
	for seed := range uint64(800) {
		a := newAuthor(rand.New(rand.NewPCG(seed, 2)), "")
		a.policy()
		for name := range a.written {
			written[name] = true
		}
	}
	for _, c := range slices.Concat(ruleConstructs(), exprConstructs(), withConstructs(), termConstructs(), documentConstructs()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !written[c.name] {
				t.Error("no policy of a normal run has it")
			}
			for seed := range uint64(400) {
				a := newAuthor(rand.New(rand.NewPCG(seed, 3)), c.name)
				if source := a.policy(); a.written[c.name] && hasSeveralValues(t, source, seed) {
					return
				}
			}
			t.Error("no rule of a policy with it depends on a document")
		})
	}
}

// hasSeveralValues reports whether a rule of a policy has values that differ, errors apart.
func hasSeveralValues(t *testing.T, source string, seed uint64) bool {
	t.Helper()
	compiler := compileRandom(source)
	if compiler == nil {
		return false
	}
	random := documents{rand.New(rand.NewPCG(seed, 4)), []string{"a", "b"}}
	for i := range lastRule + 1 {
		seen := map[string]bool{}
		for range 10 {
			results, err := rego.New(
				rego.Query(fmt.Sprintf("data.p.rule%d", i)), rego.Compiler(compiler), rego.StrictBuiltinErrors(true),
				rego.Input(random.object(3)), rego.Store(inmem.NewFromObject(map[string]any{"t": random.object(2)})),
			).Eval(t.Context())
			if err == nil {
				seen[fmt.Sprint(results)] = true
			}
		}
		if len(seen) > 1 {
			return true
		}
	}
	return false
}
