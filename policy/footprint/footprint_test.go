package footprint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// compile compiles modules named a.rego, b.rego and so on.
func compile(tb testing.TB, sources ...string) *ast.Compiler {
	tb.Helper()
	modules := map[string]*ast.Module{}
	for i, source := range sources {
		name := fmt.Sprintf("%c.rego", 'a'+i)
		modules[name] = parse(tb, name, source)
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		tb.Fatal(compiler.Errors)
	}
	return compiler
}

func parse(tb testing.TB, name, source string) *ast.Module {
	tb.Helper()
	module, err := ast.ParseModuleWithOpts(name, source, ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true})
	if err != nil {
		tb.Fatal(err)
	}
	return module
}

// reads lists what f reads, as Rego writes it.
func reads(f *Footprint) string {
	var out []string
	for _, path := range f.Input.All() {
		out = append(out, Format("input", path))
	}
	for _, path := range f.Data.All() {
		out = append(out, Format("data", path))
	}
	return strings.Join(out, " ")
}

// atLeastTheGraph fails when the compiler's own closure of dependencies holds a
// rule that f does not.
func atLeastTheGraph(tb testing.TB, compiler *ast.Compiler, entry ast.Ref, f *Footprint) {
	tb.Helper()
	have := map[*ast.Rule]bool{}
	for _, rule := range f.Rules {
		for branch := rule; branch != nil; branch = branch.Else {
			have[branch] = true
		}
	}
	seen := map[*ast.Rule]bool{}
	var visit func(rule *ast.Rule)
	visit = func(rule *ast.Rule) {
		if seen[rule] {
			return
		}
		seen[rule] = true
		if !have[rule] {
			tb.Errorf("not reached: %v", rule)
		}
		for next := range compiler.Graph.Dependencies(rule) {
			visit(next.(*ast.Rule))
		}
	}
	for _, rule := range compiler.GetRulesWithPrefix(entry) {
		visit(rule)
	}
}

func TestReads(t *testing.T) {
	entry := ast.MustParseRef("data.p.r")
	for _, test := range constructs {
		t.Run(test.name, func(t *testing.T) {
			compiler := compile(t, "package p\n"+test.source)
			f := Of(compiler, entry)
			if got := reads(f); got != test.want {
				t.Errorf("reads %q, want %q", got, test.want)
			}
			atLeastTheGraph(t, compiler, entry, f)
		})
	}
}

func TestAcrossPackages(t *testing.T) {
	for _, test := range []struct {
		name    string
		sources []string
		want    string
	}{
		{"import", []string{"import data.q\nr if q.s", "package q\ns if input.a"}, `input.a`},
		{"import under another name", []string{"import data.q.f as g\nr if g(input.a)", "package q\nf(x) if x.b == 1"}, `input.a.b`},
		{"import of input", []string{"import input.a as z\nr if z.b == 1"}, `input.a.b`},
		{"rule with the name of a builtin", []string{"import data.q.count as c\nr if c(input.a)", "package q\ncount(x) if x.b == 1"}, `input.a.b`},
		{"package", []string{"r := data.q", "package q\ns := input.a\nt contains input.b"}, `input.a input.b data.q`},
		{"package by a local", []string{"r if { x := data.q; x.s == 1 }", "package q\ns := input.a\nt := input.b"}, `input.a input.b data.q`},
		{"package by a variable", []string{"r if { some x; data.q[x].s.b == 1 }", "package q.one\ns := input.a", "package q.two\nt := input.b"}, `input.a input.b data.q`},
		{"function below a variable", []string{"r if { some x; data.q[x].s }", "package q.one\ns := input.a\nf(x) if x == input.b"}, `input.a input.b data.q`},
		{"all of data", []string{"r if { some x; data.q[x][\"s\"] with input as {} }", "package q.one\ns if data.t[input.a]"}, `input.a data.q data.t`},
		{"base document beside packages", []string{"r if data.q.base.x == 1", "package q.one\ns := input.a"}, `data.q.base.x`},
		{"base document beside rules", []string{"r if data.q.base.x == 1", "package q\ns := input.a"}, `data.q.base.x`},
		{"package replaced", []string{"r if data.q.s with data.q as {\"s\": input.b}", "package q\ns := input.a"}, `input.a input.b`},
		{"rules of one document in two files", []string{"r if data.q.s", "package q\ns contains input.a", "package q\ns contains input.b"}, `input.a input.b`},
		{"one path in two packages", []string{"r if data.q.s.t.b == 1", "package q\ns.t := input.a", "package q.s\nu := input.c"}, `input.a.b`},
	} {
		t.Run(test.name, func(t *testing.T) {
			sources := slices.Clone(test.sources)
			sources[0] = "package p\n" + sources[0]
			compiler := compile(t, sources...)
			entry := ast.MustParseRef("data.p.r")
			f := Of(compiler, entry)
			if got := reads(f); got != test.want {
				t.Errorf("reads %q, want %q", got, test.want)
			}
			atLeastTheGraph(t, compiler, entry, f)
		})
	}
}

