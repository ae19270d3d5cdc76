package evaluator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// TestStarterAgreement asks both evaluators about the policies that ship.
func TestStarterAgreement(t *testing.T) {
	compiler := starter(t)
	raw := starterData(t)
	raw["access"] = company(1000)
	data := ast.MustInterfaceToValue(raw).(ast.Object)
	random := rand.New(rand.NewPCG(3, 3))
	for _, ref := range []string{
		"data.kubernetes.authorization.allow", "data.kubernetes.authorization.deny",
		"data.kubernetes.authentication.user", "data.kubernetes.authentication.deny",
		"data.kubernetes.scheduling.reject", "data.kubernetes.scheduling.unresolvable", "data.kubernetes.scheduling.score",
	} {
		t.Run(ref, func(t *testing.T) {
			i, c := evaluatorsOf(t, compiler, data, ast.MustParseRef(ref))
			defined := 0
			for range 500 {
				input := randomRequest(random)
				want, wantErr := i.Evaluate(t.Context(), input)
				got, gotErr := c.run(t.Context(), input)
				if gotErr == nil && wantErr != nil {
					t.Fatalf("got %v, want error %v for %v", got, wantErr, input)
				}
				if gotErr == nil && !equalValues(got, want) {
					t.Fatalf("got %v, want %v for %v", got, want, input)
				}
				if got, gotErr = c.Evaluate(t.Context(), input); errorCode(gotErr) != errorCode(wantErr) || gotErr == nil && !equalValues(got, want) {
					t.Fatalf("got %v and error %v, want %v and error %v for %v", got, gotErr, want, wantErr, input)
				}
				if want != nil {
					defined++
				}
			}
			if defined == 0 {
				t.Error("the rule was never defined: the inputs do not reach it")
			}
		})
	}
}

// randomRequest has what reviews, identities and scheduling requests have, with
// gaps and odd types.
func randomRequest(r *rand.Rand) ast.Value {
	pick := func(values ...any) any { return values[r.IntN(len(values))] }
	set := func(into map[string]any, key string, value any) {
		switch r.IntN(16) {
		case 0:
		case 1:
			into[key] = pick(nil, 7, "", []any{"a"}, map[string]any{"a": 1})
		default:
			into[key] = value
		}
	}
	labels := func() map[string]any {
		return map[string]any{"disk": pick("ssd", "hdd"), "topology.kubernetes.io/zone": pick("a", "b"), "team": pick("payments", "search")}
	}
	attributes := map[string]any{}
	set(attributes, "namespace", pick("team-007", "team-001", "kube-system", ""))
	set(attributes, "verb", pick("get", "list", "delete", "*"))
	set(attributes, "resource", pick("pods", "secrets", "nodes", "*"))
	set(attributes, "subresource", pick("", "exec", "status"))
	set(attributes, "group", pick("", "apps", "*"))
	set(attributes, "name", pick("web", "settings", ""))
	spec := map[string]any{}
	set(spec, "user", fmt.Sprintf("user-%05d", r.IntN(100)))
	set(spec, "groups", []any{fmt.Sprintf("group-%05d", r.IntN(100)), pick("system:masters", "system:authenticated")})
	if r.IntN(8) > 0 {
		set(spec, "resourceAttributes", attributes)
	} else {
		set(spec, "nonResourceAttributes", map[string]any{"path": pick("/healthz", "/metrics/a"), "verb": "get"})
	}
	container := map[string]any{"name": "c", "image": pick("registry.example.com/a:1", "docker.io/library/nginx", "a@sha256:00")}
	set(container, "resources", map[string]any{"requests": map[string]any{"cpu": pick("100m", "2", "bad"), "memory": pick("128Mi", "1Gi")}})
	pod := map[string]any{
		"metadata": map[string]any{"name": "p", "namespace": "team-001", "labels": labels()},
		"spec": map[string]any{
			"containers":   []any{container},
			"nodeSelector": map[string]any{"disk": pick("ssd", "hdd")},
			"tolerations":  []any{map[string]any{"key": pick("dedicated", "gpu"), "operator": pick("Equal", "Exists"), "value": "a", "effect": pick("NoSchedule", "")}},
		},
	}
	taint := map[string]any{"key": pick("dedicated", "gpu"), "value": pick("a", "b"), "effect": pick("NoSchedule", "PreferNoSchedule")}
	node := map[string]any{
		"metadata": map[string]any{"name": "n", "labels": labels()},
		"spec":     map[string]any{"taints": []any{taint}, "unschedulable": pick(true, false)},
		"status":   map[string]any{"allocatable": map[string]any{"cpu": "4", "memory": "8Gi"}, "conditions": []any{map[string]any{"type": "Ready", "status": pick("True", "False")}}},
	}
	input := map[string]any{}
	set(input, "spec", spec)
	set(input, "pod", pod)
	set(input, "node", node)
	set(input, "identity", map[string]any{"type": pick("tokenFile", "other"), "claims": map[string]any{
		"username": pick("alice", "system:admin"), "uid": pick("1", 1, nil), "groups": []any{pick("a", "system:x")}, "extra": map[string]any{"k": []any{"v"}},
	}})
	return ast.MustInterfaceToValue(input)
}

