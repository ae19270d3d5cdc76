package footprint

// constructs are rules of package p, of which r is the entry, and what they read.
var constructs = []struct {
	name, source, want string
}{
	// References.
	{"path", `r if input.a.b == "x"`, `input.a.b`},
	{"field that is no identifier", `r if input.a["b/c"] == "x"`, `input.a["b/c"]`},
	{"bracketed string", `r if input["a"].b == 1`, `input.a.b`},
	{"negation", `r if not input.a.b`, `input.a.b`},
	{"array index", `r if input.a[0].b == 1`, `input.a[_].b`},
	{"boolean element", `r if input.a[true].b == 1`, `input.a[_].b`},
	{"wildcard", `r if input.a[_].b == 1`, `input.a[_].b`},
	{"variable element", `r if { some k; input.a[k].b == 1 }`, `input.a[_].b`},
	{"element read from input", `r if input.a[input.k].b == 1`, `input.a[_].b input.k`},
	{"element of data read from input", `r if data.t[input.b].c`, `input.b data.t`},
	{"composite element", `r if data.t[[input.b]]`, `input.b data.t`},
	{"whole input", `r := input`, `input`},
	{"dynamic input", `r if { some x; input[x] == 1 }`, `input`},
	{"dynamic input, nested", `r if { some x; input[x].a.b == 1 }`, `input[_].a.b`},
	{"input as a value", `r if count(input) == 2`, `input`},
	{"input in a collection", `r := [input, 1]`, `input`},
	{"whole data", `r := count(data.t)`, `data.t`},
	{"two sides", `r if input.a == input.b`, `input.a input.b`},
	{"a path within another", `r if { input.a.b == 1; input.a == {"b": 1} }`, `input.a`},

	// Looking at a value without what is in it.
	{"not null, then a field", `r if { input.a != null; input.a.b == 1 }`, `input.a.b`},
	{"null on the left", `r if { null != input.a; input.a.b == 1 }`, `input.a.b`},
	{"kind, then a field", `r if { is_object(input.a); input.a.b == 1 }`, `input.a.b`},
	{"kind alone", `r if is_object(input.a)`, `input.a`},
	{"defined, then a field", `r if { input.a; input.a.b == 1 }`, `input.a.b`},
	{"equal to a composite", `r if { input.a == {}; input.a.b == 1 }`, `input.a`},
	{"not equal to a composite", `r if { input.a != {}; input.a.b == 1 }`, `input.a`},
	{"ordered", `r if { input.a > 3; input.a.b == 1 }`, `input.a`},
	{"a kind that is kept", `r := {"k": is_object(input.a), "v": input.a.b}`, `input.a.b`},

	// Names that are known.
	{"a name handed to a function", "r if f(input, \"a\") == 1\nf(x, k) := x[k]", `input.a`},
	{"two names handed to a function", "r if f(input, \"a\") == f(input, \"b\")\nf(x, k) := x[k]", `input.a input.b`},
	{"a name handed on", "r if g(input, \"a\") == 1\ng(x, k) := f(x, k)\nf(x, k) := x[k].b", `input.a.b`},
	{"a name for a field of what is handed over", "r if f(input.a, \"b\") == 1\nf(x, k) := x.c[k]", `input.a.c.b`},
	{"a name that is read in the function", "r if f(\"a\") == 1\nf(k) := input[k].b", `input.a.b`},
	{"a name for object.get", "r if f(input, \"a\") == 1\nf(x, k) := object.get(x, k, 0)", `input.a`},
	{"a name in a path for object.get", "r if f(input, \"a\") == 1\nf(x, k) := object.get(x, [k, \"b\"], 0)", `input.a.b`},
	{"a name below a condition of the function", "r if f(input, \"a\")\nf(x, k) if { not x[k].b; x.c == 1 }", `input.a.b input.c`},
	{"a name in a comprehension of the function", "r := f(input, \"a\")\nf(x, k) := [y | y := x[k].b]", `input.a.b`},
	{"a name in another definition", "r if f(input, \"a\") == 1\nf(x, k) := x[k] if x.b\nf(x, \"c\") := x.c", `input.a input.b input.c`},
	{"a name in an else", "r if f(input, \"a\") == 1\nf(x, k) := x.b if x.c else := x[k]", `input.a input.b input.c`},
	{"a name and one that is not known", "r if f(input, \"a\") == f(input, input.c)\nf(x, k) := x[k]", `input`},
	{"a name that is not known", "r if f(input, input.c) == 1\nf(x, k) := x[k]", `input`},
	{"a name handed to a function that is replaced", "r if t with f as g\nt if f(input, \"a\") == 1\nf(x, k) := x[k]\ng(x, k) := count(x)", `input`},
	{"a name of a variable", `r if { k := "a"; input[k].b == 1 }`, `input.a.b`},
	{"a name of a variable, in a comprehension", `r := [x | x := input[k].b] if { k := "a" }`, `input.a.b`},
	{"a name of a variable that is handed on", "r if { k := \"a\"; f(input, k) == 1 }\nf(x, k) := x[k]", `input.a`},
	{"a variable that gets its name later", `r if { some k; input[k] == 1; k = "a" }`, `input`},
	{"a variable of a comprehension", `r := [x | some k; k = "a"; x := input[k].b]`, `input[_].b`},
	{"a variable that is compared", `r if { some k; input.b = k; k = "a"; input[k] == 1 }`, `input`},
	{"variables of two comprehensions", `r := [[x | k = "a"; x := input[k]], [x | k = input.b; x := input[k]]]`, `input`},
	{"a name that is compared with a variable", "r if f(input, \"a\") == 1\nf(x, k) := z if { y := x.b; y == k; z := x[y] }", `input`},
	{"a name for data", "r if f(\"a\") == 1\nf(k) := data.t[k].b", `data.t.a.b`},

	// Variables.
	{"local", `r if { x := input.a.b; x.c == 1 }`, `input.a.b.c`},
	{"local never used", `r if x := input.a.b`, `input.a.b`},
	{"chain of locals", `r if { x := input.a; y := x.b; z := y; z.c.d == 1 }`, `input.a.b.c.d`},
	{"chain in either direction", `r if { y = x; x = input.a; z = y; z.b == 1 }`, `input.a.b`},
	{"two fields of a local", `r if { x := input.a; x.b == 1; x.c == 2 }`, `input.a.b input.a.c`},
	{"local used whole as well", `r if { x := input.a; x.b == 1; count(x) == 2 }`, `input.a`},
	{"local of all input", `r if { x := input; x.a.b == 1 }`, `input.a.b`},
	{"unified on the left", `r if { x = input.a; x.b == 1 }`, `input.a.b`},
	{"unified on the right", `r if { input.a = x; x.b == 1 }`, `input.a.b`},
	{"unified twice", `r if { x = input.a; x = input.b; x.c == 1 }`, `input.a input.b`},
	{"two locals unified", `r if { x := input.a; y := input.b; x = y; x.c == 1 }`, `input.a input.b`},
	{"two locals compared", `r if { x := input.a; y := input.b; x == y }`, `input.a input.b`},
	{"unified with an element", `r if { some i; data.t[i] == 1; i = input.a }`, `input.a data.t`},
	{"unified with an output", `r if { x = input.a; x = count([1]); x.b }`, `input.a`},
	{"unified with a scalar", `r if { x = input.a; x = 3 }`, `input.a`},
	{"array pattern", `r if { [x, _] := input.a; x.b == 1 }`, `input.a`},
	{"array of both", `r if { [x, y] := [input.a, input.b]; x.c == y.d }`, `input.a input.b`},
	{"object pattern", `r if { {"k": x} = input.a; x.b == 1 }`, `input.a`},
	{"pattern around a variable", `r if { x := input.a; [x] = [input.b] }`, `input.a input.b`},
	{"some in", `r if { some x in input.a; x.b == 1 }`, `input.a[_].b`},
	{"some key and value", `r if { some k, v in input.a; k == v.b }`, `input.a[_].b`},
	{"member", `r if input.a in input.b`, `input.a input.b`},
	{"local in a key", `r if { x := input.a; data.t[x.k].v == 1 }`, `input.a.k data.t`},
	{"dynamic below a local", `r if { x := input.a; some k; x.b[k].c == 1 }`, `input.a.b[_].c`},
	{"put into an object and read back", `r if { x := {"k": input.a}; x.k.b == 1 }`, `input.a`},
	{"shadowed", `r if { x := input.a; x.b == 1; s := {y | x := input.c; y := x.d}; count(s) > 0 }`, `input.a.b input.c.d`},
	{"same undeclared name in two comprehensions", `r := [1 | x = input.a; x.b] if { [1 | x = input.c; x.d] == [] }`, `input.a input.c`},

	// Closures.
	{"comprehension", `r := [x.b | some x in input.a]`, `input.a[_].b`},
	{"captured by a comprehension", `r if { x := input.a; count([1 | x.b == 1]) == 1 }`, `input.a.b`},
	{"captured twice", `r if { x := input.a; count([1 | s := {2 | x.b.c == input.d}; count(s) > 0]) == 1 }`, `input.a.b.c input.d`},
	{"object comprehension", `r := {k: v.b | some k, v in input.a; input.c}`, `input.a[_].b input.c`},
	{"set comprehension in a head", `r := {x | x := input.a.b}`, `input.a.b`},
	{"every", `r if every k, v in input.a { v.b == input.c; k != input.d }`, `input.a[_].b input.c input.d`},
	{"every over a local", `r if { x := input.a; every v in x.list { v == x.b } }`, `input.a.b input.a.list`},
	{"unified inside every", `r if every v in [{"b": 1}] { v = input.a; v.b }`, `input.a`},
	{"negated comprehension", `r if not count([x | some x in input.a; x == input.b]) == 0`, `input.a input.b`},

	// object.get.
	{"object.get", `r if object.get(input.a, "b", "") == "x"`, `input.a.b`},
	{"object.get with a path", `r if object.get(input, ["a", "b"], "") == "x"`, `input.a.b`},
	{"object.get, then a field", `r if { x := object.get(input.a, "b", {}); x.c == 1 }`, `input.a.b.c`},
	{"object.get of object.get", `r if object.get(object.get(input, "a", {}), "b", 0) == 1`, `input.a.b`},
	{"object.get with a default from input", `r if { x := object.get(input.a, "b", input.d); x.c == 1 }`, `input.a.b.c input.d`},
	{"object.get with an index", `r if object.get(input.a, ["b", 0], 0) == 1`, `input.a`},
	{"object.get with a number", `r if object.get(input.a, 0, 0) == 1`, `input.a`},
	{"object.get with a variable", `r if object.get(input.a, input.k, 0) == 1`, `input.a input.k`},
	{"object.get with an empty path", `r if { x := object.get(input.a, [], 0); x.b == 1 }`, `input.a.b`},
	{"object.get as an expression", `r if object.get(input.a, "b", false)`, `input.a.b`},

	// Builtins.
	{"builtin", `r if count(input.a) > 0`, `input.a`},
	{"walk", `r if { walk(input, [p, v]); p[0] == v.x }`, `input`},
	{"walk below", `r if { walk(input.a, [["b"], v]); v.c }`, `input.a`},
	{"sprintf", `r := sprintf("%v", [input.a.b])`, `input.a.b`},
	{"template string", `r := $"{input.a.b} and {input.c}"`, `input.a.b input.c`},
	{"arithmetic", `r := input.a + input.b`, `input.a input.b`},
	{"concatenated output", `r if { x := object.union(input.a, {}); x.b == 1 }`, `input.a`},

	// Functions.
	{"function", `r if f(input.a)
		f(x) if x.b.c == 1`, `input.a.b.c`},
	{"function given all input", `r if f(input)
		f(x) if x.a.b == 1`, `input.a.b`},
	{"function that takes it whole", `r if f(input.a)
		f(x) if count(x) == 1`, `input.a`},
	{"parameter never used", `r if f(input.a)
		f(_)`, `input.a`},
	{"function of a local", `r if { x := input.a; f(x.b) }
		f(x) if x.c == 1`, `input.a.b.c`},
	{"chain of functions", `r if f(input.a)
		f(x) if g(x.b)
		g(y) if h(y, y.c)
		h(v, w) if v.d == w.e`, `input.a.b.c.e input.a.b.d`},
	{"called twice", `r if { f(input.a); f(input.b) }
		f(x) if x.c == 1`, `input.a.c input.b.c`},
	{"two parameters", `r if f(input.a, input.b)
		f(x, y) if { x.c == 1; y.d == 2 }`, `input.a.c input.b.d`},
	{"parameters compared", `r if f(input.a, input.b)
		f(x, x)`, `input.a input.b`},
	{"pattern in the head", `r if f(input.a)
		f([x, _]) if x == 1`, `input.a`},
	{"object pattern in the head", `r if f(input.a)
		f({"k": x}) if x == 1`, `input.a`},
	{"scalar in the head", `r if { f(input.a); input.a.b == 1 }
		f(null)`, `input.a.b`},
	{"parameter unified", `r if f(input.a)
		f(x) if { x = input.b; x.c }`, `input.a input.b`},
	{"function with else", `r if f(input.a) == 2
		f(x) := 1 if { x.b } else := 2 if { x.c } else := x.d`, `input.a.b input.a.c input.a.d`},
	{"two definitions", `r if f(input.a)
		f(x) if x.b == 1
		f(x) if x.c == 1`, `input.a.b input.a.c`},
	{"argument in a collection", `r if f([input.a])
		f(x) if x[0].b == 1`, `input.a`},
	{"argument in an object", `r if f({"k": input.a})
		f(x) if x.k.b == 1`, `input.a`},
	{"function that gives its parameter", `r if { x := f(input.a); x.b == 1 }
		f(x) := x`, `input.a.b`},
	{"function that gives a part", `r if { x := f(input.a); x.c == 1 }
		f(x) := x.b`, `input.a.b.c`},
	{"what it gives is compared", `r if f(input.a) == {}
		f(x) := x.b`, `input.a.b`},
	{"function that gives one of two", `r if { x := f(input.a, input.b); x.c == 1 }
		f(x, y) := x if { input.t } else := y`, `input.a.c input.b.c input.t`},
	{"one of two in a head", `r if q.c == 1
		q := y if { some k in [1, 2]; y := f(input.a, k) }
		f(x, k) := x if { k == 1 } else := {}`, `input.a`},
	{"two definitions that give a parameter", `r if { x := f(input.a); x.b == 1 }
		f(x) := x if is_object(x)
		f(x) := x if input.c`, `input.a input.c`},
	{"function reading input by itself", `r if f(1)
		f(x) if x == input.a`, `input.a`},
	{"function called with a constant object", `r if f({"b": 1})
		f(x) if x.b == input.a`, `input.a`},
	{"result that is a pattern", `r if { [x, y] = f(input.a); x == y }
		f(x) := x.b`, `input.a.b`},
	{"result written as the last operand", `r if { f(input.a, x); x.c == 1 }
		f(x) := x.b`, `input.a.b.c`},

	// Rules.
	{"another rule", `r if q == true
		q if input.a == 1`, `input.a`},
	{"alias", `r if q.b == 1
		q := input.a`, `input.a.b`},
	{"alias of an alias", `r if q.c == 1
		q := s.b
		s := input.a`, `input.a.b.c`},
	{"alias with a default", `r if q.b == 1
		default q := {}
		q := input.a`, `input.a.b`},
	{"alias that is handed on", `r if f(q)
		f(x) if x.b == 1
		q := input.a`, `input.a.b`},
	{"alias used whole", `r := count(q)
		q := input.a`, `input.a`},
	{"alias used dynamically", `r if { some k; q[k] == 1 }
		q := input.a`, `input.a`},
	{"alias with else", `r if q.b == 1
		q := input.a if { input.t } else := input.c`, `input.a.b input.c.b input.t`},
	{"alias with two definitions", `r if q.b == 1
		q := input.a if input.t
		q := input.c if input.u`, `input.a input.c input.t input.u`},
	{"alias through object.get", `r if q.b == 1
		q := object.get(input, "a", {})`, `input.a.b`},
	{"else chain", `r := 1 if { input.a == 1 } else := 2 if { input.b == 2 } else := input.c`, `input.a input.b input.c`},
	{"head key", `r contains input.a if input.b`, `input.a input.b`},
	{"head value", `r[input.a] := input.b`, `input.a input.b`},
	{"partial object read by key", `r if q.x == 1
		q[k] := v if some k, v in input.a`, `input.a`},
	{"partial set tested", `r if q["x"]
		q contains x if some x in input.a`, `input.a`},
	{"what a partial object holds", `r if q.x.y == 1
		q["x"] := input.a`, `input.a.y`},
	{"ref head", `r if q.x.y.b == 1
		q.x.y := input.a`, `input.a.b`},
	{"ref head asked above", `r := q.x
		q.x.y := input.a
		q.x.z := input.b
		q.w := input.c`, `input.a input.b data.p.q.x`},
	{"ref head with a variable", `r if q.x.z == 1
		q[k].z := input.b if some k in input.a`, `input.a input.b`},
	{"ref head beside a partial object", `r if q.x.y == 1
		q[k] := v if some k, v in input.a
		q.x.y := input.b`, `input.a input.b`},
	{"default value", `default r := false
		r if input.a`, `input.a`},
	{"comprehension in a default", `default r := 1
		r := 2 if input.a`, `input.a`},

	// data.
	{"base document", `r if data.t.u.v == 1`, `data.t.u.v`},
	{"base document by a local", `r if { x := data.t; x.u == 1 }`, `data.t.u`},
	{"base document handed on", `r if f(data.t)
		f(x) if x.u == 1`, `data.t.u`},
	{"base document by a key from input", `r if data.t.u[input.a].v`, `input.a data.t.u`},
	{"base document in the package", `r if data.p.t.u == 1`, `data.p.t.u`},
	{"rule is no base document", `r if data.p.q.x
		q := {"x": input.a}`, `input.a`},
	{"dynamic below the package", `r if { some x; data.p.s[x].b }
		s.one := input.a
		s.two := input.b
		other := input.c`, `input.a input.b data.p.s`},

	// with.
	{"target", `r if q with input.a as 1
		q if input.b`, `input.b`},
	{"rules under a target count in full", `r if q with input as {"a": 1}
		q if input.a.b`, `input.a.b`},
	{"value", `r if q with input.a as input.b.c
		q if input.a.d == 1`, `input.a.d input.b.c`},
	{"value that is a local", `r if { x := input.b; q with input.a as x }
		q if input.a.d == 1`, `input.a.d input.b`},
	{"value for data", `r if data.t.u with data.t as input.a`, `input.a data.t.u`},
	{"value that is a rule", `r if q with input.a as s
		q if input.a.d == 1
		s := input.c`, `input.a.d input.c`},
	{"function replaced", `r if f(input.a) with f as g
		f(x) if x.b
		g(x) if x.c`, `input.a`},
	{"function replaced further up", `r if q with f as g
		q if f(input.a)
		f(x) if x.b
		g(x) if x.c`, `input.a`},
	{"replacement reads input", `r if f(1) with f as g
		f(_) if input.a
		g(_) if input.b`, `input.a input.b`},
	{"replacement gives a part", `r if { x := f(input.a) with f as g; x.k == 1 }
		f(x) := x.b
		g(x) := input.d if x.c`, `input.a input.d`},
	{"replacement gives its parameter", `r if f(input.a) with f as g
		f(x) := x.b
		g(x) := x`, `input.a`},
	{"replaced in a function", `r if h(1, input.a)
		h(x, y) if f(y) with f as g
		f(x) := x.b
		g(x) := x`, `input.a`},
	{"function replaced by a value", `r if f(input.a) with f as input.b
		f(x) := x.c`, `input.a input.b`},
	{"builtin replaced", `r if object.get(input.a, "b", 0) with object.get as g
		g(x, _, _) if x.c`, `input.a`},
	{"kind replaced", `r if { q with is_object as g }
		q if { is_object(input.a); input.a.b }
		g(x) if x.c`, `input.a`},
	{"with inside a function", `r if f(input.a)
		f(x) if q with input.b as x.c
		q if input.b.d`, `input.a.c input.b.d`},
	{"value and target alike", `r if q with input as input.a
		q if input.b.c`, `input.a input.b.c`},
}
