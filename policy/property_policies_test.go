package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// policyWriter writes random policies in Rego v1. A rule reads a field of the
// input along a random way: through variables, functions, other rules, other
// packages, comprehensions, names that are computed or come from data, mocks.
type policyWriter struct {
	r     *rand.Rand
	point *point
	n     int
	files []*sourceFile
	// constructs and paths are what the policy uses and which fields of the
	// input it reads, as far as the writer knows.
	constructs map[string]bool
	paths      map[string][]string
	resources  map[string]bool
}

type sourceFile struct {
	pkg, imports string
	rules        []string
}

// generated is a policy: the text of its files by name.
type generated struct {
	files      map[string]string
	constructs []string
	paths      [][]string
	resources  []string
}

// body is the body of a rule being written.
type body struct {
	pkg   string
	lines []string
}

func (b *body) add(format string, args ...any) {
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

func writePolicy(r *rand.Rand, p *point) generated {
	w := &policyWriter{
		r: r, point: p,
		constructs: map[string]bool{}, paths: map[string][]string{}, resources: map[string]bool{},
	}
	w.entries()
	out := generated{files: map[string]string{}}
	for i, file := range w.files {
		name := fmt.Sprintf("%d-%s.rego", i, file.pkg)
		out.files[name] = "package " + file.pkg + "\n\n" + file.imports + strings.Join(file.rules, "\n\n") + "\n"
	}
	out.constructs = slices.Sorted(maps.Keys(w.constructs))
	out.resources = slices.Sorted(maps.Keys(w.resources))
	for _, key := range slices.Sorted(maps.Keys(w.paths)) {
		out.paths = append(out.paths, w.paths[key])
	}
	return out
}

func (w *policyWriter) chance(of int) bool { return w.r.IntN(of) == 0 }

func (w *policyWriter) use(construct string) { w.constructs[construct] = true }

func (w *policyWriter) name(prefix string) string {
	w.n++
	return prefix + strconv.Itoa(w.n)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// write puts a rule into one of the files of pkg.
func (w *policyWriter) write(pkg, rule string) {
	var mine []*sourceFile
	for _, file := range w.files {
		if file.pkg == pkg && file.imports == "" {
			mine = append(mine, file)
		}
	}
	if len(mine) == 0 || len(mine) < 3 && w.chance(3) {
		file := &sourceFile{pkg: pkg}
		w.files = append(w.files, file)
		mine = append(mine, file)
	}
	file := mine[w.r.IntN(len(mine))]
	file.rules = append(file.rules, rule)
}

// text writes head with a body, which may be empty.
func (b *body) text(head string) string {
	if len(b.lines) == 0 {
		return head
	}
	return head + " if {\n\t" + strings.Join(b.lines, "\n\t") + "\n}"
}

func (b *body) inline() string { return strings.Join(b.lines, "; ") }

// ref names a rule or function of pkg from within b.
func (w *policyWriter) ref(b *body, pkg, name string) string {
	if b.pkg == pkg && w.chance(2) {
		return name
	}
	return "data." + pkg + "." + name
}

func (w *policyWriter) somePackage() string {
	return pick(w.r, w.point.pkg, w.point.pkg, "helpers", "helpers", "tools.deep")
}

// helper writes a rule whose value fill gives, and returns its package and name.
func (w *policyWriter) helper(fill func(b *body) string) (pkg, name string) {
	pkg, name = w.somePackage(), w.name("h")
	b := &body{pkg: pkg}
	value := fill(b)
	w.write(pkg, b.text(name+" := "+value))
	return pkg, name
}

var bare = map[string]bool{"default": true, "package": true, "import": true, "with": true, "not": true, "some": true, "as": true, "if": true, "in": true, "every": true, "contains": true, "else": true, "true": true, "false": true, "null": true}

// dotted goes down path from base.
func (w *policyWriter) dotted(base string, path []string) string {
	var b strings.Builder
	b.WriteString(base)
	for _, name := range path {
		if strings.ContainsAny(name, "./-") || bare[name] || w.chance(6) {
			b.WriteString("[" + strconv.Quote(name) + "]")
		} else {
			b.WriteString("." + name)
		}
	}
	return b.String()
}

func list(path []string) string {
	quoted := make([]string, len(path))
	for i, name := range path {
		quoted[i] = strconv.Quote(name)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// field emits what is needed to read the field of l into b and returns the
// expression that has its value.
func (w *policyWriter) field(b *body, l leaf) string {
	w.paths[strings.Join(l.path, "\x00")] = l.path
	return w.read(b, l.path, 2)
}

// variable makes an expression a variable.
func (w *policyWriter) variable(b *body, expression string) string {
	v := w.name("v")
	b.add("%s := %s", v, expression)
	return v
}

func isDottable(expression string) bool { return !strings.HasSuffix(expression, ")") }

// whole is read with the certainty that the result can be dotted.
func (w *policyWriter) whole(b *body, path []string, depth int) string {
	out := w.read(b, path, depth)
	if !isDottable(out) {
		return w.variable(b, out)
	}
	return out
}

// read returns an expression for the value of input at path.
func (w *policyWriter) read(b *body, path []string, depth int) string {
	if depth == 0 || w.chance(4) {
		w.use("direct reference")
		return w.dotted("input", path)
	}
	depth--
	cut := w.r.IntN(len(path) + 1)
	head, rest := path[:cut], path[cut:]
	last := ""
	if len(path) > 0 {
		last = path[len(path)-1]
	}
	switch w.r.IntN(46) {
	case 0, 1:
		w.use("alias")
		v := w.variable(b, w.whole(b, head, depth))
		return w.dotted(v, rest)
	case 2:
		w.use("unification")
		v := w.name("v")
		base := w.read(b, head, depth)
		switch w.r.IntN(3) {
		case 0:
			b.add(`{"s": %s} = {"s": %s}`, v, base)
		case 1:
			b.add("[%s, _] = [%s, 1]", v, base)
		default:
			b.add("%s = %s", base, v)
		}
		return w.dotted(v, rest)
	case 3, 4:
		w.use("helper rule")
		pkg, name := w.helper(func(b *body) string { return w.read(b, head, depth) })
		return w.dotted(w.ref(b, pkg, name), rest)
	case 5:
		w.use("else")
		pkg, name := w.somePackage(), w.name("h")
		first, second := &body{pkg: pkg}, &body{pkg: pkg}
		a := w.read(first, head, depth)
		first.add("%s", w.dotted("input", w.someLeaf(text).path))
		other := w.read(second, head, 0)
		if w.chance(2) {
			other = w.read(second, w.someLeaf(text).path, depth)
		}
		w.write(pkg, first.text(name+" := "+a)+" "+second.text("else := "+other))
		return w.dotted(w.ref(b, pkg, name), rest)
	case 6:
		w.use("default rule")
		pkg, name := w.somePackage(), w.name("h")
		inner := &body{pkg: pkg}
		value := w.read(inner, head, depth)
		inner.add("%s != %s", w.dotted("input", w.someLeaf(text).path), w.constant())
		w.write(pkg, fmt.Sprintf("default %s := {\"%s\": %s}", name, last, w.constant()))
		w.write(pkg, inner.text(name+" := "+value))
		return w.dotted(w.ref(b, pkg, name), rest)
	case 7, 8, 9:
		w.use("function of a subtree")
		pkg, name := w.somePackage(), w.name("f")
		split := w.r.IntN(len(rest) + 1)
		w.write(pkg, fmt.Sprintf("%s(x) := %s", name, w.dotted("x", rest[:split])))
		return w.dotted(w.variable(b, fmt.Sprintf("%s(%s)", w.ref(b, pkg, name), w.read(b, head, depth))), rest[split:])
	case 10:
		w.use("nested functions")
		pkg, inner, outer := w.somePackage(), w.name("f"), w.name("f")
		split := w.r.IntN(len(rest) + 1)
		w.write(pkg, fmt.Sprintf("%s(x) := %s", inner, w.dotted("x", rest[split:])))
		w.write(pkg, fmt.Sprintf("%s(y) := data.%s.%s(%s)", outer, pkg, inner, w.dotted("y", rest[:split])))
		return fmt.Sprintf("%s(%s)", w.ref(b, pkg, outer), w.read(b, head, depth))
	case 11:
		w.use("function of several clauses")
		pkg, name := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(x, mode) := %s if mode == \"a\"", name, w.dotted("x", rest)))
		w.write(pkg, fmt.Sprintf("%s(x, mode) := %s if mode != \"a\"", name, pick(w.r, w.constant(), "x")))
		mode := pick(w.r, `"a"`, `"a"`, w.dotted("input", w.someLeaf(text).path))
		return fmt.Sprintf("%s(%s, %s)", w.ref(b, pkg, name), w.read(b, head, depth), mode)
	case 12:
		w.use("function with else")
		pkg, name := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(x) := %s if {\n\tx\n} else := %s", name, w.dotted("x", rest), w.constant()))
		return fmt.Sprintf("%s(%s)", w.ref(b, pkg, name), w.read(b, head, depth))
	case 13:
		w.use("function that takes a pattern")
		pkg, name := w.somePackage(), w.name("f")
		if w.chance(2) {
			w.write(pkg, fmt.Sprintf("%s([x, _]) := %s", name, w.dotted("x", rest)))
			return fmt.Sprintf("%s([%s, 1])", w.ref(b, pkg, name), w.read(b, head, depth))
		}
		w.write(pkg, fmt.Sprintf("%s({\"k\": x}) := %s", name, w.dotted("x", rest)))
		return fmt.Sprintf("%s({\"k\": %s})", w.ref(b, pkg, name), w.read(b, head, depth))
	case 14:
		w.use("value put into an object")
		v := w.variable(b, fmt.Sprintf(`{"a": %s, "b": %s}`, w.read(b, head, depth), w.constant()))
		if w.chance(2) {
			k := w.variable(b, `"a"`)
			return w.dotted(v+"["+k+"]", rest)
		}
		return w.dotted(v+".a", rest)
	case 15:
		w.use("value put into an array")
		v := w.variable(b, fmt.Sprintf(`[%s, %s]`, w.constant(), w.read(b, head, depth)))
		return w.dotted(v+pick(w.r, "[1]", "[count("+v+") - 1]"), rest)
	case 16, 17:
		inner := &body{pkg: b.pkg}
		x := w.name("x")
		inner.add("%s := %s", x, w.read(inner, head, depth))
		v := w.name("v")
		switch w.r.IntN(3) {
		case 0:
			w.use("array comprehension")
			b.add("%s := [%s | %s][0]", v, x, inner.inline())
		case 1:
			w.use("set comprehension")
			b.add("some %s in {%s | %s}", v, x, inner.inline())
		default:
			w.use("object comprehension")
			b.add(`%s := {"a": %s | %s}.a`, v, x, inner.inline())
		}
		return w.dotted(v, rest)
	case 18:
		w.use("partial object")
		pkg, name := w.somePackage(), w.name("h")
		inner := &body{pkg: pkg}
		value := w.read(inner, head, depth)
		inner.add(`some name in ["a", "b"]`)
		w.write(pkg, inner.text(name+"[name] := "+value))
		if w.chance(2) {
			k := w.variable(b, pick(w.r, `"a"`, `"b"`))
			return w.dotted(w.ref(b, pkg, name)+"["+k+"]", rest)
		}
		return w.dotted(w.ref(b, pkg, name)+".b", rest)
	case 19:
		w.use("partial set of subtrees")
		pkg, name := w.somePackage(), w.name("h")
		inner := &body{pkg: pkg}
		value := w.read(inner, head, depth)
		w.write(pkg, inner.text(name+" contains "+value))
		v := w.name("v")
		b.add("some %s in %s", v, w.ref(b, pkg, name))
		return w.dotted(v, rest)
	case 20:
		w.use("reference head")
		pkg, name := w.somePackage(), w.name("h")
		inner := &body{pkg: pkg}
		value := w.read(inner, head, depth)
		w.write(pkg, inner.text(name+".inner.a := "+value))
		if w.chance(2) {
			k := w.variable(b, `"inner"`)
			return w.dotted(w.ref(b, pkg, name)+"["+k+"].a", rest)
		}
		return w.dotted(w.ref(b, pkg, name)+".inner.a", rest)
	case 21:
		w.use("iteration over subtrees")
		v := w.name("v")
		b.add("some %s in [%s, {}]", v, w.read(b, head, depth))
		return w.dotted(v, rest)
	case 22:
		if len(path) == 0 {
			break
		}
		w.use("iteration over keys")
		k, v := w.name("k"), w.name("v")
		b.add("some %s, %s in %s", k, v, w.read(b, path[:len(path)-1], depth))
		b.add("%s == %q", k, last)
		return v
	case 23:
		if len(path) == 0 {
			break
		}
		w.use("computed name")
		parent := w.whole(b, path[:len(path)-1], depth)
		k := w.variable(b, pick(w.r, strconv.Quote(last), fmt.Sprintf("concat(\"\", [%q, %q])", last[:1], last[1:])))
		return fmt.Sprintf("%s[%s]", parent, k)
	case 24, 25:
		if len(path) == 0 {
			break
		}
		w.use("name from data")
		return fmt.Sprintf("%s[%s]", w.whole(b, path[:len(path)-1], depth), w.dotted("data.static.keys", []string{last}))
	case 26, 27:
		w.use("object.get, constant path")
		fallback := pick(w.r, w.constant(), "{}", "null")
		if len(rest) == 1 && w.chance(2) {
			return fmt.Sprintf("object.get(%s, %q, %s)", w.read(b, head, depth), rest[0], fallback)
		}
		return fmt.Sprintf("object.get(%s, %s, %s)", w.read(b, head, depth), list(rest), fallback)
	case 28:
		w.use("object.get, computed path")
		k := w.variable(b, list(rest))
		if len(rest) > 0 && w.chance(2) {
			k = w.variable(b, fmt.Sprintf("array.concat(%s, [%s])", list(rest[:len(rest)-1]), w.dotted("data.static.keys", rest[len(rest)-1:])))
		}
		return fmt.Sprintf("object.get(%s, %s, %s)", w.read(b, head, depth), k, w.constant())
	case 29:
		w.use("walk")
		v := w.name("v")
		b.add("walk(%s, [%s, %s])", w.read(b, head, depth), list(rest), v)
		return v
	case 30:
		if len(path) == 0 {
			break
		}
		w.use("object.filter and its like")
		parent := w.whole(b, path[:len(path)-1], depth)
		var call string
		switch w.r.IntN(4) {
		case 0:
			call = fmt.Sprintf("object.filter(%s, [%q])", parent, last)
		case 1:
			call = fmt.Sprintf("json.filter(%s, [[%q]])", parent, last)
		case 2:
			call = fmt.Sprintf(`json.remove(%s, ["nothing"])`, parent)
		default:
			call = fmt.Sprintf(`object.union(%s, {"nothing": %s})`, parent, w.constant())
		}
		return w.dotted(w.variable(b, call), []string{last})
	case 31:
		w.use("dynamic reference to rules")
		inner := &body{pkg: "table"}
		one, two := w.name("t"), w.name("t")
		w.write("table", inner.text(one+" := "+w.dotted("input", head)))
		w.write("table", fmt.Sprintf("%s := %s", two, pick(w.r, w.constant(), w.dotted("input", w.someLeaf(text).path))))
		k := w.variable(b, strconv.Quote(one))
		return w.dotted("data.table["+k+"]", rest)
	case 32:
		w.use("with input.x as")
		pkg, name := w.helper(func(b *body) string { return w.read(b, head, depth) })
		other := w.someLeaf(text)
		v := w.name("v")
		b.add("%s := %s with %s as %s", v, w.ref(b, pkg, name), w.dotted("input", other.path), pick(w.r, w.constant(), w.dotted("input", w.someLeaf(text).path)))
		return w.dotted(v, rest)
	case 33:
		w.use("with input as")
		pkg, name := w.helper(func(b *body) string { return w.read(b, path, depth) })
		v := w.name("v")
		replaced := w.name("v")
		if w.chance(2) {
			b.add(`%s := object.union(input, {"nothing": 1})`, replaced)
		} else {
			b.add("%s := %s", replaced, nest(path, w.read(b, path, depth)))
		}
		b.add("%s := %s with input as %s", v, w.ref(b, pkg, name), replaced)
		return v
	case 34:
		if len(path) == 0 {
			break
		}
		w.use("with data.x as")
		pkg, name := w.helper(func(b *body) string {
			return fmt.Sprintf("%s[%s]", w.whole(b, path[:len(path)-1], depth), w.dotted("data.static.keys", []string{last}))
		})
		v := w.name("v")
		b.add("%s := %s with %s as %q", v, w.ref(b, pkg, name), w.dotted("data.static.keys", []string{last}), last)
		return v
	case 35:
		w.use("function mock")
		one, two := w.name("f"), w.name("f")
		w.write("helpers", fmt.Sprintf("%s(_) := %s", one, w.constant()))
		w.write("helpers", fmt.Sprintf("%s(_) := %s", two, w.dotted("input", head)))
		pkg, name := w.helper(func(_ *body) string { return fmt.Sprintf("data.helpers.%s(1)", one) })
		v := w.name("v")
		b.add("%s := %s with data.helpers.%s as data.helpers.%s", v, w.ref(b, pkg, name), one, two)
		return w.dotted(v, rest)
	case 36:
		w.use("builtin mock")
		mock := w.name("f")
		w.write("helpers", fmt.Sprintf("%s(x) := [x, %s]", mock, w.dotted("input", head)))
		pkg, name := w.helper(func(_ *body) string { return `json.unmarshal("7")` })
		v := w.name("v")
		b.add("%s := %s with json.unmarshal as data.helpers.%s", v, w.ref(b, pkg, name), mock)
		return w.dotted(v+"[1]", rest)
	case 37:
		w.use("import of input")
		name := w.name("h")
		if len(head) == 0 {
			break
		}
		alias := w.name("i")
		w.files = append(w.files, &sourceFile{
			pkg:     "helpers",
			imports: "import " + w.dotted("input", head) + " as " + alias + "\n\n",
			rules:   []string{name + " := " + w.dotted(alias, rest)},
		})
		return "data.helpers." + name
	case 38:
		w.use("array built by a builtin")
		v := w.variable(b, fmt.Sprintf("array.concat([%s], [%s])", w.read(b, head, depth), w.constant()))
		return w.dotted(v+"[0]", rest)
	case 40, 41:
		if len(path) == 0 {
			break
		}
		w.use("function of the name of a field")
		pkg, name := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(x, name) := %s", name, pick(w.r, "x[name]", `object.get(x, name, "none")`, `object.get(x, [name], "none")`)))
		if w.chance(3) {
			outer := w.name("f")
			w.write(pkg, fmt.Sprintf("%s(x, name) := data.%s.%s(x, name)", outer, pkg, name))
			name = outer
		}
		key := strconv.Quote(last)
		if w.chance(3) {
			key = w.variable(b, key)
		}
		return fmt.Sprintf("%s(%s, %s)", w.ref(b, pkg, name), w.read(b, path[:len(path)-1], depth), key)
	case 42:
		w.use("several modifiers")
		mock := w.name("f")
		w.write("helpers", fmt.Sprintf("%s(x) := x", mock))
		pkg, name := w.helper(func(b *body) string { return fmt.Sprintf("[data.helpers.%s(1), %s]", mock, w.read(b, head, depth)) })
		v := w.name("v")
		modifiers := []string{
			fmt.Sprintf("with data.helpers.%s as %s", mock, w.constant()),
			fmt.Sprintf("with %s as %s", w.dotted("input", w.someLeaf(text).path), w.constant()),
			fmt.Sprintf("with data.static.limits.low as %d", w.r.IntN(4)),
		}
		w.r.Shuffle(len(modifiers), func(i, j int) { modifiers[i], modifiers[j] = modifiers[j], modifiers[i] })
		b.add("%s := %s %s", v, w.ref(b, pkg, name), strings.Join(modifiers[:1+w.r.IntN(3)], " "))
		return w.dotted(v+"[1]", rest)
	case 43:
		w.use("function mock by a local value")
		mock := w.name("f")
		w.write("helpers", fmt.Sprintf("%s(x) := x", mock))
		pkg, name := w.helper(func(_ *body) string { return fmt.Sprintf("data.helpers.%s(1)", mock) })
		value := w.variable(b, w.read(b, head, depth))
		v := w.name("v")
		b.add("%s := %s with data.helpers.%s as %s", v, w.ref(b, pkg, name), mock, value)
		return w.dotted(v, rest)
	case 44:
		w.use("set made at run time")
		v := w.name("v")
		first, second := w.read(b, head, depth), w.read(b, w.someLeaf(text).path, depth)
		b.add("%s := [x | some x in {%s, %s}][%d]", v, first, second, w.r.IntN(2))
		return w.dotted(v, rest)
	case 45:
		w.use("data around what is replaced")
		pkg, name := w.helper(func(_ *body) string { return "data.static.limits" })
		v := w.name("v")
		b.add(`%s := %s with data.static.limits.%s as {"low": %s}`, v, w.ref(b, pkg, name), pick(w.r, "low", "more"), w.read(b, head, depth))
		return w.dotted(v+".low.low", rest)
	case 39:
		w.use("json round trip")
		v := w.variable(b, fmt.Sprintf("json.unmarshal(json.marshal(%s))", w.read(b, head, depth)))
		return w.dotted(v, rest)
	}
	return w.dotted("input", path)
}

// nest writes an object that has value at path.
func nest(path []string, value string) string {
	for _, name := range slices.Backward(path) {
		value = fmt.Sprintf("{%q: %s}", name, value)
	}
	return value
}

// constant is one of the names that inputs and data hold.
func (w *policyWriter) constant() string {
	return strconv.Quote(universe[w.r.IntN(len(universe))])
}

// of is a constant that the field of l often has.
func (w *policyWriter) of(l leaf) string {
	if len(l.pool) == 0 {
		return w.constant()
	}
	return canonical(l.pool[w.r.IntN(len(l.pool))])
}

func (w *policyWriter) someLeaf(k kind) leaf {
	var out []leaf
	for _, l := range w.point.leaves {
		if l.kind == k {
			out = append(out, l)
		}
	}
	l := out[w.r.IntN(len(out))]
	w.paths[strings.Join(l.path, "\x00")] = l.path
	return l
}

// condition adds to b what has to hold, and returns an expression worth
// putting into a reason.
func (w *policyWriter) condition(b *body) string {
	l := w.point.leaves[w.r.IntN(len(w.point.leaves))]
	switch w.r.IntN(36) {
	case 0, 1, 2:
		l = w.someLeaf(number)
	case 3:
		// Nothing may be kept of a policy that asks the clock.
		w.use("the clock")
		b.add("time.now_ns() > 0")
	}
	switch l.kind {
	case texts:
		return w.textsCondition(b, l)
	case objects:
		return w.objectsCondition(b, l)
	case number, boolean:
		return w.numberCondition(b, l)
	}
	if w.chance(3) {
		return w.dataCondition(b, l)
	}
	return w.textCondition(b, l)
}

func (w *policyWriter) textCondition(b *body, l leaf) string {
	w.use("equality and its like")
	switch w.r.IntN(22) {
	case 0, 1:
		v := w.field(b, l)
		b.add("%s == %s", v, w.of(l))
		return v
	case 2, 3:
		v := w.field(b, l)
		b.add("%s != %s", v, w.of(l))
		return v
	case 4:
		w.use("membership")
		v := w.field(b, l)
		b.add("%s in %s", v, pick(w.r, fmt.Sprintf("{%s, %s}", w.of(l), w.of(l)), "data.static.allowed"))
		return v
	case 5:
		w.use("negation")
		v := w.field(b, l)
		b.add("not %s == %s", v, w.of(l))
		return w.constant()
	case 6:
		w.use("negation of presence")
		w.paths[strings.Join(l.path, "\x00")] = l.path
		b.add("not %s", w.dotted("input", l.path))
		return w.constant()
	case 7:
		w.use("negation of a helper")
		pkg, name := w.somePackage(), w.name("h")
		inner := &body{pkg: pkg}
		inner.add("%s == %s", w.field(inner, l), w.of(l))
		w.write(pkg, inner.text(name))
		b.add("not %s", w.ref(b, pkg, name))
		return w.constant()
	case 8:
		w.use("presence")
		v := w.field(b, l)
		b.add("_ = %s", v)
		return w.constant()
	case 9:
		w.use("builtin that may fault")
		v := w.field(b, l)
		if slices.Contains(l.pool, any("7")) {
			b.add("to_number(%s) > %d", v, w.r.IntN(50))
			return v
		}
		b.add("%s", pick(w.r,
			fmt.Sprintf("startswith(%s, %q)", v, pick(w.r, "a", "p", "d", "")),
			fmt.Sprintf("lower(%s) != %s", v, w.of(l)),
			fmt.Sprintf("regex.match(`^[a-k]`, %s)", v),
			fmt.Sprintf("count(%s) > 3", v)))
		return v
	case 10:
		w.use("predicate function")
		pkg, name := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(%s)", name, w.of(l)))
		w.write(pkg, fmt.Sprintf("%s(x) if x in data.static.allowed", name))
		if w.chance(2) {
			inner := &body{pkg: pkg}
			inner.add("x == %s", w.field(inner, w.someLeaf(text)))
			w.write(pkg, inner.text(name+"(x)"))
		}
		v := w.field(b, l)
		b.add("%s(%s)", w.ref(b, pkg, name), v)
		return v
	case 11:
		w.use("comparison of two fields")
		v, other := w.field(b, l), w.field(b, w.someLeaf(text))
		b.add("%s %s %s", v, pick(w.r, "==", "!=", "<", ">="), other)
		return other
	case 12:
		w.use("order of strings")
		v := w.field(b, l)
		b.add("%s %s %s", v, pick(w.r, "<", ">", "<=", ">="), w.of(l))
		return v
	case 13:
		w.use("every")
		v := w.field(b, l)
		b.add("every x in [%s, %s] { x != %s }", v, w.constant(), w.of(l))
		return v
	case 14:
		w.use("set operations")
		v := w.field(b, l)
		b.add("count({%s} %s {%s, %s}) > 0", v, pick(w.r, "&", "-"), w.of(l), w.of(l))
		return w.constant()
	case 15:
		w.use("type test")
		v := w.field(b, l)
		b.add("%s", pick(w.r, fmt.Sprintf("is_string(%s)", v), fmt.Sprintf("is_null(%s)", v), fmt.Sprintf("type_name(%s) != \"string\"", v)))
		return w.constant()
	case 16:
		if len(l.path) < 2 {
			return w.constant()
		}
		w.use("names of a subtree")
		parent := l.path[:len(l.path)-1]
		w.paths[strings.Join(parent, "\x00")] = parent
		b.add("%q in object.keys(%s)", l.path[len(l.path)-1], w.read(b, parent, 1))
		return w.constant()
	case 17:
		w.use("object.subset")
		parent := l.path[:len(l.path)-1]
		w.paths[strings.Join(l.path, "\x00")] = l.path
		b.add("object.subset(%s, {%q: %s})", w.read(b, parent, 1), l.path[len(l.path)-1], w.of(l))
		return w.constant()
	case 18:
		w.use("comparison of a subtree")
		parent := l.path[:len(l.path)-1]
		w.paths[strings.Join(parent, "\x00")] = parent
		b.add("%s > {%q: %s}", w.read(b, parent, 1), l.path[len(l.path)-1], w.of(l))
		return w.constant()
	case 19:
		w.use("printing of a subtree")
		parent := l.path[:len(l.path)-1]
		w.paths[strings.Join(parent, "\x00")] = parent
		b.add("contains(json.marshal(%s), %s)", w.read(b, parent, 1), w.of(l))
		return w.constant()
	case 20:
		w.use("field as key of input")
		v := w.field(b, l)
		parent := w.someLeaf(text).path
		parent = parent[:len(parent)-1]
		w.paths[strings.Join(parent, "\x00")] = parent
		b.add("%s[%s]", w.dotted("input", parent), v)
		return v
	default:
		w.use("choice of helper by name")
		v := w.field(b, l)
		one, two := w.name("t"), w.name("t")
		w.write("table", fmt.Sprintf("%s := %s", one, w.of(l)))
		w.write("table", fmt.Sprintf("%s := %s", two, w.dotted("input", w.someLeaf(text).path)))
		n := w.name("n")
		b.add("some %s in [%q, %q]", n, one, two)
		b.add("data.table[%s] == %s", n, v)
		return v
	}
}

func (w *policyWriter) textsCondition(b *body, l leaf) string {
	w.use("list of strings")
	v := w.whole(b, l.path, 2)
	w.paths[strings.Join(l.path, "\x00")] = l.path
	switch w.r.IntN(10) {
	case 0, 1:
		b.add("%s in %s", w.of(l), v)
		return w.constant()
	case 2:
		w.use("some … in")
		x := w.name("x")
		b.add("some %s in %s", x, v)
		b.add("%s in data.static.allowed", x)
		return x
	case 3:
		w.use("negation of membership")
		b.add("not %s in %s", w.of(l), v)
		return w.constant()
	case 4:
		w.use("count")
		b.add("count(%s) %s %d", v, pick(w.r, ">", "<", "=="), w.r.IntN(3))
		return fmt.Sprintf("count(%s)", v)
	case 5:
		w.use("index")
		b.add("%s[0] != %s", v, w.of(l))
		return fmt.Sprintf("%s[count(%s) - 1]", v, v)
	case 6:
		w.use("set comprehension")
		b.add("count({x | some x in %s; x in {%s, %s}}) > 0", v, w.of(l), w.of(l))
		return fmt.Sprintf("sort(%s)", v)
	case 7:
		w.use("every")
		b.add("every x in %s { x != %s }", v, w.of(l))
		return w.constant()
	case 8:
		w.use("lookup by element")
		x := w.name("x")
		b.add("some %s in %s", x, v)
		w.resources["access"] = true
		b.add("data.access[%s].level > %d", x, w.r.IntN(4))
		return x
	default:
		w.use("partial set")
		pkg, name := w.somePackage(), w.name("h")
		inner := &body{pkg: pkg}
		inner.add("some x in %s", w.read(inner, l.path, 1))
		inner.add("x != %s", w.of(l))
		w.write(pkg, inner.text(name+" contains x"))
		b.add("%s in %s", w.of(l), w.ref(b, pkg, name))
		return fmt.Sprintf("count(%s)", w.ref(b, pkg, name))
	}
}

func (w *policyWriter) objectsCondition(b *body, l leaf) string {
	w.use("list of objects")
	w.paths[strings.Join(l.path, "\x00")] = l.path
	field := l.fields[w.r.IntN(len(l.fields))]
	name := field.path[0]
	v := w.whole(b, l.path, 2)
	x := w.name("x")
	switch w.r.IntN(5) {
	case 0:
		b.add("some %s in %s", x, v)
		b.add("%s.%s %s %s", x, name, pick(w.r, "==", "!="), w.of(field))
		return x + "." + name
	case 1:
		w.use("every")
		b.add("every x in %s { x.%s != %s }", v, name, w.of(field))
		return w.constant()
	case 2:
		w.use("array comprehension")
		b.add("%s := [y.%s | some y in %s]", x, name, v)
		b.add("count(%s) > 0", x)
		return x
	case 3:
		w.use("index")
		b.add("%s[%s].%s != %s", v, pick(w.r, "0", "1", "_"), name, w.of(field))
		return fmt.Sprintf("%s[0].%s", v, name)
	default:
		w.use("function of an element")
		pkg, f := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(c) if c.%s == %s", f, name, w.of(field)))
		b.add("some %s in %s", x, v)
		b.add("not %s(%s)", w.ref(b, pkg, f), x)
		return w.constant()
	}
}

func (w *policyWriter) numberCondition(b *body, l leaf) string {
	w.use("numbers and flags")
	v := w.field(b, l)
	switch w.r.IntN(7) {
	case 0:
		b.add("%s == %s", v, w.of(l))
	case 1:
		b.add("%s > %d", v, w.r.IntN(8))
	case 2:
		w.use("arithmetic")
		b.add("%s + 1 > data.static.limits.low * 2", v)
	case 3:
		w.use("negation")
		b.add("not %s", v)
		return w.constant()
	case 4:
		w.use("printed number")
		b.add(`sprintf("%%v", [%s]) != %q`, v, strings.Trim(w.of(l), `"`))
	case 5:
		if l.kind == boolean {
			b.add("%s == %s", v, w.of(l))
			break
		}
		w.use("builtin that may fault")
		b.add("round(%s) < data.static.limits.high", v)
	default:
		b.add("%s", v)
	}
	return v
}

func (w *policyWriter) dataCondition(b *body, l leaf) string {
	v := w.field(b, l)
	if !isVariable(v) {
		v = w.variable(b, v)
	}
	n := w.r.IntN(5)
	switch w.r.IntN(21) {
	case 20:
		w.use("static data, field")
		b.add("count(data.static.allowed) > data.static.limits.low")
		return pick(w.r, "data.static.limits.high", "count(data.static.limits)")
	case 0:
		w.use("static data, lookup")
		b.add("data.static.names[%s] != %s", v, w.constant())
		return fmt.Sprintf("data.static.names[%s]", v)
	case 1:
		w.use("static data, lookup")
		b.add("data.static.names[%s]", v)
		return fmt.Sprintf("data.static.names[data.static.names[%s]]", v)
	case 2:
		w.use("static data, lookup and field")
		b.add("data.access[%s].level > %d", v, n)
		return v
	case 3:
		w.use("static data, alias")
		a := w.variable(b, fmt.Sprintf("data.access[%s]", v))
		b.add("%s in %s.names", w.constant(), a)
		return fmt.Sprintf("object.get(%s, \"tier\", \"none\")", a)
	case 4:
		w.use("static data, object.get")
		b.add("object.get(data.access, [%s, \"level\"], 2) >= %d", v, n)
		return fmt.Sprintf("object.get(data.access, %s, \"nobody\")", v)
	case 5:
		w.use("static data, iteration")
		role, x := w.name("x"), w.name("x")
		b.add("some %s, %s in data.static.roles", role, x)
		b.add("%s in %s.members", v, x)
		return role
	case 6:
		w.use("static data, helper")
		pkg, name := w.somePackage(), w.name("h")
		w.write(pkg, fmt.Sprintf("%s contains u if {\n\tsome u, x in data.access\n\tx.level > %d\n}", name, n))
		b.add("%s%s in %s", pick(w.r, "", "not "), v, w.ref(b, pkg, name))
		return v
	case 7:
		w.use("static data, function")
		pkg, name := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(u) := data.access[u]", name))
		b.add("%s(%s).level <= %d", w.ref(b, pkg, name), v, n)
		return v
	case 8:
		w.use("with data.access as")
		pkg, name := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(u) := data.access[u].level", name))
		b.add("%s(%s) > 0 with data.access as {%s: {\"level\": data.static.limits.low}}", w.ref(b, pkg, name), v, w.of(l))
		return v
	case 9, 10:
		w.use("cluster data, lookup and field")
		w.resources["cluster.users"] = true
		b.add("data.cluster.users[%s].level > %d", v, n)
		return fmt.Sprintf("data.cluster.users[%s].level", v)
	case 11:
		w.use("cluster data, negation")
		w.resources["cluster.users"] = true
		b.add("not data.cluster.users[%s].disabled", v)
		return v
	case 12:
		w.use("cluster data, alias")
		w.resources["cluster.namespaces"] = true
		a := w.variable(b, "data.cluster.namespaces")
		b.add("%s[%s].labels.tier != %s", a, v, w.constant())
		return fmt.Sprintf("%s[%s].labels.tier", a, v)
	case 13:
		w.use("cluster data, flag")
		w.resources["cluster.flags"] = true
		b.add("data.cluster.flags.strict")
		return "data.cluster.flags.mode"
	case 14:
		w.use("cluster data, computed resource")
		for _, name := range clusterResources {
			w.resources["cluster."+name] = true
		}
		k := w.variable(b, pick(w.r, `"users"`, `"namespaces"`))
		b.add("data.cluster[%s][%s]", k, v)
		return v
	case 15:
		w.use("cluster data, iteration")
		w.resources["cluster.users"] = true
		x := w.name("x")
		b.add("%s := {u | some u, x in data.cluster.users; x.level > %d}", x, n)
		b.add("%s in %s", v, x)
		return fmt.Sprintf("count(%s)", x)
	case 16:
		w.use("cluster data, helper and else")
		w.resources["cluster.flags"] = true
		pkg, name := w.somePackage(), w.name("h")
		w.write(pkg, fmt.Sprintf("%s := data.cluster.flags.mode if {\n\tdata.cluster.flags.strict\n} else := %s", name, w.of(l)))
		b.add("%s %s %s", v, pick(w.r, "==", "!="), w.ref(b, pkg, name))
		return w.ref(b, pkg, name)
	case 17:
		w.use("cluster data, whole")
		for _, name := range clusterResources {
			w.resources["cluster."+name] = true
		}
		x := w.name("x")
		b.add("some %s in data.cluster", x)
		b.add("%s[%s]", x, v)
		return v
	case 18:
		w.use("with data.cluster.x as")
		w.resources["cluster.flags"] = true
		pkg, name := w.somePackage(), w.name("h")
		w.write(pkg, fmt.Sprintf("%s := data.cluster.flags", name))
		x := w.name("x")
		b.add("%s := %s.mode with data.cluster.flags.mode as %s", x, w.ref(b, pkg, name), v)
		return x
	default:
		w.use("with data.cluster.x as, other resource")
		w.resources["cluster.users"] = true
		w.resources["cluster.namespaces"] = true
		pkg, name := w.somePackage(), w.name("f")
		w.write(pkg, fmt.Sprintf("%s(u) if data.cluster.users[u].labels.tier", name))
		b.add("%s(%s) with data.cluster.users as data.cluster.namespaces", w.ref(b, pkg, name), v)
		return v
	}
}

func isVariable(expression string) bool {
	return !strings.ContainsAny(expression, ".[(\"")
}

// reason writes a string out of what the conditions gave.
func (w *policyWriter) reason(b *body, shown string) string {
	label := w.name("r")
	switch w.r.IntN(8) {
	case 0, 1:
		return strconv.Quote(label)
	case 2, 3:
		w.use("sprintf")
		return fmt.Sprintf(`sprintf("%s %%v", [%s])`, label, shown)
	case 4:
		w.use("template string")
		if !isVariable(shown) {
			shown = w.variable(b, shown)
		}
		return fmt.Sprintf(`$"%s {%s}"`, label, shown)
	case 5:
		w.use("second field in a reason")
		return fmt.Sprintf(`sprintf("%s %%v %%v", [%s, %s])`, label, shown, w.field(b, w.someLeaf(text)))
	case 6:
		w.use("reason that may be no string")
		return shown
	default:
		w.use("assigned reason")
		return w.variable(b, fmt.Sprintf(`sprintf("%s %%v", [%s])`, label, shown))
	}
}

// conditions fills b with one to three of them.
func (w *policyWriter) conditions(b *body) string {
	shown := w.condition(b)
	for w.chance(3) {
		next := w.condition(b)
		if w.chance(2) {
			shown = next
		}
	}
	return shown
}

func (w *policyWriter) reasons(rule string, count int) {
	pkg := w.point.pkg
	if w.chance(5) {
		w.use("boolean entry rule")
		if w.chance(2) {
			w.write(pkg, "default "+rule+" := false")
		}
		for range count {
			b := &body{pkg: pkg}
			w.conditions(b)
			w.write(pkg, b.text(rule))
		}
		return
	}
	for range count {
		b := &body{pkg: pkg}
		reason := w.reason(b, w.conditions(b))
		w.write(pkg, b.text(rule+" contains "+reason))
	}
}

// entries writes the rules that the engine asks for.
func (w *policyWriter) entries() {
	pkg := w.point.pkg
	switch w.point.name {
	case "authorization":
		w.reasons("allow", 1+w.r.IntN(4))
		w.reasons("deny", w.r.IntN(3))
	case "scheduling":
		w.reasons("reject", 1+w.r.IntN(3))
		w.reasons("unresolvable", w.r.IntN(3))
		for range w.r.IntN(4) {
			b := &body{pkg: pkg}
			shown := w.conditions(b)
			name := pick(w.r, strconv.Quote(w.name("s")), fmt.Sprintf(`sprintf("%s %%v", [%s])`, w.name("s"), shown))
			w.write(pkg, b.text(fmt.Sprintf("score[%s] := %s", name, w.score(b))))
		}
	default:
		b, other := &body{pkg: pkg}, &body{pkg: pkg}
		value := w.field(b, w.someLeaf(text))
		rule := b.text("user.username := " + value)
		if len(b.lines) > 0 {
			w.use("else")
			w.conditions(other)
			rule += " " + other.text("else := "+w.constant())
		}
		w.write(pkg, rule)
		for range w.r.IntN(4) {
			b := &body{pkg: pkg}
			shown := w.conditions(b)
			w.write(pkg, b.text("user.groups contains "+pick(w.r, w.constant(), fmt.Sprintf(`sprintf("%%v", [%s])`, shown), shown)))
		}
		w.reasons("deny", w.r.IntN(3))
	}
}

func (w *policyWriter) score(b *body) string {
	switch w.r.IntN(5) {
	case 0, 1:
		return pick(w.r, "1", "2.5", "4", "-1", "9")
	case 2:
		w.use("arithmetic")
		return fmt.Sprintf("(%s + 1) / 2", w.field(b, w.someLeaf(number)))
	case 3:
		w.use("builtin that may fault")
		return fmt.Sprintf("to_number(%s)", w.field(b, w.someLeaf(text)))
	default:
		return fmt.Sprintf("count(%s)", w.field(b, w.someLeaf(objects)))
	}
}

// variant changes one thing of a policy: a name, a field or a comparison in one
// file, only a comment, a file more. The text may not compile.
func variant(r *rand.Rand, p *point, files map[string]string) map[string]string {
	out := maps.Clone(files)
	names := slices.Sorted(maps.Keys(files))
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	if r.IntN(2) == 0 {
		// The files of helpers first: what an entry rule says changes, its own text doesn't.
		slices.SortStableFunc(names, func(a, b string) int {
			return strings.Count(a, p.pkg) - strings.Count(b, p.pkg)
		})
	}
	switch r.IntN(6) {
	case 0:
		out[names[0]] = "# touched\n" + out[names[0]]
	case 1:
		rule := map[string]string{"authorization": "allow", "scheduling": "reject", "authentication": "deny"}[p.name]
		out["more.rego"] = fmt.Sprintf("package %s\n\n%s contains \"more\" if input%s == %s\n", p.pkg, rule,
			access(p.leaves[0].path), canonical(p.leaves[0].pool[0]))
	case 2:
		replaceOne(r, out, names, []string{" == ", " != "}, []string{" == ", " != "})
	case 3:
		// Another field is read: the footprint changes.
		var fields []string
		for _, l := range p.leaves {
			fields = append(fields, "."+l.path[len(l.path)-1])
		}
		// The fields of a user are no fields of the input: the engine knows no others.
		const head, hidden = "\nuser.", "\nuser\x00"
		for _, name := range names {
			out[name] = strings.ReplaceAll(out[name], head, hidden)
		}
		replaceOne(r, out, names, fields, fields)
		for _, name := range names {
			out[name] = strings.ReplaceAll(out[name], hidden, head)
		}
	default:
		var constants []string
		for _, constant := range universe {
			constants = append(constants, strconv.Quote(constant))
		}
		replaceOne(r, out, names, constants, constants)
	}
	return out
}

// replaceOne puts one of to where one of from is, in the first of names that
// has any.
func replaceOne(r *rand.Rand, files map[string]string, names, from, to []string) {
	for _, name := range names {
		found := slices.DeleteFunc(slices.Clone(from), func(text string) bool { return !strings.Contains(files[name], text) })
		if len(found) > 0 {
			files[name] = strings.Replace(files[name], pick(r, found...), pick(r, to...), 1)
			return
		}
	}
}

// someStatic is a name under data.static, one that the policy reads if it
// reads any.
func (g generated) someStatic(r *rand.Rand) string {
	all := []string{"names", "allowed", "limits", "keys", "roles"}
	read := slices.DeleteFunc(slices.Clone(all), func(name string) bool {
		return !strings.Contains(fmt.Sprint(g.files), "data.static."+name)
	})
	if len(read) == 0 {
		read = all
	}
	return pick(r, read...)
}

func access(path []string) string {
	out := ""
	for _, name := range path {
		out += "[" + strconv.Quote(name) + "]"
	}
	return out
}

// literal writes data as a data file.
func literal(value any) []byte {
	out, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return out
}
