package policy_test

import (
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
	// prefer is part of the name of the constructs to write where there is a choice, empty
	// for all.
	prefer string
	tables tables
	n      int
	files  []*sourceFile
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

// writePolicy writes a policy for a point. prefer is that of policyWriter.
func writePolicy(r *rand.Rand, p *point, prefer string) generated {
	w := newPolicyWriter(r, p, prefer)
	w.entries()
	return w.policy()
}

func newPolicyWriter(r *rand.Rand, p *point, prefer string) *policyWriter {
	return &policyWriter{
		r: r, point: p, prefer: prefer, tables: allTables(),
		constructs: map[string]bool{}, paths: map[string][]string{}, resources: map[string]bool{},
	}
}

// policy is what was written.
func (w *policyWriter) policy() generated {
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
	return w.someLeafThat(func(l leaf) bool { return l.kind == k })
}

func (w *policyWriter) someLeafThat(fits func(leaf) bool) leaf {
	var out []leaf
	for _, l := range w.point.leaves {
		if fits(l) {
			out = append(out, l)
		}
	}
	l := out[w.r.IntN(len(out))]
	w.paths[strings.Join(l.path, "\x00")] = l.path
	return l
}

func isVariable(expression string) bool {
	return !strings.ContainsAny(expression, ".[(\"")
}

// reason writes a string out of what the conditions gave.
func (w *policyWriter) reason(b *body, shown string) string {
	c := choose(w, reasonTable, w.tables.reasons)
	w.use(constructName(reasonTable, c.name))
	return c.write(w, b, w.name("r"), shown)
}

// reasons are the constructs that make a reason of label and of the expression shown.
func reasons() []construct[func(w *policyWriter, b *body, label, shown string) string] {
	return []construct[func(w *policyWriter, b *body, label, shown string) string]{
		{"constant reason", 2, func(w *policyWriter, b *body, label, _ string) string {
			return strconv.Quote(label)
		}},
		{"sprintf", 2, func(w *policyWriter, b *body, label, shown string) string {
			return fmt.Sprintf(`sprintf("%s %%v", [%s])`, label, shown)
		}},
		{"template string", 1, func(w *policyWriter, b *body, label, shown string) string {
			if !isVariable(shown) {
				shown = w.variable(b, shown)
			}
			return fmt.Sprintf(`$"%s {%s}"`, label, shown)
		}},
		{"second field in a reason", 1, func(w *policyWriter, b *body, label, shown string) string {
			return fmt.Sprintf(`sprintf("%s %%v %%v", [%s, %s])`, label, shown, w.field(b, w.someLeaf(text)))
		}},
		{"reason that may be no string", 1, func(w *policyWriter, b *body, label, shown string) string {
			return shown
		}},
		{"assigned reason", 1, func(w *policyWriter, b *body, label, shown string) string {
			return w.variable(b, fmt.Sprintf(`sprintf("%s %%v", [%s])`, label, shown))
		}},
	}
}

// score writes the value of a score.
func (w *policyWriter) score(b *body) string {
	c := choose(w, scoreTable, w.tables.scores)
	w.use(constructName(scoreTable, c.name))
	return c.write(w, b)
}

// scores are the constructs that make a number.
func scores() []construct[func(w *policyWriter, b *body) string] {
	return []construct[func(w *policyWriter, b *body) string]{
		{"constant", 2, func(w *policyWriter, _ *body) string {
			return pick(w.r, "1", "2.5", "4", "-1", "9")
		}},
		{"arithmetic", 1, func(w *policyWriter, b *body) string {
			return fmt.Sprintf("(%s + 1) / 2", w.field(b, w.someLeaf(number)))
		}},
		{"builtin that may fault", 1, func(w *policyWriter, b *body) string {
			return fmt.Sprintf("to_number(%s)", w.field(b, w.someLeaf(text)))
		}},
		{"count", 1, func(w *policyWriter, b *body) string {
			return fmt.Sprintf("count(%s)", w.field(b, w.someLeaf(objects)))
		}},
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

// setOrBoolean writes an entry rule that gives reasons, or is a boolean.
func (w *policyWriter) setOrBoolean(rule string, count int) {
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
		w.setOrBoolean("allow", 1+w.r.IntN(4))
		w.setOrBoolean("deny", w.r.IntN(3))
	case "scheduling":
		w.setOrBoolean("reject", 1+w.r.IntN(3))
		w.setOrBoolean("unresolvable", w.r.IntN(3))
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
		w.setOrBoolean("deny", w.r.IntN(3))
	}
}
