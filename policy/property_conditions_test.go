package policy_test

import (
	"fmt"
	"slices"
	"strings"
)

// condition adds to b what has to hold, and returns an expression that is worth
// putting into a reason.
func (w *policyWriter) condition(b *body) string {
	for _, each := range conditionTables {
		if w.prefers(each.name) && w.point.has(each.kind) {
			return w.conditionOf(each.name, b, w.someLeaf(each.kind))
		}
	}
	l := w.point.leaves[w.r.IntN(len(w.point.leaves))]
	switch w.r.IntN(36) {
	case 0, 1, 2:
		l = w.someLeaf(number)
	case 3:
		// No decision may be kept of a policy that reads the clock.
		w.use("the clock")
		b.add("time.now_ns() > 0")
	}
	switch l.kind {
	case texts:
		return w.conditionOf(textsTable, b, l)
	case objects:
		return w.conditionOf(objectsTable, b, l)
	case number, boolean:
		return w.conditionOf(numberTable, b, l)
	}
	if w.chance(3) {
		return w.conditionOf(dataTable, b, l)
	}
	return w.conditionOf(textTable, b, l)
}

// conditionOf is a condition on the field of l, of one table.
func (w *policyWriter) conditionOf(table string, b *body, l leaf) string {
	w.paths[strings.Join(l.path, "\x00")] = l.path
	for range 8 {
		c := choose(w, table, w.tables.conditions[table])
		if out := c.write(w, b, l); out != "" {
			w.use(constructName(table, c.name))
			return out
		}
	}
	return w.constant() // none is possible on this field
}

// has reports whether an input of the point has a field of kind.
func (p *point) has(k kind) bool {
	return slices.ContainsFunc(p.leaves, func(l leaf) bool { return l.kind == k })
}

// item is what is needed to read the items of the list at l: an expression for the list,
// and a field of its items.
func (w *policyWriter) item(b *body, l leaf) (list string, field leaf, name string) {
	field = l.fields[w.r.IntN(len(l.fields))]
	return w.whole(b, l.path, 2), field, field.path[0]
}

