package policy_test

import (
	"fmt"
)

// dataConditions are on a string and what data has for it.
func dataConditions() []construct[func(w *policyWriter, b *body, l leaf) string] {
	return []construct[func(w *policyWriter, b *body, l leaf) string]{
		{"static data, field", 1, func(w *policyWriter, b *body, l leaf) string {
			w.fieldVariable(b, l)
			b.add("count(data.static.allowed) > data.static.limits.low")
			return pick(w.r, "data.static.limits.high", "count(data.static.limits)")
		}},
		{"static data, lookup", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			b.add("data.static.names[%s] != %s", v, w.constant())
			return fmt.Sprintf("data.static.names[%s]", v)
		}},
		{"static data, lookup of a lookup", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			b.add("data.static.names[%s]", v)
			return fmt.Sprintf("data.static.names[data.static.names[%s]]", v)
		}},
		{"static data, lookup and field", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			n := w.r.IntN(5)
			b.add("data.access[%s].level > %d", v, n)
			return v
		}},
		{"static data, alias", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			a := w.variable(b, fmt.Sprintf("data.access[%s]", v))
			b.add("%s in %s.names", w.constant(), a)
			return fmt.Sprintf("object.get(%s, \"tier\", \"none\")", a)
		}},
		{"static data, object.get", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			n := w.r.IntN(5)
			b.add("object.get(data.access, [%s, \"level\"], 2) >= %d", v, n)
			return fmt.Sprintf("object.get(data.access, %s, \"nobody\")", v)
		}},
		{"static data, iteration", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			role, x := w.name("x"), w.name("x")
			b.add("some %s, %s in data.static.roles", role, x)
			b.add("%s in %s.members", v, x)
			return role
		}},
		{"static data, helper", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			n := w.r.IntN(5)
			pkg, name := w.somePackage(), w.name("h")
			w.write(pkg, fmt.Sprintf("%s contains u if {\n\tsome u, x in data.access\n\tx.level > %d\n}", name, n))
			b.add("%s%s in %s", pick(w.r, "", "not "), v, w.ref(b, pkg, name))
			return v
		}},
		{"static data, function", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			n := w.r.IntN(5)
			pkg, name := w.somePackage(), w.name("f")
			w.write(pkg, fmt.Sprintf("%s(u) := data.access[u]", name))
			b.add("%s(%s).level <= %d", w.ref(b, pkg, name), v, n)
			return v
		}},
		{"with data.access as", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			pkg, name := w.somePackage(), w.name("f")
			w.write(pkg, fmt.Sprintf("%s(u) := data.access[u].level", name))
			b.add("%s(%s) > 0 with data.access as {%s: {\"level\": data.static.limits.low}}", w.ref(b, pkg, name), v, w.of(l))
			return v
		}},
		{"cluster data, lookup and field", 2, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			n := w.r.IntN(5)
			w.resources["cluster.users"] = true
			b.add("data.cluster.users[%s].level > %d", v, n)
			return fmt.Sprintf("data.cluster.users[%s].level", v)
		}},
		{"cluster data, negation", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			w.resources["cluster.users"] = true
			b.add("not data.cluster.users[%s].disabled", v)
			return v
		}},
		{"cluster data, alias", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			w.resources["cluster.namespaces"] = true
			a := w.variable(b, "data.cluster.namespaces")
			b.add("%s[%s].labels.tier != %s", a, v, w.constant())
			return fmt.Sprintf("%s[%s].labels.tier", a, v)
		}},
		{"cluster data, flag", 1, func(w *policyWriter, b *body, l leaf) string {
			w.fieldVariable(b, l)
			w.resources["cluster.flags"] = true
			b.add("data.cluster.flags.strict")
			return "data.cluster.flags.mode"
		}},
		{"cluster data, computed resource", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			for _, name := range clusterResources {
				w.resources["cluster."+name] = true
			}
			k := w.variable(b, pick(w.r, `"users"`, `"namespaces"`))
			b.add("data.cluster[%s][%s]", k, v)
			return v
		}},
		{"cluster data, iteration", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			n := w.r.IntN(5)
			w.resources["cluster.users"] = true
			x := w.name("x")
			b.add("%s := {u | some u, x in data.cluster.users; x.level > %d}", x, n)
			b.add("%s in %s", v, x)
			return fmt.Sprintf("count(%s)", x)
		}},
		{"cluster data, helper and else", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			w.resources["cluster.flags"] = true
			pkg, name := w.somePackage(), w.name("h")
			w.write(pkg, fmt.Sprintf("%s := data.cluster.flags.mode if {\n\tdata.cluster.flags.strict\n} else := %s", name, w.of(l)))
			b.add("%s %s %s", v, pick(w.r, "==", "!="), w.ref(b, pkg, name))
			return w.ref(b, pkg, name)
		}},
		{"cluster data, whole", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			for _, name := range clusterResources {
				w.resources["cluster."+name] = true
			}
			x := w.name("x")
			b.add("some %s in data.cluster", x)
			b.add("%s[%s]", x, v)
			return v
		}},
		{"with data.cluster.x as", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			w.resources["cluster.flags"] = true
			pkg, name := w.somePackage(), w.name("h")
			w.write(pkg, fmt.Sprintf("%s := data.cluster.flags", name))
			x := w.name("x")
			b.add("%s := %s.mode with data.cluster.flags.mode as %s", x, w.ref(b, pkg, name), v)
			return x
		}},
		{"with data.cluster.x as, other resource", 1, func(w *policyWriter, b *body, l leaf) string {
			v := w.fieldVariable(b, l)
			w.resources["cluster.users"] = true
			w.resources["cluster.namespaces"] = true
			pkg, name := w.somePackage(), w.name("f")
			w.write(pkg, fmt.Sprintf("%s(u) if data.cluster.users[u].labels.tier", name))
			b.add("%s(%s) with data.cluster.users as data.cluster.namespaces", w.ref(b, pkg, name), v)
			return v
		}},
	}
}

// fieldVariable emits a variable that has the value of the field of l.
func (w *policyWriter) fieldVariable(b *body, l leaf) string {
	v := w.field(b, l)
	if !isVariable(v) {
		v = w.variable(b, v)
	}
	return v
}
