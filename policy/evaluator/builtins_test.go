package evaluator

import (
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// samples are values of all types, some of them equal and written differently.
func samples() []*ast.Term {
	var out []*ast.Term
	for _, s := range []string{
		`null`, `true`, `false`, `0`, `1`, `1.0`, `1e0`, `-7`, `10`, `1.5`, `12345678901234567890`, `""`, `"a"`, `"ab"`, `"ünï\n\"x\""`, `"1"`, `"%"`,
		`[]`, `["a"]`, `["a", 1, "ab"]`, `[1.0, null]`, `[["a"]]`, `{}`, `{"a": "ab"}`, `{"a": {"b": 1}, 1: "a"}`, `set()`, `{"a", 1}`, `{{"a"}, [1]}`,
	} {
		out = append(out, ast.MustParseTerm(s))
	}
	return out
}

// builtinResult is what OPA's own implementation gives, nil for an error.
func builtinResult(t *testing.T, name string, args ...*ast.Term) *ast.Term {
	t.Helper()
	var out *ast.Term
	err := topdown.GetBuiltin(name)(topdown.BuiltinContext{}, args, func(result *ast.Term) error {
		out = result
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}

// TestBuiltins compares each function that is done inline with OPA's own implementation,
// for all arguments that samples gives.
func TestBuiltins(t *testing.T) {
	for name, b := range builtins {
		t.Run(name, func(t *testing.T) {
			if ast.BuiltinMap[name] == nil {
				t.Fatal("OPA has no such function")
			}
			in := b.inline
			if (in.is != nil || in.holds != nil || in.value != nil) && !b.prompt {
				t.Error("a function that is done inline is prompt")
			}
			if in.is != nil {
				arguments(1, func(args []*ast.Term) { compareTruth(t, name, in.is(args[0].Value), args) })
			}
			if in.holds != nil {
				arguments(2, func(args []*ast.Term) {
					if got, ok := in.holds(args[0], args[1]); ok {
						compareTruth(t, name, got, args)
					}
				})
			}
			if in.value != nil {
				arguments(in.arguments, func(args []*ast.Term) {
					if got, want := in.value(args), builtinResult(t, name, args...); !sameTerm(got, want) {
						t.Errorf("%s%v is %v, want %v", name, args, got, want)
					}
				})
			}
		})
	}
}

// arguments calls test with all combinations of n samples.
func arguments(n int, test func(args []*ast.Term), before ...*ast.Term) {
	if n == 0 {
		test(before)
		return
	}
	for _, x := range samples() {
		arguments(n-1, test, append(slices.Clone(before), x)...)
	}
}

func compareTruth(t *testing.T, name string, got bool, args []*ast.Term) {
	t.Helper()
	if want := builtinResult(t, name, args...); want == nil || want.Value.Compare(ast.Boolean(got)) != 0 {
		t.Errorf("%s%v is %v, want %v", name, args, got, want)
	}
}

func sameTerm(a, b *ast.Term) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Equal(b)
}

// TestShapes compares the evaluators on the policies whose speed is measured,
// which are larger than those of the other tests.
func TestShapes(t *testing.T) {
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			i, c := evaluators(t, s.rules, shapesData)
			input := ast.MustParseTerm(s.input).Value
			want, err := i.Evaluate(t.Context(), input)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got, err := c.run(t.Context(), input); err != nil || !equalValues(got, want) {
					t.Errorf("got %.200v and error %v, want %.200v", got, err, want)
				}
			}
		})
	}
}
