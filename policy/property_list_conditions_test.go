package policy_test

import (
	"fmt"
	"strings"
)

// objectsConditions are on a list of objects.
func objectsConditions() []construct[func(w *policyWriter, b *body, l leaf) string] {
	return []construct[func(w *policyWriter, b *body, l leaf) string]{
		{"some … in", 1, func(w *policyWriter, b *body, l leaf) string {
			v, field, name := w.item(b, l)
			x := w.name("x")
			b.add("some %s in %s", x, v)
			b.add("%s.%s %s %s", x, name, pick(w.r, "==", "!="), w.of(field))
			return x + "." + name
		}},
		{"every", 1, func(w *policyWriter, b *body, l leaf) string {
			v, field, name := w.item(b, l)
			b.add("every x in %s { x.%s != %s }", v, name, w.of(field))
			return w.constant()
		}},
		{"array comprehension", 1, func(w *policyWriter, b *body, l leaf) string {
			v, _, name := w.item(b, l)
			x := w.name("x")
			b.add("%s := [y.%s | some y in %s]", x, name, v)
			b.add("count(%s) > 0", x)
			return x
		}},
		{"index", 1, func(w *policyWriter, b *body, l leaf) string {
			v, field, name := w.item(b, l)
			b.add("%s[%s].%s != %s", v, pick(w.r, "0", "1", "_"), name, w.of(field))
			return fmt.Sprintf("%s[0].%s", v, name)
		}},
		{"function of an element", 1, func(w *policyWriter, b *body, l leaf) string {
			v, field, name := w.item(b, l)
			x := w.name("x")
			pkg, f := w.somePackage(), w.name("f")
			w.write(pkg, fmt.Sprintf("%s(c) if c.%s == %s", f, name, w.of(field)))
			b.add("some %s in %s", x, v)
			b.add("not %s(%s)", w.ref(b, pkg, f), x)
			return w.constant()
		}},
	}
}

// numberConditions are on a number or a boolean.
func numberConditions() []construct[func(w *policyWriter, b *body, l leaf) string] {
	return []construct[func(w *policyWriter, b *body, l leaf) string]{
		{"equality", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s == %s", v, w.of(l))
			return v
		}},
		{"order of numbers", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s > %d", v, w.r.IntN(8))
			return v
		}},
		{"arithmetic", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s + 1 > data.static.limits.low * 2", v)
			return v
		}},
		{"negation", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("not %s", v)
			return w.constant()
		}},
		{"printed number", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add(`sprintf("%%v", [%s]) != %q`, v, strings.Trim(w.of(l), `"`))
			return v
		}},
		{"builtin that may fault", 1, func(w *policyWriter, b *body, l leaf) string {
			if l.kind == boolean {
				return ""
			}
			v := w.field(b, l)
			b.add("round(%s) < data.static.limits.high", v)
			return v
		}},
		{"truth", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.field(b, l)
			b.add("%s", v)
			return v
		}},
	}
}