// textConditions are on a field that is a string.
func textConditions() []construct[func(w *policyWriter, b *body, l leaf) string] {
	return []construct[func(w *policyWriter, b *body, l leaf) string]{
		{"equality", 2, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s == %s", v, w.of(l))
			return v
		}},
		{"inequality", 2, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s != %s", v, w.of(l))
			return v
		}},
		{"membership", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s in %s", v, pick(w.r, fmt.Sprintf("{%s, %s}", w.of(l), w.of(l)), "data.static.allowed"))
			return v
		}},
		{"negation", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("not %s == %s", v, w.of(l))
			return w.constant()
		}},
		{"negation of presence", 1, func(w *policyWriter, b *body, l leaf) string {
			w.paths[strings.Join(l.path, "\x00")] = l.path
			b.add("not %s", w.dotted("input", l.path))
			return w.constant()
		}},
		{"negation of a helper", 1, func(w *policyWriter, b *body, l leaf) string {
			pkg, name := w.somePackage(), w.name("h")
			inner := &body{pkg: pkg}
			inner.add("%s == %s", w.field(inner, l), w.of(l))
			w.write(pkg, inner.text(name))
			b.add("not %s", w.ref(b, pkg, name))
			return w.constant()
		}},
		{"presence", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("_ = %s", v)
			return w.constant()
		}},
		{"builtin that may fault", 1, func(w *policyWriter, b *body, l leaf) string {
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
		}},
		{"predicate function", 1, func(w *policyWriter, b *body, l leaf) string {
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
		}},
		{"comparison of two fields", 1, func(w *policyWriter, b *body, l leaf) string {
			v, other := w.field(b, l), w.field(b, w.someLeaf(text))
			b.add("%s %s %s", v, pick(w.r, "==", "!=", "<", ">="), other)
			return other
		}},
		{"order of strings", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s %s %s", v, pick(w.r, "<", ">", "<=", ">="), w.of(l))
			return v
		}},
		{"every", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("every x in [%s, %s] { x != %s }", v, w.constant(), w.of(l))
			return v
		}},
		{"set operations", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("count({%s} %s {%s, %s}) > 0", v, pick(w.r, "&", "-"), w.of(l), w.of(l))
			return w.constant()
		}},
		{"type test", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s", pick(w.r, fmt.Sprintf("is_string(%s)", v), fmt.Sprintf("is_null(%s)", v), fmt.Sprintf("type_name(%s) != \"string\"", v)))
			return w.constant()
		}},
		{"names of a subtree", 1, func(w *policyWriter, b *body, l leaf) string {
			if len(l.path) < 2 {
				return ""
			}
			parent := l.path[:len(l.path)-1]
			w.paths[strings.Join(parent, "\x00")] = parent
			b.add("%q in object.keys(%s)", l.path[len(l.path)-1], w.read(b, parent, 1))
			return w.constant()
		}},
		{"object.subset", 1, func(w *policyWriter, b *body, l leaf) string {
			parent := l.path[:len(l.path)-1]
			w.paths[strings.Join(l.path, "\x00")] = l.path
			b.add("object.subset(%s, {%q: %s})", w.read(b, parent, 1), l.path[len(l.path)-1], w.of(l))
			return w.constant()
		}},
		{"comparison of a subtree", 1, func(w *policyWriter, b *body, l leaf) string {
			parent := l.path[:len(l.path)-1]
			w.paths[strings.Join(parent, "\x00")] = parent
			b.add("%s > {%q: %s}", w.read(b, parent, 1), l.path[len(l.path)-1], w.of(l))
			return w.constant()
		}},
		{"printing of a subtree", 1, func(w *policyWriter, b *body, l leaf) string {
			parent := l.path[:len(l.path)-1]
			w.paths[strings.Join(parent, "\x00")] = parent
			b.add("contains(json.marshal(%s), %s)", w.read(b, parent, 1), w.of(l))
			return w.constant()
		}},
		{"field as key of input", 1, func(w *policyWriter, b *body, _ leaf) string {
			// The key is the name of a field of some inputs, and the value of another field.
			keyed := w.someLeafThat(func(l leaf) bool { return l.name() == "alice" })
			l := w.someLeafThat(func(l leaf) bool { return l.kind == text && slices.Contains(l.pool, any(keyed.name())) })
			v := w.field(b, l)
			parent := keyed.path[:len(keyed.path)-1]
			w.paths[strings.Join(parent, "\x00")] = parent
			b.add("%s[%s]", w.dotted("input", parent), v)
			return v
		}},
		{"choice of helper by name", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			one, two := w.name("t"), w.name("t")
			w.write("table", fmt.Sprintf("%s := %s", one, w.of(l)))
			w.write("table", fmt.Sprintf("%s := %s", two, w.dotted("input", w.someLeaf(text).path)))
			n := w.name("n")
			b.add("some %s in [%q, %q]", n, one, two)
			b.add("data.table[%s] == %s", n, v)
			return v
		}},
	}
}

// textsConditions are on a list of strings.
func textsConditions() []construct[func(w *policyWriter, b *body, l leaf) string] {
	return []construct[func(w *policyWriter, b *body, l leaf) string]{
		{"membership", 2, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			b.add("%s in %s", w.of(l), v)
			return w.constant()
		}},
		{"some … in", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			x := w.name("x")
			b.add("some %s in %s", x, v)
			b.add("%s in data.static.allowed", x)
			return x
		}},
		{"negation of membership", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			b.add("not %s in %s", w.of(l), v)
			return w.constant()
		}},
		{"count", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			b.add("count(%s) %s %d", v, pick(w.r, ">", "<", "=="), w.r.IntN(3))
			return fmt.Sprintf("count(%s)", v)
		}},
		{"index", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			b.add("%s[0] != %s", v, w.of(l))
			return fmt.Sprintf("%s[count(%s) - 1]", v, v)
		}},
		{"set comprehension", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			b.add("count({x | some x in %s; x in {%s, %s}}) > 0", v, w.of(l), w.of(l))
			return fmt.Sprintf("sort(%s)", v)
		}},
		{"every", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			b.add("every x in %s { x != %s }", v, w.of(l))
			return w.constant()
		}},
		{"lookup by element", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.whole(b, l.path, 2)
			x := w.name("x")
			b.add("some %s in %s", x, v)
			w.resources["access"] = true
			b.add("data.access[%s].level > %d", x, w.r.IntN(4))
			return x
		}},
		{"partial set", 1, func(w *policyWriter, b *body, l leaf) string {
			pkg, name := w.somePackage(), w.name("h")
			inner := &body{pkg: pkg}
			inner.add("some x in %s", w.read(inner, l.path, 1))
			inner.add("x != %s", w.of(l))
			w.write(pkg, inner.text(name+" contains x"))
			b.add("%s in %s", w.of(l), w.ref(b, pkg, name))
			return fmt.Sprintf("count(%s)", w.ref(b, pkg, name))
		}},
	}
}