// TestEntries asks for what is not one rule.
func TestEntries(t *testing.T) {
	compiler := compile(t, `package p
user.name := input.a
user.groups contains g if some g in input.b
f(x) if x.c`)
	for entry, want := range map[string]string{
		"data.p.user":      `input.a input.b data.p.user`,
		"data.p.user.name": `input.a`,
		"data.p.f":         ``,
		"data.p.none":      `data.p.none`,
		"data.other.none":  `data.other.none`,
		"data.p":           `input.a input.b data.p`,
	} {
		if got := reads(Of(compiler, ast.MustParseRef(entry))); got != want {
			t.Errorf("%s reads %q, want %q", entry, got, want)
		}
	}
}

const active = `package lib.time
default active(_, _) := false
active(from, until) if {
	now := time.now_ns()
	now >= _begin(from)
	now < until
}
_begin(x) := 1 if x == ""`

func TestVarying(t *testing.T) {
	for _, test := range []struct {
		name    string
		sources []string
		want    string
		timed   bool
		ttl     time.Duration
		cached  bool
	}{
		{"nothing", []string{"package p\nr if input.a"}, "", false, 0, true},
		{"clock", []string{"package p\nr if time.now_ns() > 3"}, "time.now_ns a.rego:2", false, 0, false},
		{"behind a function", []string{"package p\nr if f(1)\nf(x) if rand.intn(\"a\", x) == 0"}, "rand.intn a.rego:3", false, 0, false},
		{"in an else branch", []string{"package p\nr := 1 if { input.a } else := uuid.rfc4122(\"x\")"}, "uuid.rfc4122 a.rego:2", false, 0, false},
		{"in a comprehension", []string{"package p\nr if [x | x := net.lookup_ip_addr(\"a\")] == []"}, "net.lookup_ip_addr a.rego:2", false, 0, false},
		{"environment", []string{"package p\nr if opa.runtime().env"}, "opa.runtime a.rego:2", false, 0, false},
		{"decoding of a token", []string{"package p\nr if io.jwt.decode(input.t)[0]"}, "", false, 0, true},
		{"token", []string{"package p\nr if io.jwt.decode_verify(input.t, {})[0]"}, "io.jwt.decode_verify a.rego:2", false, 0, false},
		{"schema", []string{"package p\nr if json.match_schema(input.t, {})[0]"}, "json.match_schema a.rego:2", false, 0, false},
		{"certificates", []string{"package p\nr if crypto.x509.parse_and_verify_certificates(input.t)[0]"}, "crypto.x509.parse_and_verify_certificates a.rego:2", false, 0, false},
		{"not reached", []string{"package p\nr if input.a\ns if time.now_ns() > 3"}, "", false, 0, true},
		{"replaced, in full", []string{"package p\nr if s with time.now_ns as 3\ns if time.now_ns() > 3"}, "time.now_ns a.rego:3", false, 0, false},
		{"as a replacement", []string{"package p\nr if f(1) with f as uuid.rfc4122\nf(x) := x"}, "uuid.rfc4122 a.rego:2", false, 0, false},
		{"deterministic builtins", []string{"package p\nr if { print(input.a); trace(\"x\"); $\"{input.b}\" in [\"x\"]; regex.match(\"a\", input.c) }"}, "", false, 0, true},
		{"lifetime", []string{"# METADATA\n# custom: {cache: {ttl: 30s}}\npackage p\nr if time.now_ns() > 3"}, "time.now_ns a.rego:4", false, 30 * time.Second, true},
		{"lifetime in another file of the package", []string{"package p\nr if time.now_ns() > 3", "# METADATA\n# custom: {cache: {ttl: 2m}}\npackage p\ns := 1"}, "time.now_ns a.rego:2", false, 2 * time.Minute, true},
		{"lifetime of the package that uses it", []string{"# METADATA\n# custom: {cache: {ttl: 30s}}\npackage p\nr if data.q.s", "package q\ns if time.now_ns() > 3"}, "time.now_ns b.rego:2", false, 0, false},
		{"the shortest lifetime", []string{"# METADATA\n# custom: {cache: {ttl: 30s}}\npackage p\nr if { data.q.s; time.now_ns() > 3 }", "# METADATA\n# custom: {cache: {ttl: 5s}}\npackage q\ns if opa.runtime()"}, "time.now_ns a.rego:4, opa.runtime b.rego:4", false, 5 * time.Second, true},
		{"active", []string{"package p\nr if data.lib.time.active(input.a, input.b.c)", active}, "", true, 0, true},
		{"active, and the clock", []string{"package p\nr if { data.lib.time.active(\"\", \"\"); time.now_ns() > 3 }", active}, "time.now_ns a.rego:2", true, 0, false},
		{"active in a package read whole", []string{"package p\nr := data.lib", active}, "", true, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := Of(compile(t, test.sources...), ast.MustParseRef("data.p.r"))
			var got []string
			for _, use := range f.Varying {
				got = append(got, fmt.Sprintf("%s %s:%d", use.Builtin, use.Location.File, use.Location.Row))
			}
			if strings.Join(got, ", ") != test.want || f.Timed != test.timed {
				t.Errorf("varying %q, timed %t, want %q, %t", strings.Join(got, ", "), f.Timed, test.want, test.timed)
			}
			if ttl, cached := f.Lifetime(); ttl != test.ttl || cached != test.cached {
				t.Errorf("lifetime %v, %t, want %v, %t", ttl, cached, test.ttl, test.cached)
			}
		})
	}
}

