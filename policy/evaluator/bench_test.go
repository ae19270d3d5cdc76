package evaluator

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"sigs.k8s.io/yaml"
)

// starter compiles the policies and the library that ship.
func starter(tb testing.TB) *ast.Compiler {
	tb.Helper()
	modules := map[string]*ast.Module{}
	for _, pattern := range []string{"../../rego/lib/*.rego", "../../rego/starter/*.rego"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			tb.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.rego") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			module, err := ast.ParseModule(file, string(source))
			if err != nil {
				tb.Fatal(err)
			}
			modules[file] = module
		}
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		tb.Fatal(compiler.Errors)
	}
	return compiler
}

func starterData(tb testing.TB) map[string]any {
	tb.Helper()
	source, err := os.ReadFile("../../rego/starter/data.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	var out map[string]any
	if err := yaml.Unmarshal(source, &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

// company is data.access with bindings, half of them cluster-wide and at most
// eight to a user or group.
func company(bindings int) map[string]any {
	random := rand.New(rand.NewPCG(1, 1))
	roles := map[string]any{}
	resources := []string{"pods", "configmaps", "endpoints", "services", "secrets", "nodes", "events", "persistentvolumeclaims"}
	verbs := []string{"get", "list", "watch", "update", "create", "patch", "delete"}
	for i := range 40 {
		var grants []any
		for range 1 + random.IntN(4) {
			var granted []any
			for _, r := range resources {
				if random.IntN(2) == 0 {
					granted = append(granted, r)
				}
			}
			var may []any
			for _, v := range verbs[:1+random.IntN(len(verbs))] {
				may = append(may, v)
			}
			grants = append(grants, map[string]any{"verbs": may, "groups": []any{""}, "resources": append(granted, "pods")})
		}
		roles[fmt.Sprintf("role-%02d", i)] = grants
	}
	subjects := func(kind string) map[string]any {
		out := map[string]any{}
		for given := 0; given < bindings/2; {
			var list []any
			for range min(1+random.IntN(8), bindings/2-given) {
				namespaces := []any{"*"}
				if given%2 == 0 {
					namespaces = []any{fmt.Sprintf("team-%03d", random.IntN(200))}
				}
				list = append(list, map[string]any{"role": fmt.Sprintf("role-%02d", random.IntN(40)), "namespaces": namespaces})
				given++
			}
			out[fmt.Sprintf("%s-%05d", kind, len(out))] = list
		}
		return out
	}
	return map[string]any{
		"roles": roles, "users": subjects("user"), "groups": subjects("group"),
		"guardRails": map[string]any{"kubeSystem": map[string]any{"users": []any{}, "groups": []any{"platform-oncall"}}},
	}
}

func review(groups []any, namespace, verb, resource string) ast.Value {
	return ast.MustInterfaceToValue(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
		"spec": map[string]any{
			"user": "user-00001", "groups": groups,
			"resourceAttributes": map[string]any{"namespace": namespace, "verb": verb, "resource": resource, "version": "v1", "name": "web"},
		},
	})
}

// compare benchmarks either evaluator, once they have agreed on input.
func compare(b *testing.B, i interpreted, c compiled, input ast.Value) {
	b.Helper()
	want, err := i.Evaluate(b.Context(), input)
	if err != nil {
		b.Fatal(err)
	}
	got, err := c.run(b.Context(), input)
	if err != nil || !equalValues(got, want) {
		b.Fatalf("got %v and error %v, want %v", got, err, want)
	}
	for _, e := range []struct {
		name string
		overData
	}{{"interpreter", i}, {"compiled", c}} {
		b.Run(e.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Evaluate(b.Context(), input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStarter(b *testing.B) {
	compiler := starter(b)
	raw := starterData(b)
	raw["access"] = company(10_000)
	data := ast.MustInterfaceToValue(raw).(ast.Object)
	groups := []any{"group-00012", "group-00345", "group-00678", "group-00901", "system:authenticated"}
	for _, bench := range []struct {
		name, ref string
		input     ast.Value
	}{
		{"allow", "data.kubernetes.authorization.allow", review(groups, "team-007", "get", "pods")},
		{"allow, not granted", "data.kubernetes.authorization.allow", review(groups, "team-007", "delete", "leases")},
		{"deny", "data.kubernetes.authorization.deny", review(groups, "team-007", "get", "pods")},
		{"deny, denied", "data.kubernetes.authorization.deny", review(groups, "kube-system", "get", "secrets")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			i, c := evaluatorsOf(b, compiler, data, ast.MustParseRef(bench.ref))
			compare(b, i, c, bench.input)
		})
	}
}

func BenchmarkScheduling(b *testing.B) {
	compiler := starter(b)
	data := ast.MustInterfaceToValue(starterData(b)).(ast.Object)
	random := rand.New(rand.NewPCG(5, 5))
	for _, rule := range []string{"reject", "unresolvable", "score"} {
		b.Run(rule, func(b *testing.B) {
			i, c := evaluatorsOf(b, compiler, data, ast.MustParseRef("data.kubernetes.scheduling."+rule))
			input := randomRequest(random)
			for {
				if v, err := i.Evaluate(b.Context(), input); err == nil && v != nil {
					break
				}
				input = randomRequest(random)
			}
			compare(b, i, c, input)
		})
	}
}

// shape is a kind of policy whose speed is measured.
type shape struct{ name, rules, input string }

func shapes() []shape {
	rules := func(n int, format string) string {
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, format+"\n\n", i)
		}
		return out.String()
	}
	list := func(n int, format string) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	var teams []string
	for i := range 500 {
		teams = append(teams, fmt.Sprintf(`{"id": "i%d", "team": "t%d"}`, i, i%20))
	}
	items := "[" + strings.Join(teams, ", ") + "]"
	return []shape{
		{"10 rules", rules(10, `r contains "v%[1]d" if input.a == "c%[1]d"`), `{"a": "c7"}`},
		{"100 rules", rules(100, `r contains "v%[1]d" if input.a == "c%[1]d"`), `{"a": "c7"}`},
		{"1000 rules", rules(1000, `r contains "v%[1]d" if input.a == "c%[1]d"`), `{"a": "c7"}`},
		{"100 rules of two", rules(100, `r contains "v%[1]d" if { input.a == "c%[1]d"; input.b == "x" }`), `{"a": "c7", "b": "x"}`},
		{"100 conditions", "default r := false\n\n" + rules(100, `r if { input.a == "c%[1]d"; input.b == "x" }`), `{"a": "c7", "b": "x"}`},
		{"smallest", `r if input.a == 1`, `{"a": 1}`},
		{"some, early", `r if { some x in input; x > 20 }`, list(10_000, "%d")},
		{"some, last", `r if { some x in input; x == 9999 }`, list(10_000, "%d")},
		{"in, last", `r if 9999 in input`, list(10_000, "%d")},
		{"every", `r if { every x in input { x >= 0 } }`, list(10_000, "%d")},
		{"every, first fails", `some_fails if { every x in input { some y in input; x == y + 1 } }

r if not some_fails`, list(1000, "%d")},
		{"group by", `r[item.team] contains item.id if some item in input`, items},
		{"group by, a comprehension", "r[team] := [m.id | some m in input; m.team == team] if {\n\tsome item in input\n\tteam := item.team\n}", items},
		{"group by, counted", "r[team] := n if {\n\tsome item in input\n\tteam := item.team\n\tn := count({m.id | some m in input; m.team == team})\n}", items},
		{"nested object", "r[item.team][item.id] := item if some item in input", items},
		{"wide object of sets", `r[item.id] contains item.team if some item in input`, items},
		{"helper, same argument", "r if { some x in input; not helper(\"a\") }\n\nhelper(s) if { some c in [\"b\", \"c\", \"a\"]; c == s }", list(10_000, "%d")},
		{"helper, few arguments", "r contains y if { some x in input; y := helper(x % 10) }\n\nhelper(n) := sum([z | some z in numbers.range(0, 50); z > n])", list(1000, "%d")},
		{"helper, all different", "r contains y if { some x in input; y := helper(x) }\n\nhelper(n) := y if { y := n + 1; y > 5 }", list(1000, "%d")},
		{"set lookup of one key", "r if parts[\"i250\"]\n\nparts contains item.id if some item in input", items},
		{"object lookup of one key", "r := table[\"i250\"]\n\ntable[item.id] := item.team if some item in input", items},
		{"array comprehension", `r := count([x | some x in input; x > 10])`, list(1000, "%d")},
		{"object comprehension", `r := {item.id: item.team | some item in input}`, items},
		{"set comprehension", `r := {item.team | some item in input}`, items},
		{"join", `r contains [a.id, b.id] if { some a in input; some b in input; a.team == b.team; a.id != b.id }`, "[" + strings.Join(teams[:40], ", ") + "]"},
		{"walk", `r contains v if { walk(input, [_, v]); is_string(v) }`, items},
		{"walk with path", `r contains p if { walk(input, [p, v]); v == "i250" }`, items},
		{"strings", `r contains y if { some x in input; startswith(x, "i1"); y := upper(trim_prefix(x, "i")) }`, list(500, `"i%d"`)},
		{"regex", "r contains x if { some x in input; regex.match(`^i1[0-9]$`, x) }", list(500, `"i%d"`)},
		{"arithmetic", `r := sum([y | some x in input; x % 3 == 0; y := (x * 2) + 1])`, list(1000, "%d")},
		{"with", "r := count([x | some x in input; t with input as x])\n\nt if input > 5", list(500, "%d")},
		{"else chain", "r := \"a\" if { input.n < 5 } else := \"b\" if { input.n < 10 } else := \"c\"", `{"n": 7}`},
		{"object union", `r := object.union(input, {"a": 1})`, `{"b": {"c": 1}}`},
		{"negation", `r contains x if { some x in input; not x in {1, 2, 3} }`, list(500, "%d")},
		{"data lookup", `r := data.names[input.a]`, `{"a": "k500"}`},
		{"string building", `r contains m if { some x in input; m := sprintf("item %s is %d", [x, 7]) }`, list(500, `"i%d"`)},
	}
}

// tables are policies with large constants, and documents of which a part is replaced.
func tables() []shape {
	numbers := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, strconv.Itoa(i))
		}
		return strings.Join(out, ", ")
	}
	objects := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(`"k%d": {"id": %d, "tags": ["a", "b", {"c": [%d, null, true]}]}`, i, i, i))
		}
		return "{" + strings.Join(out, ", ") + "}"
	}
	return []shape{
		{"10,000 numbers, a set", "r if input.a in {" + numbers(10_000) + "}", `{"a": 7}`},
		{"10,000 numbers, an array", "r := [" + numbers(10_000) + "][input.a]", `{"a": 7}`},
		{"10,000 numbers, a rule", "r := table[input.a]\n\ntable := [" + numbers(10_000) + "]", `{"a": 7}`},
		{"nested", "r := table[input.a].tags[2].c[0]\n\ntable := " + objects(1_000), `{"a": "k7"}`},
		{"nested, below a condition", "r if { input.a == \"k8\"; " + objects(1_000) + "[input.a].id == 7 }\n\nr if input.a == \"k7\"", `{"a": "k7"}`},
		{"10,000 numbers and one known at run time, a set", "r if input.a in {" + numbers(10_000) + ", input.b}", `{"a": 7, "b": 1}`},
		{"nested, and one known at run time", "r := {\"x\": " + objects(1_000) + ", \"y\": input.b}.x[input.a].id", `{"a": "k7", "b": 1}`},
		{"a table in a loop", "r := count([x | some x in numbers.range(1, 100); x in [" + numbers(1_000) + "]])", `{"a": "k7", "b": 1}`},
		{"a table handed to a function", "r if f(input.a, {" + numbers(10_000) + "})\n\nf(x, s) if x in s", `{"a": 7, "b": 1}`},
		{"with a part of data", "r if t with data.wide.k500 as input.a\n\nt if data.wide.k500 == 1", `{"a": 1}`},
		{"with an object of data", "r if t with data.wide.k500 as {\"x\": input.a}\n\nt if data.wide[input.k].x == 1", `{"a": 1, "k": "k500"}`},
		{"with a part of data, deep", "r if t with data.wide.k700.a.b as input.a\n\nt if data.wide.k700.a.b == 1", `{"a": 1}`},
		{"with a part of data, in a loop", "r := count([x | some x in numbers.range(1, 100); t with data.wide.k500 as x])\n\nt if data.wide.k500 > 50", `{"a": 1}`},
	}
}

// wideData is data with an object of many members.
func wideData() string {
	var out []string
	for i := range 2_000 {
		out = append(out, fmt.Sprintf(`"k%d": {"x": %d}`, i, i))
	}
	return `{"wide": {` + strings.Join(out, ", ") + "}}"
}

func BenchmarkTables(b *testing.B) {
	for _, s := range tables() {
		b.Run(s.name, func(b *testing.B) {
			i, c := evaluators(b, s.rules, wideData())
			compare(b, i, c, ast.MustParseTerm(s.input).Value)
		})
	}
}

const shapesData = `{"names": {"k500": "n"}}`

func BenchmarkShapes(b *testing.B) {
	for _, s := range shapes() {
		b.Run(s.name, func(b *testing.B) {
			i, c := evaluators(b, s.rules, shapesData)
			compare(b, i, c, ast.MustParseTerm(s.input).Value)
		})
	}
}