// TestNothingReachesTheNextEvaluation looks for a secret of one request in
// what is kept for the next.
func TestNothingReachesTheNextEvaluation(t *testing.T) {
	rules := `r contains x if {
	some v in input.list
	x := concat("-", [v, helper(v), input.secret])
}

r contains named.a if input.secret

r contains sprintf("%s/%d", [input.secret, 1])

r contains x if x := count(parts) with input.list as [input.secret]

r contains to_number(input.number)

helper(v) := upper(v) if some w in input.list

named[k] := input.secret if some k in ["a", "b"]

parts contains v if some v in input.list`
	secret := "a secret that only this request may have"
	ok := ast.MustInterfaceToValue(map[string]any{"secret": secret, "number": "1", "list": []any{secret + "1", secret + "2"}})
	failing := ast.MustInterfaceToValue(map[string]any{"secret": secret, "number": "x", "list": []any{secret + "1", secret + "2"}})
	_, c := evaluators(t, rules, `{}`)
	for name, input := range map[string]ast.Value{"value": ok, "error": failing} {
		t.Run(name, func(t *testing.T) {
			m := c.machines.New().(*machine)
			c.machines = &sync.Pool{New: func() any { return m }}
			if _, err := c.Evaluate(t.Context(), input); (err != nil) != (name == "error") {
				t.Fatal(err)
			}
			seen := map[uintptr]bool{}
			if at := search(reflect.ValueOf(m).Elem(), secret, seen, "machine"); at != "" {
				t.Errorf("the secret is left in %s", at)
			}
		})
	}
}

// search finds text in what v reaches, the part of slices beyond their length
// included.
func search(v reflect.Value, text string, seen map[uintptr]bool, at string) string {
	switch v.Kind() {
	case reflect.String:
		if strings.Contains(strings.ToLower(v.String()), strings.ToLower(text)) {
			return at
		}
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return ""
		}
		seen[v.Pointer()] = true
		return search(v.Elem(), text, seen, at)
	case reflect.Interface:
		return search(v.Elem(), text, seen, at)
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "program" || name == "values" {
				continue // shared by all evaluations, and known before them
			}
			if found := search(v.Field(i), text, seen, at+"."+name); found != "" {
				return found
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			return ""
		}
		v = v.Slice3(0, v.Cap(), v.Cap())
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if strings.Contains(strings.ToLower(string(v.Bytes())), strings.ToLower(text)) {
				return at
			}
			return ""
		}
		for i := range v.Len() {
			if found := search(v.Index(i), text, seen, fmt.Sprintf("%s[%d]", at, i)); found != "" {
				return found
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			if found := search(v.Index(i), text, seen, at); found != "" {
				return found
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if found := search(k, text, seen, at); found != "" {
				return found
			}
			if found := search(v.MapIndex(k), text, seen, at); found != "" {
				return found
			}
		}
	}
	return ""
}

func TestCompiledLeavesErrorsToTheInterpreter(t *testing.T) {
	i, c := evaluators(t, "r := to_number(input.x)\n\nr := 7 if input.y", `{}`)
	input := ast.MustParseTerm(`{"x": "a"}`).Value
	_, want := i.Evaluate(t.Context(), input)
	_, got := c.Evaluate(t.Context(), input)
	if want == nil || got == nil || got.Error() != want.Error() {
		t.Errorf("got error %v, want %v", got, want)
	}
}

