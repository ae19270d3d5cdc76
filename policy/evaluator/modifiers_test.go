package evaluator

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// seen is what rules may look at while modifiers hold.
var seen = []string{
	`["input", input]`, `["f", x] if x := f(input.n)`, `["f holds"] if f(1)`, `["f does not"] if not f(input.s)`, `["f, twice", f(f(1))]`, `["g", g(input.s)]`, `["g", "holds"] if g(input.n)`,
	`["h", h(input.n, input.s)]`, `["h holds"] if h(1, "a")`, `["base", data.base]`, `["obj", data.base.obj]`, `["list", [x | some x in data.base.list]]`, `["item", data.base.list[input.n]]`,
	`["key", data.base[input.s]]`, `["key of obj", data.base.obj[input.s]]`, `["keys", {k: v | some k; v := data.base[k]}]`, `["pairs", [[k, v] | some k; v := data.base.obj[k]]]`,
	`["deep", [[k, j, v] | some k, j; v := data.base[k][j]]]`, `["q", data.q]`, `["q by name", data.q[input.s]]`, `["items", data.q.items]`, `["name", data.q.name]`, `["not named"] if not data.q[input.s] == input.n`,
	`["one", one]`, `["flag"] if flag`, `["no flag"] if not flag`, `["count", count(parts)]`, `["parts", [x | some x in parts]]`, `["part"] if parts[input.n]`, `["upper", upper("x")]`, `["twice", data.q.twice(2)]`,
	`["abs", abs(-1)]`, `["made", [x | some x in {input.n, input.s}]]`, `["made and counted", count({input.n, input.s})]`, `["first"] if { some x in {input.n, input.s}; to_number(x) > 1 }`,
	`["every"] if every x in data.base.list { x != input.n }`, `["every made"] if every x in {input.n, input.s} { to_number(x) < 2 }`, `["chosen", chosen]`, `["table", table]`, `["table of", table[input.s]]`,
	`["nested", nested.a]`, `["grouped", l] if { n := input.n; l := [y | some y in input.list; y == n] }`, `["type", type_name(data.base.obj)]`, `["again", x] if x := one with input.n as 2`,
	`["f of data", f(data.base.obj)]`, `["get", object.get(data.base, input.s, "none")]`, `["union", object.union(data.base.obj, {"z": 1})]`, `["walk", v] if walk(data.base, [["obj", "a"], v])`,
}

const modifierRules = `package p

one := 1 if input.n == 1

one := input.n if input.s == "a"

default flag := false

flag if input.obj.a == 1

flag if data.base.obj.a == input.n

parts contains v if some v in input.list

parts contains data.base.obj.x

table[k] := v if some k, v in data.base.obj

nested[k] contains v if some k, v in input.obj

chosen := "first" if { f(input.n) == 1 } else := "second" if { g(input.s) } else := data.base.x

other(x) := [x, input.n]

third(x, y) := [y, x]

same(x) := x

none(x) := y if { y := x; y == "nothing" }

fails(x) := to_number(sprintf("%v!", [x]))

ground := 7

unsure := 8 if input.s == "b"

no := false
`

// modify writes one to three modifiers.
func modify(r *rand.Rand) string {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	value := func() string {
		return pick(`1`, `2`, `"a"`, `"b"`, `"x"`, `false`, `null`, `{"a": 2}`, `{"b": {"c": 1}}`, `["a", 2]`, `{}`, `input.n`, `input.s`, `input.obj`, `data.base.obj`, `data.base.list`, `[input.n, 1]`, `{input.n, input.s}`, `v`, `[v, 2]`, `{"a": v}`)
	}
	var out strings.Builder
	for range 1 + r.IntN(3) {
		switch r.IntN(6) {
		case 0, 1:
			fmt.Fprintf(&out, " with %s as %s", pick(`input`, `input.n`, `input.s`, `input.obj`, `input.obj.a`, `input.list`, `input.obj.a.b`, `input.new.path`), value())
		case 2, 3:
			fmt.Fprintf(&out, " with %s as %s", pick(`data.base`, `data.base.obj`, `data.base.obj.a`, `data.base.list`, `data.base.list.x`, `data.base.a.b.c`, `data.base.new`, `data.q.name`, `data.q.items`, `data.q`, `data.p.one`, `data.p.parts`, `data.p.flag`, `data.new.path`, `data`), value())
		case 4:
			fmt.Fprintf(&out, " with %s as %s", pick(`f`, `g`, `h`, `data.q.twice`, `upper`, `abs`, `count`), value())
		default:
			fmt.Fprintf(&out, " with %s", pick(`f as other`, `f as same`, `f as none`, `f as fails`, `g as same`, `h as third`, `data.q.twice as same`, `upper as lower`, `f as upper`, `f as ground`, `g as unsure`, `g as no`, `f as data.q.name`, `f as type_name`, `abs as same`, `f as f`, `g as f`, `upper as "u" with data.q.twice as 3 with data.q as {"a": 1}`))
		}
	}
	return out.String()
}

