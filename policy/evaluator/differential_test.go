package evaluator

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

var (
	policies = flag.Int("policies", 400, "how many generated policies TestDifferential compares the evaluators on")
	seed     = flag.Uint64("policies.seed", 1, "where TestDifferential begins")
)

// writer writes random policies. What does not compile is thrown away, so it
// need not get everything right.
type writer struct {
	*rand.Rand
	vars  []string // that are bound where it writes
	fresh int
	depth int
}

func (w *writer) pick(options ...string) string { return options[w.IntN(len(options))] }

func (w *writer) name() string {
	w.fresh++
	return fmt.Sprintf("v%d", w.fresh)
}

func (w *writer) scalar() string {
	return w.pick(`"a"`, `"b"`, `"x"`, `""`, `"2"`, `0`, `1`, `2`, `1.0`, `-3`, `10`, `true`, `false`, `null`, `"list"`, `"base"`)
}

// collection is something to iterate over.
func (w *writer) collection() string {
	return w.pick(`input.list`, `input.obj`, `input.names`, `data.base.list`, `data.base.obj`, `data.base`, `data.q`, `parts`, `table`, `nested`, `data.q.items`,
		`input`, w.pick(`pair`, `pairs.a`, `both(input.n, input.s)`, w.made(), w.made()), `{1, "a", 2}`, `["a", 1, {"k": 1}]`, `{"a": 1, "x": "b"}`, `numbers.range(0, 3)`, `[]`, `set()`, w.term())
}

func (w *writer) term() string {
	w.depth++
	defer func() { w.depth-- }()
	if w.depth > 3 {
		if len(w.vars) > 0 && w.IntN(2) == 0 {
			return w.pick(w.vars...)
		}
		return w.scalar()
	}
	switch w.IntN(24) {
	case 0, 1, 2, 3:
		return w.scalar()
	case 4, 5, 6, 7, 8:
		if len(w.vars) > 0 {
			return w.pick(w.vars...)
		}
		return w.pick(`input.n`, `input.s`)
	case 9, 10:
		return w.pick(`input.n`, `input.s`, `input.list`, `input.obj`, `input.obj.a`, `input.list[0]`, `input.missing`, `input.obj["x"]`, `input`)
	case 11:
		return w.pick(`data.base.list[1]`, `data.base.obj.a`, `data.base.none`, `data.base[input.s]`, `data.base.list[input.n]`, `data.q[input.s]`, `data.q.name`, `data.base.obj`)
	case 12:
		return w.pick(`one`, `parts`, `table`, `flag`, `data.q.items`, `chosen`, `nested`, `nested.a`, `deep.a.b`, `deep`)
	case 13:
		return fmt.Sprintf("%s[%s]", w.pick(`parts`, `table`, `input.list`, `input.obj`, `data.base`, `data.base.list`, `data.q`, `nested`, `deep`, `deep.a`, `data.base.obj`), w.term())
	case 14:
		return fmt.Sprintf("%s(%s)", w.pick(`f`, `g`, `h`, `data.q.twice`), w.term())
	case 15:
		return fmt.Sprintf("[%s, %s]", w.term(), w.term())
	case 16:
		return w.pick(fmt.Sprintf("{%s, %s}", w.term(), w.term()), w.made(), fmt.Sprintf("elements(%s)", w.made()), fmt.Sprintf("[x | some x in %s]", w.made()), "pair", "pairs")
	case 17:
		return fmt.Sprintf("{%s: %s, \"k\": %s}", w.scalar(), w.term(), w.term())
	case 18:
		return fmt.Sprintf("(%s %s %s)", w.term(), w.pick("+", "-", "*", "/", "%", "|", "&"), w.term())
	case 19:
		return w.pick(
			fmt.Sprintf("count(%s)", w.term()), fmt.Sprintf("to_number(%s)", w.term()), fmt.Sprintf("upper(%s)", w.term()),
			fmt.Sprintf("sprintf(\"%%s-%%v %%d %%q\", [%s, %s, %s, %s])", w.term(), w.term(), w.term(), w.term()),
			fmt.Sprintf("concat(\",\", %s)", w.term()), fmt.Sprintf("split(%s, \".\")", w.term()), fmt.Sprintf("object.get(%s, %s, %s)", w.term(), w.scalar(), w.scalar()),
			fmt.Sprintf("object.keys(%s)", w.term()), fmt.Sprintf("sum(%s)", w.collection()), fmt.Sprintf("sort(%s)", w.term()), fmt.Sprintf("type_name(%s)", w.term()),
			fmt.Sprintf("array.concat(%s, %s)", w.term(), w.term()), fmt.Sprintf("max(%s)", w.collection()), fmt.Sprintf("json.marshal(%s)", w.term()))
	case 20, 21:
		return w.comprehension()
	case 22:
		return fmt.Sprintf("%s.%s", w.pick(`input.obj`, `data.base.obj`, `table`, `deep`, `data.q`), w.pick("a", "b", "x", "name", "k"))
	}
	return w.scalar()
}

