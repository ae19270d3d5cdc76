package policy_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// position is a place in the input that a construct reads.
type position struct {
	path []string
	// head and rest are the two parts of path: a construct reads head, and goes on with rest.
	head, rest []string
	last       string // of path
	// depth is how many constructs may be within this one.
	depth int
}

// read returns an expression for the value of input at path.
func (w *policyWriter) read(b *body, path []string, depth int) string {
	if depth == 0 || !w.prefers(readTable) && w.chance(4) {
		w.use("direct reference")
		return w.dotted("input", path)
	}
	cut := w.r.IntN(len(path) + 1)
	at := position{path: path, head: path[:cut], rest: path[cut:], depth: depth - 1}
	if len(path) > 0 {
		at.last = path[len(path)-1]
	}
	c := choose(w, readTable, w.tables.reads)
	if out := c.write(w, b, at); out != "" {
		w.use(constructName(readTable, c.name))
		return out
	}
	return w.dotted("input", path)
}

// readsByRules go through variables, rules, packages and references.
func readsByRules() []construct[func(w *policyWriter, b *body, at position) string] {
	return []construct[func(w *policyWriter, b *body, at position) string]{
		{"alias", 6, func(w *policyWriter, b *body, at position) string {
			v := w.variable(b, w.whole(b, at.head, at.depth))
			return w.dotted(v, at.rest)
		}},
		{"unification", 3, func(w *policyWriter, b *body, at position) string {
			v := w.name("v")
			base := w.read(b, at.head, at.depth)
			switch w.r.IntN(3) {
			case 0:
				b.add(`{"s": %s} = {"s": %s}`, v, base)
			case 1:
				b.add("[%s, _] = [%s, 1]", v, base)
			default:
				b.add("%s = %s", base, v)
			}
			return w.dotted(v, at.rest)
		}},
		{"helper rule", 6, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.helper(func(b *body) string { return w.read(b, at.head, at.depth) })
			return w.dotted(w.ref(b, pkg, name), at.rest)
		}},
		{"else", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("h")
			first, second := &body{pkg: pkg}, &body{pkg: pkg}
			a := w.read(first, at.head, at.depth)
			first.add("%s", w.dotted("input", w.someLeaf(text).path))
			other := w.read(second, at.head, 0)
			if w.chance(2) {
				other = w.read(second, w.someLeaf(text).path, at.depth)
			}
			w.write(pkg, first.text(name+" := "+a)+" "+second.text("else := "+other))
			return w.dotted(w.ref(b, pkg, name), at.rest)
		}},
		{"default rule", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("h")
			inner := &body{pkg: pkg}
			value := w.read(inner, at.head, at.depth)
			inner.add("%s != %s", w.dotted("input", w.someLeaf(text).path), w.constant())
			w.write(pkg, fmt.Sprintf("default %s := {\"%s\": %s}", name, at.last, w.constant()))
			w.write(pkg, inner.text(name+" := "+value))
			return w.dotted(w.ref(b, pkg, name), at.rest)
		}},
		{"partial object", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("h")
			inner := &body{pkg: pkg}
			value := w.read(inner, at.head, at.depth)
			inner.add(`some name in ["a", "b"]`)
			w.write(pkg, inner.text(name+"[name] := "+value))
			if w.chance(2) {
				k := w.variable(b, pick(w.r, `"a"`, `"b"`))
				return w.dotted(w.ref(b, pkg, name)+"["+k+"]", at.rest)
			}
			return w.dotted(w.ref(b, pkg, name)+".b", at.rest)
		}},
		{"partial set of subtrees", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("h")
			inner := &body{pkg: pkg}
			value := w.read(inner, at.head, at.depth)
			w.write(pkg, inner.text(name+" contains "+value))
			v := w.name("v")
			b.add("some %s in %s", v, w.ref(b, pkg, name))
			return w.dotted(v, at.rest)
		}},
		{"reference head", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("h")
			inner := &body{pkg: pkg}
			value := w.read(inner, at.head, at.depth)
			w.write(pkg, inner.text(name+".inner.a := "+value))
			if w.chance(2) {
				k := w.variable(b, `"inner"`)
				return w.dotted(w.ref(b, pkg, name)+"["+k+"].a", at.rest)
			}
			return w.dotted(w.ref(b, pkg, name)+".inner.a", at.rest)
		}},
		{"dynamic reference to rules", 3, func(w *policyWriter, b *body, at position) string {
			inner := &body{pkg: "table"}
			one, two := w.name("t"), w.name("t")
			w.write("table", inner.text(one+" := "+w.dotted("input", at.head)))
			w.write("table", fmt.Sprintf("%s := %s", two, pick(w.r, w.constant(), w.dotted("input", w.someLeaf(text).path))))
			k := w.variable(b, strconv.Quote(one))
			return w.dotted("data.table["+k+"]", at.rest)
		}},
		{"import of input", 3, func(w *policyWriter, b *body, at position) string {
			name := w.name("h")
			if len(at.head) == 0 {
				return ""
			}
			alias := w.name("i")
			w.files = append(w.files, &sourceFile{
				pkg:     "helpers",
				imports: "import " + w.dotted("input", at.head) + " as " + alias + "\n\n",
				rules:   []string{name + " := " + w.dotted(alias, at.rest)},
			})
			return "data.helpers." + name
		}},
		{"iteration over subtrees", 3, func(w *policyWriter, b *body, at position) string {
			v := w.name("v")
			b.add("some %s in [%s, {}]", v, w.read(b, at.head, at.depth))
			return w.dotted(v, at.rest)
		}},
		{"iteration over keys", 3, func(w *policyWriter, b *body, at position) string {
			if len(at.path) == 0 {
				return ""
			}
			k, v := w.name("k"), w.name("v")
			b.add("some %s, %s in %s", k, v, w.read(b, at.path[:len(at.path)-1], at.depth))
			b.add("%s == %q", k, at.last)
			return v
		}},
		{"computed name", 3, func(w *policyWriter, b *body, at position) string {
			if len(at.path) == 0 {
				return ""
			}
			parent := w.whole(b, at.path[:len(at.path)-1], at.depth)
			k := w.variable(b, pick(w.r, strconv.Quote(at.last), fmt.Sprintf("concat(\"\", [%q, %q])", at.last[:1], at.last[1:])))
			return fmt.Sprintf("%s[%s]", parent, k)
		}},
		{"name from data", 6, func(w *policyWriter, b *body, at position) string {
			if len(at.path) == 0 {
				return ""
			}
			return fmt.Sprintf("%s[%s]", w.whole(b, at.path[:len(at.path)-1], at.depth), w.dotted("data.static.keys", []string{at.last}))
		}},
		{"data around what is replaced", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.helper(func(_ *body) string { return "data.static.limits" })
			v := w.name("v")
			b.add(`%s := %s with data.static.limits.%s as {"low": %s}`, v, w.ref(b, pkg, name), pick(w.r, "low", "more"), w.read(b, at.head, at.depth))
			return w.dotted(v+".low.low", at.rest)
		}},
	}
}