func modifierPolicy(r *rand.Rand) string {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	var b strings.Builder
	b.WriteString(modifierRules)
	for range 1 + r.IntN(2) {
		fmt.Fprintf(&b, "\nf(x) := %s\n", pick("x if x == 1", `"a" if x == input.s`, "x if is_string(x)", "input.n if x == 1", "x", "false if x == 1"))
	}
	fmt.Fprintf(&b, "\ng(x) if %s\n", pick("x == input.s", `x == "a"`, "input.obj[x]", "f(x)", "not f(x)", "data.base.obj[x]"))
	fmt.Fprintf(&b, "\nh(x, y) := %s\n", pick("[x, y]", "x", "y if x == 1", "f(x)"))
	for range 1 + r.IntN(4) {
		fmt.Fprintf(&b, "\nseen contains %s\n", pick(seen...))
	}
	fmt.Fprintf(&b, "\ninner contains x if { v := input.n; some x in [y | y := seen%s] }\n", modify(r))
	if r.IntN(2) == 0 {
		fmt.Fprintf(&b, "\ninner contains seen\n")
	}
	v := pick("v := input.n", "some v in input.list", "v := data.base.obj", "some v in {input.s, input.n}", `some v in [1, "a"]`)
	switch r.IntN(8) {
	case 6:
		fmt.Fprintf(&b, "\nr if { v := input.s; every e in [1, \"a\", input.n] { %s%s } }\n", pick("f(e) == 1", "not flag", "g(e)", "not chosen == e", "h(e, 1)"), modify(r))
	case 7:
		fmt.Fprintf(&b, "\nr := {k: l | some k, v in input.obj; l := [x | some x in [y | y := seen%s]]} if { v := 1; count(parts) >= 0%s }\n", modify(r), modify(r))
	case 0:
		fmt.Fprintf(&b, "\nr := [x | %s; x := seen%s]\n", v, modify(r))
	case 1:
		fmt.Fprintf(&b, "\nr contains x if { %s; x := inner%s }\n", v, modify(r))
	case 2:
		fmt.Fprintf(&b, "\nr contains [x, seen] if { %s; x := inner%s }\n", v, modify(r))
	case 3:
		fmt.Fprintf(&b, "\nr := x if { %s; x := inner%s } else := seen\n", v, modify(r))
	case 4:
		fmt.Fprintf(&b, "\nr contains v if { %s; %s%s }\n", v, pick("flag", "not flag", "f(1)", "not f(v)", "g(input.s)", "not h(v, 1)", "parts[v]", "not data.q[input.s]", "count(seen) > 1", "not chosen", "f(1) == 1", "data.base.obj.a == v"), modify(r))
	default:
		fmt.Fprintf(&b, "\nr := {\"before\": seen, \"with\": [x | %s; x := [seen, inner]%s], \"after\": [chosen | chosen]}\n", v, modify(r))
	}
	return b.String()
}

// reparsed is v parsed again from its text. The interpreter changes an object inside the input
// where a modifier has a path of several names, and what it lies in keeps the hash that
// it had: a set may hold two of the same then.
func reparsed(v ast.Value) ast.Value {
	if v == nil {
		return nil
	}
	return ast.MustParseTerm(v.String()).Value
}

// TestRandomModifiers compares the evaluators on rules that look at many things while
// modifiers hold, which are put together at random.
func TestRandomModifiers(t *testing.T) {
	data := ast.MustParseTerm(otherData).Value.(ast.Object)
	before := data.String()
	other := ast.MustParseModule(otherPackage)
	made, refused, answered, errs, rerun, faults := 0, map[string]int{}, 0, 0, 0, 0
	for n := *seed; made < *policies; n++ {
		r := rand.New(rand.NewPCG(n, 11))
		source := modifierPolicy(r)
		module, err := ast.ParseModule("p.rego", source)
		if err != nil {
			t.Fatalf("%v\n%s", err, source)
		}
		compiler := ast.NewCompiler()
		if compiler.Compile(map[string]*ast.Module{"p.rego": module, "q.rego": other.Copy()}); compiler.Failed() {
			continue
		}
		made++
		ref := ast.MustParseRef("data.p.r")
		prepared, err := NewInterpreter(compiler, ref, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		program, err := NewCompiled(t.Context(), compiler, ref, nil, nil)
		if err != nil {
			reason := err.Error()
			refused[reason[strings.LastIndex(reason, ": ")+1:]]++
			continue
		}
		i, c := interpreted{prepared, data}, compiled{program, data}
		w := &writer{Rand: r}
		for range 4 {
			input := w.input()
			want, wantErr := i.Evaluate(t.Context(), input)
			got, gotErr := c.run(t.Context(), input)
			switch {
			case gotErr != nil && wantErr == nil:
				rerun++
			case gotErr != nil:
				errs++
			case wantErr != nil:
				t.Fatalf("policy %d: got %v, want error %v\ninput %v\n%s", n, got, wantErr, input, source)
			case !equalValues(got, want) && equalValues(got, reparsed(want)):
				faults++
			case !equalValues(got, want):
				t.Fatalf("policy %d:\n got %v\nwant %v\ninput %v\n%s", n, got, want, input, source)
			default:
				answered++
			}
			if data.String() != before {
				t.Fatalf("policy %d changed data to %v\n%s", n, data, source)
			}
		}
	}
	left := 0
	for _, n := range refused {
		left += n
	}
	t.Logf("%d policies, %d answers, %d errors, %d errors of the program alone, %d faults of the interpreter, %d policies left to it: %v", made, answered, errs, rerun, faults, left, refused)
	if left*2 > made {
		t.Errorf("%d of %d policies were left to the interpreter", left, made)
	}
}