func (w *writer) comprehension() string {
	before := w.vars
	defer func() { w.vars = before }()
	w.vars = append([]string{}, before...)
	body := w.body(1 + w.IntN(2))
	switch w.IntN(3) {
	case 0:
		return fmt.Sprintf("[%s | %s]", w.term(), body)
	case 1:
		return fmt.Sprintf("{%s | %s}", w.term(), body)
	}
	return fmt.Sprintf("{%s: %s | %s}", w.term(), w.term(), body)
}

func (w *writer) body(n int) string {
	var out []string
	for range n {
		out = append(out, w.expr())
	}
	return strings.Join(out, "; ")
}

func (w *writer) expr() string {
	w.depth++
	defer func() { w.depth-- }()
	comparison := func() string {
		return fmt.Sprintf("%s %s %s", w.term(), w.pick("==", "!=", "<", ">=", "==", "=="), w.term())
	}
	switch w.IntN(24) {
	case 22, 23:
		return w.grouped()
	case 0, 1, 2:
		return comparison()
	case 3, 4, 5:
		v := w.name()
		out := fmt.Sprintf("%s := %s", v, w.term())
		w.vars = append(w.vars, v)
		return out
	case 6, 7, 8:
		v := w.name()
		out := fmt.Sprintf("some %s in %s", v, w.collection())
		w.vars = append(w.vars, v)
		return out
	case 9:
		k, v := w.name(), w.name()
		out := fmt.Sprintf("some %s, %s in %s", k, v, w.collection())
		w.vars = append(w.vars, k, v)
		return out
	case 10:
		return fmt.Sprintf("%s in %s", w.term(), w.collection())
	case 11:
		return "not " + w.pick(w.term(), comparison(), fmt.Sprintf("%s in %s", w.term(), w.collection()))
	case 12:
		if w.depth > 3 {
			return "true"
		}
		before := w.vars
		v := w.name()
		w.vars = append(append([]string{}, before...), v)
		out := fmt.Sprintf("every %s in %s { %s }", v, w.collection(), w.body(1+w.IntN(2)))
		w.vars = before
		return out
	case 13:
		return w.pick(`input.n`, `input.obj.a`, `flag`, `parts[input.s]`, `table[input.n]`, `g(input.s)`, `data.q.b`, w.term())
	case 14:
		v := w.name()
		out := fmt.Sprintf("some %s; %s[%s]", v, w.pick(`parts`, `table`, `input.list`, `input.obj`, `data.base.obj`, `data.q`, `data.base`, `nested`, `deep`), v)
		w.vars = append(w.vars, v)
		return out
	case 15:
		a, b := w.name(), w.name()
		out := w.pick(fmt.Sprintf("[%s, %s] = %s", a, b, w.term()), fmt.Sprintf("{\"a\": %s, \"x\": %s} = %s", a, b, w.term()), fmt.Sprintf("some [%s, %s] in %s", a, b, w.collection()),
			fmt.Sprintf("[%s, %s] = [%s, %s]", a, b, w.term(), w.term()))
		w.vars = append(w.vars, a, b)
		return out
	case 16:
		target := w.pick(`one`, `flag`, `chosen`, `f(1) == 1`, `parts[1]`, `count(parts) > 0`, `data.q.name == "a"`, `table.a`, `g(input.n)`, `not flag`, `not f(input.n)`, `f(input.s)`)
		return target + w.modifiers()
	case 17:
		v := w.name()
		out := fmt.Sprintf("%s := %s%s", v, w.pick(`one`, `chosen`, `parts`, `nested`, `[f(1), g(2), one]`, `[flag, count(parts)]`, `h(input.n)`), w.modifiers())
		w.vars = append(w.vars, v)
		return out
	case 18:
		v := w.name()
		out := fmt.Sprintf("walk(%s, [%s, %s])", w.pick("input.obj", "input", "table", "data.base"), w.name(), v)
		w.vars = append(w.vars, v)
		return out
	case 19:
		return fmt.Sprintf("input.s == %s", w.scalar())
	case 20:
		return fmt.Sprintf("%s(%s)", w.pick("is_string", "is_number", "is_object", "is_null"), w.term())
	}
	return fmt.Sprintf("%s(%s, %s)", w.pick("startswith", "contains", "endswith"), w.term(), w.term())
}