// readsByFunctions go through functions.
func readsByFunctions() []construct[func(w *policyWriter, b *body, at position) string] {
	return []construct[func(w *policyWriter, b *body, at position) string]{
		{"function of a subtree", 9, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("f")
			split := w.r.IntN(len(at.rest) + 1)
			w.write(pkg, fmt.Sprintf("%s(x) := %s", name, w.dotted("x", at.rest[:split])))
			return w.dotted(w.variable(b, fmt.Sprintf("%s(%s)", w.ref(b, pkg, name), w.read(b, at.head, at.depth))), at.rest[split:])
		}},
		{"nested functions", 3, func(w *policyWriter, b *body, at position) string {
			pkg, inner, outer := w.somePackage(), w.name("f"), w.name("f")
			split := w.r.IntN(len(at.rest) + 1)
			w.write(pkg, fmt.Sprintf("%s(x) := %s", inner, w.dotted("x", at.rest[split:])))
			w.write(pkg, fmt.Sprintf("%s(y) := data.%s.%s(%s)", outer, pkg, inner, w.dotted("y", at.rest[:split])))
			return fmt.Sprintf("%s(%s)", w.ref(b, pkg, outer), w.read(b, at.head, at.depth))
		}},
		{"function of several clauses", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("f")
			w.write(pkg, fmt.Sprintf("%s(x, mode) := %s if mode == \"a\"", name, w.dotted("x", at.rest)))
			w.write(pkg, fmt.Sprintf("%s(x, mode) := %s if mode != \"a\"", name, pick(w.r, w.constant(), "x")))
			mode := pick(w.r, `"a"`, `"a"`, w.dotted("input", w.someLeaf(text).path))
			return fmt.Sprintf("%s(%s, %s)", w.ref(b, pkg, name), w.read(b, at.head, at.depth), mode)
		}},
		{"function with else", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("f")
			w.write(pkg, fmt.Sprintf("%s(x) := %s if {\n\tx\n} else := %s", name, w.dotted("x", at.rest), w.constant()))
			return fmt.Sprintf("%s(%s)", w.ref(b, pkg, name), w.read(b, at.head, at.depth))
		}},
		{"function that takes a pattern", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.somePackage(), w.name("f")
			if w.chance(2) {
				w.write(pkg, fmt.Sprintf("%s([x, _]) := %s", name, w.dotted("x", at.rest)))
				return fmt.Sprintf("%s([%s, 1])", w.ref(b, pkg, name), w.read(b, at.head, at.depth))
			}
			w.write(pkg, fmt.Sprintf("%s({\"k\": x}) := %s", name, w.dotted("x", at.rest)))
			return fmt.Sprintf("%s({\"k\": %s})", w.ref(b, pkg, name), w.read(b, at.head, at.depth))
		}},
		{"function of the name of a field", 6, func(w *policyWriter, b *body, at position) string {
			if len(at.path) == 0 {
				return ""
			}
			pkg, name := w.somePackage(), w.name("f")
			w.write(pkg, fmt.Sprintf("%s(x, name) := %s", name, pick(w.r, "x[name]", `object.get(x, name, "none")`, `object.get(x, [name], "none")`)))
			if w.chance(3) {
				outer := w.name("f")
				w.write(pkg, fmt.Sprintf("%s(x, name) := data.%s.%s(x, name)", outer, pkg, name))
				name = outer
			}
			key := strconv.Quote(at.last)
			if w.chance(3) {
				key = w.variable(b, key)
			}
			return fmt.Sprintf("%s(%s, %s)", w.ref(b, pkg, name), w.read(b, at.path[:len(at.path)-1], at.depth), key)
		}},
	}
}