// A builtin that waits ends with the context, and so does a loop of a rule.
func TestCompiledStopsInsideABuiltin(t *testing.T) {
	_, c := evaluators(t, `r := count(numbers.range(1, 100000000))`, `{}`)
	ctx, cancel := context.WithTimeout(t.Context(), 10_000_000)
	defer cancel()
	if _, err := c.Evaluate(ctx, ast.NewObject()); !topdown.IsCancel(err) {
		t.Errorf("got error %v, want a cancellation", err)
	}
}

func TestNewCompiledRefuses(t *testing.T) {
	for _, c := range []struct{ name, rules, reason string }{
		{"rules that could change the input", "r[k] := v if some k, v in input\n\nr.a[x] := 1 if some x in input.names", "different depths"},
		{"the value of a rule in the place of a function, whose result is not used", "r if t with f as flag\n\nt if f(1)\n\nf(x) := x\n\nflag if input.flag", "without a use of its result"},
		{"a function that calls what is replaced, in the place of another one", "r if t with f as g with h as 5\n\nt if f(1) == 5\n\nf(x) := x\n\nh(x) := x\n\ng(y) := h(y)", "replaced itself"},
		{"a loop over the elements of another rule's set, whose order shows", "r := [x | some x in s]\n\ns := {input.a, input.b}", "run time"},
		{"a loop over a parameter whose order shows", "r := f({input.a, input.b})\n\nf(s) := [x | some x in s]", "run time"},
		{"a loop over an object whose keys are known at run time", "r := {k | some k, _ in {input.a: 1, input.b: 2}}", "run time"},
		{"a comprehension that is grouped beyond a with", "r contains [x.a, l] if {\n\tsome x in input.list\n\ta := x.a\n\tl := [z | some y in input.list; z := t with input as y; y.a == a]\n}\n\nt := input.id", "groups once"},
		{"a function in the place of a value", "r if t with data.names as data.p.f\n\nt if data.names\n\nf(x) := x", "function"},
		{"an expression that is a comprehension", "r if {\n\t[to_number(x) | some x in input]\n}", "comprehension"},
	} {
		t.Run(c.name, func(t *testing.T) {
			module := ast.MustParseModule("package p\n\n" + c.rules)
			compiler := ast.NewCompiler()
			if compiler.Compile(map[string]*ast.Module{"p.rego": module}); compiler.Failed() {
				t.Fatal(compiler.Errors)
			}
			_, err := NewCompiled(t.Context(), compiler, ast.MustParseRef("data.p.r"), nil, nil)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("got error %v, want one about %q", err, c.reason)
			}
		})
	}
}

// OPA's interpreter reads data by a path of strings, in its index as well.
func TestNumbersAsKeysOfData(t *testing.T) {
	for _, key := range []string{`nested[2]`, `nested[input.n]`, `list["1"]`, `list[input.s]`, `list[1]`, `nested["2"]`, `deep.list["1"].a`, `deep.nested[2].a`} {
		for _, definitions := range []int{1, 2 * indexFrom} {
			t.Run(fmt.Sprintf("%s of %d", key, definitions), func(t *testing.T) {
				var rules strings.Builder
				for i := range definitions {
					fmt.Fprintf(&rules, "r contains %d if data.%s == \"c%d\"\n\n", i, key, i)
				}
				data := `{"nested": {"2": "c0"}, "list": ["a", "c0"], "deep": {"list": [1, {"a": "c0"}], "nested": {"2": {"a": "c0"}}}}`
				each(t, rules.String(), data, func(t *testing.T, e overData) {
					got, err := e.Evaluate(t.Context(), ast.MustParseTerm(`{"n": 2, "s": "1"}`).Value)
					if want := ast.MustParseTerm(`{0}`).Value; err != nil || got.Compare(want) != 0 {
						t.Errorf("got %v and error %v, want %v", got, err, want)
					}
				})
			})
		}
	}
}

func TestCompiledRecoversFromFailures(t *testing.T) {
	_, c := evaluators(t, "r := to_number(input)", `{}`)
	for range 3 * retryEvery {
		if _, err := c.Evaluate(t.Context(), ast.String("x")); errorCode(err) != topdown.BuiltinErr {
			t.Fatalf("got error %v", err)
		}
	}
	for range 2 * retryEvery {
		if got, err := c.Evaluate(t.Context(), ast.String("7")); err != nil || got.Compare(ast.Number("7")) != 0 {
			t.Fatalf("got %v and error %v", got, err)
		}
	}
	if n := c.failures.Load(); n != 0 {
		t.Errorf("the program counts %d failures after it gave values", n)
	}
}