// modifiers writes one to three of them.
func (w *writer) modifiers() string {
	var out strings.Builder
	for range 1 + w.IntN(3) {
		switch w.IntN(8) {
		case 0, 1, 2:
			fmt.Fprintf(&out, " with %s as %s", w.pick(`input`, `input.n`, `input.obj`, `input.obj.a`, `input.list`, `input.s`, `input.obj.a.b`), w.term())
		case 3, 4:
			fmt.Fprintf(&out, " with %s as %s", w.pick(`data.base`, `data.base.obj`, `data.base.obj.a`, `data.base.list`, `data.q.name`, `data.q`, `data.q.items`, `data.p.one`, `data.p.parts`), w.term())
		case 5:
			fmt.Fprintf(&out, " with %s as %s", w.pick(`f`, `g`, `data.q.twice`, `count`, `upper`, `to_number`), w.pick(w.term(), w.scalar()))
		case 6:
			fmt.Fprintf(&out, " with %s as %s", w.pick(`f`, `g`, `data.q.twice`, `upper`, `count`, `to_number`), w.pick(`data.q.twice`, `f`, `other`, `other`, `type_name`, `one`, `flag`, `data.q.name`))
		default:
			fmt.Fprintf(&out, " with %s as %s", w.pick(`f`, `g`, `input.n`, `data.base.obj`), w.pick(`{input.n, input.s}`, `[input.n, 1]`, `{input.s: 1, "a": 2}`))
		}
	}
	return out.String()
}

// made writes a literal whose elements are known at run time.
func (w *writer) made() string {
	return w.pick(
		fmt.Sprintf("{%s, %s}", w.made2(), w.made2()), fmt.Sprintf("{%s, %s, %s}", w.made2(), w.made2(), w.made2()),
		fmt.Sprintf("{%s: %s, %s: %s}", w.made2(), w.made2(), w.made2(), w.made2()),
		fmt.Sprintf("[{%s, %s}, %s]", w.made2(), w.made2(), w.made2()),
		fmt.Sprintf("{\"a\": {%s, %s}}", w.made2(), w.made2()),
	)
}

func (w *writer) made2() string {
	if len(w.vars) > 0 && w.IntN(3) == 0 {
		return w.pick(w.vars...)
	}
	return w.pick(`input.n`, `input.s`, `input.obj.a`, `input.list[0]`, `input.list[1]`, `input.obj.x`, `1`, `"a"`, w.term())
}

// grouped writes a comprehension that compares with a variable from around it.
func (w *writer) grouped() string {
	outer, inner, out := w.name(), w.name(), w.name()
	key := w.term()
	before := w.vars
	w.vars = append(append([]string{}, before...), inner)
	same := w.pick(fmt.Sprintf("%s == %s", inner, outer), fmt.Sprintf("%s.a == %s", inner, outer), fmt.Sprintf("%s = %s", outer, w.term()), fmt.Sprintf("[%s, _] = %s", outer, inner))
	body := fmt.Sprintf("some %s in %s; %s; %s", inner, w.collection(), w.pick("true", "true", w.body(1)), same)
	if w.IntN(2) == 0 {
		w.vars = append(w.vars, outer)
		body += "; " + w.body(1)
	}
	head := w.pick("[%s | %s]", "{%s | %s}", "{"+w.term()+": %s | %s}")
	comprehension := fmt.Sprintf(head, w.term(), body)
	w.vars = append(append([]string{}, before...), outer, out)
	return fmt.Sprintf("%s := %s; %s := %s", outer, key, out, comprehension)
}

// rule writes a head and a body over new variables.
func (w *writer) rule(head func() string) string {
	w.vars = nil
	w.depth = 0
	body := w.body(1 + w.IntN(3))
	return fmt.Sprintf("%s if { %s }\n", head(), body)
}