// TestActive holds that what data.lib.time.active is handed is read, whole.
func TestActive(t *testing.T) {
	f := Of(compile(t, "package p\nr if { x := input.a; data.lib.time.active(x, data.t.until) }", active), ast.MustParseRef("data.p.r"))
	if got, want := reads(f), "input.a data.t.until"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
	if len(f.Rules) != 4 {
		t.Errorf("%d rules, want r and those of the library: %v", len(f.Rules), f.Rules)
	}
}

func TestWidenings(t *testing.T) {
	f := Of(compile(t, `package p

r if f(input.node)
r if { x := input.pod; count(x) > 3 }
r if input.kind == "x"
r if input.node.metadata.name
r if _all[input.name]
_all := input
f(x) if {
	count(x) > 3
}
`), ast.MustParseRef("data.p.r"))
	var got []string
	for _, w := range f.Widenings {
		got = append(got, fmt.Sprintf("%s %s:%d", w.Path, w.Location.File, w.Location.Row))
	}
	if want := "input.node a.rego:3, input.pod a.rego:4, input a.rego:7"; strings.Join(got, ", ") != want {
		t.Errorf("widenings %q, want %q", strings.Join(got, ", "), want)
	}
}

func TestBounds(t *testing.T) {
	// Each function reads two fields of its parameter by the next one: followed
	// to the end these were 2^40 paths.
	var b strings.Builder
	b.WriteString("package p\nr if f0(input.a)\n")
	for i := range 40 {
		fmt.Fprintf(&b, "f%d(x) if { f%d(x.a); f%d(x.b) }\n", i, i+1, i+1)
	}
	b.WriteString("f40(x) if x.c\n")
	f := Of(compile(t, b.String()), ast.MustParseRef("data.p.r"))
	if got, want := reads(f), "input.a"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
}