// readsByValues go through values that are made, and builtins.
func readsByValues() []construct[func(w *policyWriter, b *body, at position) string] {
	return []construct[func(w *policyWriter, b *body, at position) string]{
		{"value put into an object", 3, func(w *policyWriter, b *body, at position) string {
			v := w.variable(b, fmt.Sprintf(`{"a": %s, "b": %s}`, w.read(b, at.head, at.depth), w.constant()))
			if w.chance(2) {
				k := w.variable(b, `"a"`)
				return w.dotted(v+"["+k+"]", at.rest)
			}
			return w.dotted(v+".a", at.rest)
		}},
		{"value put into an array", 3, func(w *policyWriter, b *body, at position) string {
			v := w.variable(b, fmt.Sprintf(`[%s, %s]`, w.constant(), w.read(b, at.head, at.depth)))
			return w.dotted(v+pick(w.r, "[1]", "[count("+v+") - 1]"), at.rest)
		}},
		{"array comprehension", 2, func(w *policyWriter, b *body, at position) string {
			inner := &body{pkg: b.pkg}
			x, v := w.name("x"), w.name("v")
			inner.add("%s := %s", x, w.read(inner, at.head, at.depth))
			b.add("%s := [%s | %s][0]", v, x, inner.inline())
			return w.dotted(v, at.rest)
		}},
		{"set comprehension", 2, func(w *policyWriter, b *body, at position) string {
			inner := &body{pkg: b.pkg}
			x, v := w.name("x"), w.name("v")
			inner.add("%s := %s", x, w.read(inner, at.head, at.depth))
			b.add("some %s in {%s | %s}", v, x, inner.inline())
			return w.dotted(v, at.rest)
		}},
		{"object comprehension", 2, func(w *policyWriter, b *body, at position) string {
			inner := &body{pkg: b.pkg}
			x, v := w.name("x"), w.name("v")
			inner.add("%s := %s", x, w.read(inner, at.head, at.depth))
			b.add(`%s := {"a": %s | %s}.a`, v, x, inner.inline())
			return w.dotted(v, at.rest)
		}},
		{"object.get, constant path", 6, func(w *policyWriter, b *body, at position) string {
			fallback := pick(w.r, w.constant(), "{}", "null")
			if len(at.rest) == 1 && w.chance(2) {
				return fmt.Sprintf("object.get(%s, %q, %s)", w.read(b, at.head, at.depth), at.rest[0], fallback)
			}
			return fmt.Sprintf("object.get(%s, %s, %s)", w.read(b, at.head, at.depth), list(at.rest), fallback)
		}},
		{"object.get, computed path", 3, func(w *policyWriter, b *body, at position) string {
			k := w.variable(b, list(at.rest))
			if len(at.rest) > 0 && w.chance(2) {
				k = w.variable(b, fmt.Sprintf("array.concat(%s, [%s])", list(at.rest[:len(at.rest)-1]), w.dotted("data.static.keys", at.rest[len(at.rest)-1:])))
			}
			return fmt.Sprintf("object.get(%s, %s, %s)", w.read(b, at.head, at.depth), k, w.constant())
		}},
		{"walk", 3, func(w *policyWriter, b *body, at position) string {
			v := w.name("v")
			b.add("walk(%s, [%s, %s])", w.read(b, at.head, at.depth), list(at.rest), v)
			return v
		}},
		{"object.filter and its like", 3, func(w *policyWriter, b *body, at position) string {
			if len(at.path) == 0 {
				return ""
			}
			parent := w.whole(b, at.path[:len(at.path)-1], at.depth)
			var call string
			switch w.r.IntN(4) {
			case 0:
				call = fmt.Sprintf("object.filter(%s, [%q])", parent, at.last)
			case 1:
				call = fmt.Sprintf("json.filter(%s, [[%q]])", parent, at.last)
			case 2:
				call = fmt.Sprintf(`json.remove(%s, ["nothing"])`, parent)
			default:
				call = fmt.Sprintf(`object.union(%s, {"nothing": %s})`, parent, w.constant())
			}
			return w.dotted(w.variable(b, call), []string{at.last})
		}},
		{"array built by a builtin", 3, func(w *policyWriter, b *body, at position) string {
			v := w.variable(b, fmt.Sprintf("array.concat([%s], [%s])", w.read(b, at.head, at.depth), w.constant()))
			return w.dotted(v+"[0]", at.rest)
		}},
		{"set made at run time", 3, func(w *policyWriter, b *body, at position) string {
			v := w.name("v")
			first, second := w.read(b, at.head, at.depth), w.read(b, w.someLeaf(text).path, at.depth)
			b.add("%s := [x | some x in {%s, %s}][%d]", v, first, second, w.r.IntN(2))
			return w.dotted(v, at.rest)
		}},
		{"json round trip", 3, func(w *policyWriter, b *body, at position) string {
			v := w.variable(b, fmt.Sprintf("json.unmarshal(json.marshal(%s))", w.read(b, at.head, at.depth)))
			return w.dotted(v, at.rest)
		}},
	}
}

