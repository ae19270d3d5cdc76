package footprint

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestContentHash(t *testing.T) {
	const base = `package p
default r := false
r if { x := input.a; f(x.b); every y in x.c { y != {input.d, input.e} } }
f(x) if x == 1
other if input.z`
	of := func(t *testing.T, entry string, sources ...string) [32]byte {
		content, _ := Of(compile(t, sources...), ast.MustParseRef(entry)).Hashes()
		return content
	}
	want := of(t, "data.p.r", base)
	for _, test := range []struct {
		name    string
		sources []string
		same    bool
	}{
		{"again", []string{base}, true},
		{"further down", []string{"# comment\n\n" + base}, true},
		{"under another file name", []string{"package a\nx if { y := 1; z := 2; y < z; input.a[y] }", base}, true},
		{"unreached rule changed", []string{strings.Replace(base, "input.z", "input.y", 1)}, true},
		{"many variables before", []string{"package a\n" + strings.Repeat("x if { y := input.a; z := [input.b, input.c]; y == z }\n", 40), base}, true},
		{"order", []string{"package p\nf(x) if x == 1", strings.Replace(base, "f(x) if x == 1\n", "", 1)}, true},
		{"name of a local", []string{strings.ReplaceAll(base, "x", "w")}, true},
		{"default", []string{strings.Replace(base, "default r := false", "default r := true", 1)}, false},
		{"no default", []string{strings.Replace(base, "default r := false\n", "", 1)}, false},
		{"constant", []string{strings.Replace(base, "x == 1", "x == 2", 1)}, false},
		{"constant of another type", []string{strings.Replace(base, "x == 1", `x == "1"`, 1)}, false},
		{"path", []string{strings.Replace(base, "x.b", "x.bb", 1)}, false},
		{"else", []string{strings.Replace(base, "x == 1", "{ x == 1 } else := false", 1)}, false},
		{"with", []string{strings.Replace(base, "f(x.b)", "f(x.b) with input.z as 1", 1)}, false},
		{"value of with", []string{strings.Replace(base, "f(x.b)", "f(x.b) with input.z as 2", 1)}, false},
		{"negation", []string{strings.Replace(base, "f(x.b)", "not f(x.b)", 1)}, false},
		{"another rule", []string{base + "\nr if input.q"}, false},
		{"other package", []string{base, "package p\nr if input.q"}, false},
		{"text that looks like a variable", []string{strings.Replace(base, "x == 1", `x == "__local1__"`, 1)}, false},
		{"the same with another number", []string{strings.Replace(base, "x == 1", `x == "__local2__"`, 1)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if same := of(t, "data.p.r", test.sources...) == want; same != test.same {
				t.Errorf("same content hash: %t, want %t", same, test.same)
			}
		})
	}

	seen := map[[32]byte]string{}
	for _, source := range []string{
		"r := x if { x := input.a; y := input.b; x > y }",
		"r := x if { x := input.a; y := input.b; y > x }",
		"r := y if { x := input.a; y := input.b; x > y }",
		`r := "__local1__"`,
		`r := "__local2__"`,
		"r := 1", "r := 1.0", `r := "1"`, "r := true", "r := null", "r := [1]", "r := {1}", `r := {"a": 1}`,
		"r contains 1", "r[1] := true", "r.x := 1", "r[x] := 1 if some x in input.a", "r contains x if some x in input.a",
		"r if input.a", "r if not input.a", "r := 2 if input.a", "r := 1 if { input.a } else := 2", "r if every x in input.a { x }",
		"r if every k, x in input.a { k == x }", "r if [x | x := input.a]", "r if {x | x := input.a}", "r if {x: x | x := input.a}",
		"r if input.a with input.a as 1", "r if input.a with input.b as 1", "r if input.a with input.a as 2",
		"r if input.x.y", `r if input["x.y"]`, "r if data.x.y", `r if input[{"x": 1}]`, `r if input[["x", 1]]`,
	} {
		hash := of(t, "data.p.r", "package p\n"+source)
		if twin, ok := seen[hash]; ok {
			t.Errorf("one content hash for %s and %s", source, twin)
		}
		seen[hash] = source
	}

	if of(t, "data.p.f", base) == of(t, "data.p.other", base) {
		t.Error("two entries have one content hash")
	}
	if of(t, "data.p.r", "package p\nr if time.now_ns() > 1") == of(t, "data.p.r", "# METADATA\n# custom: {cache: {ttl: 30s}}\npackage p\nr if time.now_ns() > 1") {
		t.Error("a lifetime does not show in the content hash")
	}
}
