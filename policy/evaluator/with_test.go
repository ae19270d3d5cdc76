package evaluator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// agree compares the program's own answer with the interpreter's. It reports whether
// the program gave one.
func agree(t *testing.T, i interpreted, c compiled, input ast.Value) bool {
	t.Helper()
	want, wantErr := i.Evaluate(t.Context(), input)
	got, gotErr := c.run(t.Context(), input)
	switch {
	case gotErr != nil:
		return false
	case wantErr != nil:
		t.Errorf("got %v for %v, want error %v", got, input, wantErr)
	case !equalValues(got, want):
		t.Errorf("got %v for %v, want %v", got, input, want)
	}
	return true
}

// compileBoth prepares data.p.r of a package, both ways. refused says why there is no
// program.
func compileBoth(tb testing.TB, source, data string) (i interpreted, c compiled, refused error) {
	tb.Helper()
	module, err := ast.ParseModule("p.rego", source)
	if err != nil {
		tb.Fatalf("%v\n%s", err, source)
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"p.rego": module}); compiler.Failed() {
		tb.Fatalf("%v\n%s", compiler.Errors, source)
	}
	root := ast.MustParseTerm(data).Value.(ast.Object)
	ref := ast.MustParseRef("data.p.r")
	interpreter, err := NewInterpreter(compiler, ref, nil, false)
	if err != nil {
		tb.Fatal(err)
	}
	program, err := NewCompiled(tb.Context(), compiler, ref, nil, nil)
	return interpreted{interpreter, root}, compiled{program, root}, err
}

const replacedRules = `package p

is_admin(u) if u == "root"

double(x) := x * 2

triple(x) := x * 3

total(_) := 9

names contains n if some n in data.base.names

allowed if {
	input.user == "alice"
	not is_admin(input.user)
}

seen := [input.user, input.n, double(input.n), count(names), is_admin(input.user), data.base.list, upper(input.user), data.virtual.x, [y | some y in data.base.names]]

decided := {"allowed": allowed, "seen": seen}

default is_admin(_) := false

allowed := false if input.n == 0
`

// modifiers stand for each kind: documents as a whole and in part, overlapping ones,
// a document of rules, functions replaced by values, functions and builtin functions,
// builtin functions replaced.
var modifiers = []string{
	`with input as {"user": "mallory", "n": 5}`,
	`with input.user as "bob"`,
	`with data.base.names as ["x", "y", "z"]`,
	`with data.base as {"names": ["b"], "list": 1}`,
	`with data.virtual.x as "replaced"`,
	`with data.p.names as {"n1", "n2"}`,
	`with is_admin as false`,
	`with double as triple`,
	`with count as total`,
	`with data.p.double as input.n`,
}

// TestOrdersOfWith compares all orders of up to three modifiers.
func TestOrdersOfWith(t *testing.T) {
	data := `{"base": {"names": ["a", "b"], "list": [1, 2]}, "virtual": {"x": "x"}}`
	input := ast.MustParseTerm(`{"user": "alice", "n": 2}`).Value
	var orders [][]string
	for i, a := range modifiers {
		orders = append(orders, []string{a})
		for j, b := range modifiers {
			if i == j {
				continue
			}
			orders = append(orders, []string{a, b})
			for k, c := range modifiers {
				if k != i && k != j {
					orders = append(orders, []string{a, b, c})
				}
			}
		}
	}
	answered, refused := 0, map[string]int{}
	for _, order := range orders {
		with := strings.Join(order, " ")
		i, c, err := compileBoth(t, replacedRules+"\nr := x if x := decided "+with+"\n", data)
		if err != nil {
			refused[err.Error()]++
			continue
		}
		if agree(t, i, c, input) {
			answered++
		}
		if t.Failed() {
			t.Fatalf("with the order %s", with)
		}
	}
	t.Logf("%d of %d orders were answered by the program, refused: %v", answered, len(orders), refused)
	if answered*10 < len(orders)*9 {
		t.Errorf("the program answered %d of %d orders", answered, len(orders))
	}
}

// A modifier of a function before one of a document has let in who must not come in.
func TestReplacedFunctionBeforeDocument(t *testing.T) {
	rules := `package p

is_admin(u) if u == "root"

allowed if {
	input.user == "alice"
	not is_admin(input.user)
}

default r := false

r if { allowed %s }
`
	for _, with := range []string{
		`with is_admin as false with input.user as "mallory"`,
		`with input.user as "mallory" with is_admin as false`,
		`with is_admin as false with input as {"user": "mallory"}`,
		`with is_admin as false with input.user as "root" with input.user as "mallory"`,
	} {
		t.Run(with, func(t *testing.T) {
			i, c, err := compileBoth(t, fmt.Sprintf(rules, with), `{}`)
			if err != nil {
				t.Fatal(err)
			}
			input := ast.MustParseTerm(`{"user": "alice"}`).Value
			if !agree(t, i, c, input) {
				t.Error("the program gave no answer")
			}
			if got, err := c.Evaluate(t.Context(), input); err != nil || got.Compare(ast.Boolean(false)) != 0 {
				t.Errorf("got %v and error %v, want false", got, err)
			}
		})
	}
}

// Functions are replaced by values that are known where the modifier is.
func TestFunctionsReplacedByLocalValues(t *testing.T) {
	for _, rules := range []string{
		"r := [x | some v in input.list; x := t with f as v]\n\nt := [f(1), u]\n\nu := f(2)",
		"r := [x | some v in input.list; x := t with f as [v, input.n]]\n\nt := f(1)[0]",
		"r := [x | some v in input.list; x := t with f as {\"k\": v} with input.n as v]\n\nt := [f(1).k, input.n]",
		"r := [x | some v in input.list; some w in [1, 2]; x := t with f as v with g as w]\n\nt := [f(1), g(1), u]\n\nu := h(f(1))\n\nh(x) := [x, g(x)]",
		"r := [x | some v in input.list; x := t with f as v]\n\nt := [f(1), x] if x := u with g as f(2)\n\nu := [f(3), g(4)]",
		"r contains v if { some v in input.list; t with f as v }\n\nt if f(1)",
		"r contains v if { some v in input.list; not t with f as v }\n\nt if f(1)",
		"r := count([x | some v in numbers.range(1, 100); x := t with f as v])\n\nw := f(1)\n\nu := w + w\n\nt := u",
		"r := [x | some v in input.list; x := t with upper as v]\n\nt := upper(\"a\")",
		"r := x if { v := input.none; x := t with f as v }\n\nt := f(1)",
	} {
		t.Run(rules, func(t *testing.T) {
			i, c, err := compileBoth(t, "package p\n\n"+rules+"\n\nf(x) := x\n\ng(x) := x\n", `{}`)
			if err != nil {
				t.Fatal(err)
			}
			for _, input := range []string{`{"list": [1, 1.0, "a", false, {"b": [1]}, null, 1], "n": 7}`, `{"list": [true, true, 2], "n": 0}`} {
				if !agree(t, i, c, ast.MustParseTerm(input).Value) {
					t.Error("the program gave no answer")
				}
			}
		})
	}
}