// readsByMocks go through what `with` replaces.
func readsByMocks() []construct[func(w *policyWriter, b *body, at position) string] {
	return []construct[func(w *policyWriter, b *body, at position) string]{
		{"with input.x as", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.helper(func(b *body) string { return w.read(b, at.head, at.depth) })
			other := w.someLeaf(text)
			v := w.name("v")
			b.add("%s := %s with %s as %s", v, w.ref(b, pkg, name), w.dotted("input", other.path), pick(w.r, w.constant(), w.dotted("input", w.someLeaf(text).path)))
			return w.dotted(v, at.rest)
		}},
		{"with input as", 3, func(w *policyWriter, b *body, at position) string {
			pkg, name := w.helper(func(b *body) string { return w.read(b, at.path, at.depth) })
			v := w.name("v")
			replaced := w.name("v")
			if w.chance(2) {
				b.add(`%s := object.union(input, {"nothing": 1})`, replaced)
			} else {
				b.add("%s := %s", replaced, nest(at.path, w.read(b, at.path, at.depth)))
			}
			b.add("%s := %s with input as %s", v, w.ref(b, pkg, name), replaced)
			return v
		}},
		{"with data.x as", 3, func(w *policyWriter, b *body, at position) string {
			if len(at.path) == 0 {
				return ""
			}
			pkg, name := w.helper(func(b *body) string {
				return fmt.Sprintf("%s[%s]", w.whole(b, at.path[:len(at.path)-1], at.depth), w.dotted("data.static.keys", []string{at.last}))
			})
			v := w.name("v")
			b.add("%s := %s with %s as %q", v, w.ref(b, pkg, name), w.dotted("data.static.keys", []string{at.last}), at.last)
			return v
		}},
		{"function mock", 3, func(w *policyWriter, b *body, at position) string {
			one, two := w.name("f"), w.name("f")
			w.write("helpers", fmt.Sprintf("%s(_) := %s", one, w.constant()))
			w.write("helpers", fmt.Sprintf("%s(_) := %s", two, w.dotted("input", at.head)))
			pkg, name := w.helper(func(_ *body) string { return fmt.Sprintf("data.helpers.%s(1)", one) })
			v := w.name("v")
			b.add("%s := %s with data.helpers.%s as data.helpers.%s", v, w.ref(b, pkg, name), one, two)
			return w.dotted(v, at.rest)
		}},
		{"builtin mock", 3, func(w *policyWriter, b *body, at position) string {
			mock := w.name("f")
			w.write("helpers", fmt.Sprintf("%s(x) := [x, %s]", mock, w.dotted("input", at.head)))
			pkg, name := w.helper(func(_ *body) string { return `json.unmarshal("7")` })
			v := w.name("v")
			b.add("%s := %s with json.unmarshal as data.helpers.%s", v, w.ref(b, pkg, name), mock)
			return w.dotted(v+"[1]", at.rest)
		}},
		{"several modifiers", 3, func(w *policyWriter, b *body, at position) string {
			mock := w.name("f")
			w.write("helpers", fmt.Sprintf("%s(x) := x", mock))
			pkg, name := w.helper(func(b *body) string {
				return fmt.Sprintf("[data.helpers.%s(1), %s]", mock, w.read(b, at.head, at.depth))
			})
			v := w.name("v")
			modifiers := []string{
				fmt.Sprintf("with data.helpers.%s as %s", mock, w.constant()),
				fmt.Sprintf("with %s as %s", w.dotted("input", w.someLeaf(text).path), w.constant()),
				fmt.Sprintf("with data.static.limits.low as %d", w.r.IntN(4)),
			}
			w.r.Shuffle(len(modifiers), func(i, j int) { modifiers[i], modifiers[j] = modifiers[j], modifiers[i] })
			b.add("%s := %s %s", v, w.ref(b, pkg, name), strings.Join(modifiers[:1+w.r.IntN(3)], " "))
			return w.dotted(v+"[1]", at.rest)
		}},
		{"function mock by a local value", 3, func(w *policyWriter, b *body, at position) string {
			mock := w.name("f")
			w.write("helpers", fmt.Sprintf("%s(x) := x", mock))
			pkg, name := w.helper(func(_ *body) string { return fmt.Sprintf("data.helpers.%s(1)", mock) })
			value := w.variable(b, w.read(b, at.head, at.depth))
			v := w.name("v")
			b.add("%s := %s with data.helpers.%s as %s", v, w.ref(b, pkg, name), mock, value)
			return w.dotted(v, at.rest)
		}},
	}
}

// nest writes an object that has value at path.
func nest(path []string, value string) string {
	for _, name := range slices.Backward(path) {
		value = fmt.Sprintf("{%q: %s}", name, value)
	}
	return value
}