func (w *writer) policy() string {
	var b strings.Builder
	b.WriteString("package p\n\n")
	several := func(most int, write func()) {
		for range 1 + w.IntN(most) {
			write()
		}
	}
	// Functions call nothing that calls them: each kind of rule uses those before it.
	term := func(s string) func() string { return func() string { return s + w.term() } }
	simple := func(head string, args ...string) {
		w.vars = args
		w.depth = 3
		fmt.Fprintf(&b, "%s if { %s }\n", head, w.body(1))
	}
	several(3, func() { simple("f(x) := "+w.pick("x", "1", "true", `"a"`), "x") })
	if w.IntN(2) == 0 {
		b.WriteString("default g(_) := false\n")
	}
	several(8, func() {
		if w.IntN(3) > 0 {
			simple("g(x)", "x")
		} else {
			simple("g(" + w.scalar() + ")")
		}
	})
	several(1, func() {
		fmt.Fprintf(&b, "h(x) := 1 if { x == %s } else := %s if { x == %s } else := 3 if { x == %s }\n", w.scalar(), w.pick("2", "1", "x"), w.scalar(), w.scalar())
	})
	b.WriteString("other(x) := x\n\nboth(x, y) := {x, y}\n\nelements(x) := [y | some y in x]\n\n")
	fmt.Fprintf(&b, "pair := %s\n\npairs := %s\n\n", w.pick(`{input.n, input.s}`, `{input.n: 1, input.s: 2}`), w.pick(`{"a": {input.n, input.s}}`, `{"a": [{input.s, input.n}]}`))
	several(3, func() { simple("one := " + w.pick("1", "1", "2", "input.n")) })
	if w.IntN(2) == 0 {
		b.WriteString("default flag := false\n")
	}
	several(9, func() {
		fmt.Fprintf(&b, "flag if { input.s == %s; %s }\n", w.scalar(), w.pick("true", "input.n > 1", "to_number(input.s) > 0", "some v in input.list; to_number(v) > 1", "input.obj.a"))
	})
	several(2, func() {
		fmt.Fprint(&b, w.pick("parts contains v if some v in input.list\n", "parts contains 1 if input.s == \"a\"\n", "parts contains [k, v] if some k, v in input.obj\n", "parts contains to_number(v) if some v in input.list\n"))
	})
	several(2, func() {
		fmt.Fprint(&b, w.pick("table[k] := v if some k, v in input.obj\n", "table.a := input.n\n", "table[v] := 1 if some v in input.list\n", "table.x := \"x\"\n"))
	})
	several(2, func() {
		fmt.Fprint(&b, w.pick("nested[k] contains v if some k, v in input.obj\n", "nested.a contains input.n\n", "nested[v] contains 1 if some v in input.list\n"))
	})
	several(2, func() {
		fmt.Fprint(&b, w.pick("deep.a[k] := v if some k, v in input.obj\n", "deep[k].b := 1 if some k in input.list\n", "deep.a.b := input.s\n", "deep.a.b[x] contains 1 if some x in input.list\n", "deep[k] := v if some k, v in input.obj\n", "deep[k] := v if some k, v in data.base\n", "deep.a[x].c := 1 if some x in input.names\n"))
	})
	b.WriteString("chosen := \"first\" if { input.n == 1 } else := \"second\" if { input.n > 1 } else := \"third\" if { input.s }\n")
	switch w.IntN(5) {
	case 0, 1:
		several(3, func() { b.WriteString(w.rule(term("r contains "))) })
	case 2:
		several(2, func() { b.WriteString(w.rule(func() string { return fmt.Sprintf("r[%s] := %s", w.term(), w.term()) })) })
	case 3:
		several(4, func() { b.WriteString(w.rule(func() string { return "r" })) })
	default:
		if w.IntN(2) == 0 {
			fmt.Fprintf(&b, "default r := %s\n", w.scalar())
		}
		several(2, func() { b.WriteString(w.rule(term("r := "))) })
	}
	return b.String()
}

const otherPackage = `package q

name := "a"

items contains x if some x in input.list

items contains "q"

twice(x) := x * 2

a := input.n

x[k] := v if some k, v in input.obj

b if input.s == "b"
`

const otherData = `{"base": {"list": ["a", 1, "b", {"k": 1}], "obj": {"a": 1, "x": "b", "2": "two"}, "a": {"b": 1}, "x": "y"}, "q": {"name2": "base", "k": {"a": 1}}}`

func (w *writer) input() ast.Value {
	value := func() string {
		return w.pick(`"a"`, `"b"`, `"x"`, `1`, `2`, `"2"`, `3.5`, `true`, `false`, `null`, `["a", 1]`, `{"a": 1}`, `"10"`, `""`)
	}
	var parts []string
	add := func(s string) {
		if w.IntN(8) > 0 {
			parts = append(parts, s)
		}
	}
	add(`"n": ` + w.pick("1", "2", "0", `"1"`, "1.0", value()))
	add(`"s": ` + w.pick(`"a"`, `"b"`, `"x"`, `"list"`, `"obj"`, `"name"`, `"items"`, value()))
	add(fmt.Sprintf(`"list": [%s, %s, %s]`, value(), value(), value()))
	add(fmt.Sprintf(`"obj": {"a": %s, "x": %s, %s: %s}`, value(), value(), w.pick(`"b"`, `"k"`, `"2"`), value()))
	add(`"names": ["a", "b", "a"]`)
	return ast.MustParseTerm("{" + strings.Join(parts, ", ") + "}").Value
}

// randomPolicy writes the nth policy, and compiles it. Without a compiler, it says why the
// policy is thrown away.
func randomPolicy(n uint64) (w *writer, source string, compiler *ast.Compiler, thrownAway string) {
	w = &writer{Rand: rand.New(rand.NewPCG(n, 7))}
	source = w.policy()
	module, err := ast.ParseModule("p.rego", source)
	if err != nil {
		return w, source, nil, "parsing"
	}
	compiler = ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"p.rego": module, "q.rego": ast.MustParseModule(otherPackage)}); compiler.Failed() {
		message := compiler.Errors[0].Message
		return w, source, nil, message[:min(24, len(message))]
	}
	return w, source, compiler, ""
}

// TestDifferential compares the evaluators on policies that no person would write.
func TestDifferential(t *testing.T) {
	data := ast.MustParseTerm(otherData).Value.(ast.Object)
	dataBefore := data.String()
	var planCount, refused, grouped, values, undefinedValues, errs, rerun, faults int
	reasons, refusals := map[string]int{}, map[string]int{}
	for n := *seed; planCount < *policies; n++ {
		w, source, compiler, thrownAway := randomPolicy(n)
		if compiler == nil {
			reasons[thrownAway]++
			continue
		}
		ref := ast.MustParseRef("data.p.r")
		prepared, err := NewInterpreter(compiler, ref, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		interpreter := interpreted{prepared, data}
		planned, err := NewCompiled(t.Context(), compiler, ref, nil, nil)
		if err != nil {
			refused++
			refusals[err.Error()]++
			continue
		}
		planCount++
		grouped += min(planned.program.groups, 1)
		c := compiled{planned, data}
		for range 6 {
			input := w.input()
			before := input.String()
			want, wantErr := interpreter.Evaluate(t.Context(), input)
			got, gotErr := c.run(t.Context(), input)
			if after := input.String(); after != before || data.String() != dataBefore {
				t.Errorf("policy %d: input %s became %s, data %v\n%s", n, before, after, data, source)
			}
			switch {
			case gotErr != nil && wantErr == nil:
				rerun++
				continue
			case gotErr != nil:
				errs++
				continue
			case wantErr != nil && strings.Contains(wantErr.Error(), "requires evaluation"):
				faults++ // a fault of OPA's, by its own account
				continue
			case wantErr != nil:
				t.Errorf("policy %d: got %v, want error %v\ninput %v\n%s", n, got, wantErr, input, source)
			case !equalValues(got, want):
				t.Errorf("policy %d: got %v, want %v\ninput %v\n%s", n, got, want, input, source)
			case want == nil:
				undefinedValues++
			default:
				values++
			}
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d policies, %d with groups, %d refused; %d values, %d undefined, %d errors, %d errors of the program alone, %d faults of the interpreter; thrown away: %v", planCount, grouped, refused, values, undefinedValues, errs, rerun, faults, reasons)
	t.Logf("refusals: %v", refusals)
	if refused*4 > planCount {
		t.Errorf("%d policies were refused beside %d", refused, planCount)
	}
}
