package evaluator

import (
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

func TestPredicatesAgreeWithOPA(t *testing.T) {
	for _, b := range []*ast.Builtin{
		ast.Equal, ast.NotEqual, ast.LessThan, ast.LessThanEq, ast.GreaterThan, ast.GreaterThanEq, ast.Member, ast.StartsWith, ast.EndsWith, ast.Contains,
	} {
		holds := predicates(b.Name)
		for _, x := range samples() {
			for _, y := range samples() {
				want := builtinResult(t, b.Name, x, y)
				got, ok := holds(x, y)
				if ok && (want == nil || want.Value.Compare(ast.Boolean(got)) != 0) {
					t.Errorf("%s(%v, %v) is %v, want %v", b.Name, x, y, got, want)
				}
			}
		}
	}
	for _, b := range []*ast.Builtin{ast.IsString, ast.IsNumber, ast.IsBoolean, ast.IsArray, ast.IsObject, ast.IsSet, ast.IsNull} {
		is := kinds(b.Name)
		for _, x := range samples() {
			want := builtinResult(t, b.Name, x)
			if got := is(x.Value); want == nil || want.Value.Compare(ast.Boolean(got)) != 0 {
				t.Errorf("%s(%v) is %v, want %v", b.Name, x, got, want)
			}
		}
	}
}

func TestValuesAgreeWithOPA(t *testing.T) {
	for _, x := range samples() {
		if got, want := size(x), builtinResult(t, ast.Count.Name, x); !sameTerm(got, want) {
			t.Errorf("count(%v) is %v, want %v", x, got, want)
		}
		for _, key := range samples() {
			otherwise := ast.StringTerm("otherwise")
			if got, want := objectGet(x, key, otherwise), builtinResult(t, ast.ObjectGet.Name, x, key, otherwise); !sameTerm(got, want) {
				t.Errorf("object.get(%v, %v) is %v, want %v", x, key, got, want)
			}
		}
	}
}

func TestFormatsAgreeWithOPA(t *testing.T) {
	formatted := 0
	for _, text := range []string{"%s", "%v", "%q", "%d", "a %s b", "100%% %v", "%s-%d: %q", "%5d", "%", "%x", "%s%", "ü%s"} {
		f := parseFormat(text)
		if f == nil {
			continue
		}
		for _, x := range samples() {
			for _, y := range samples() {
				args := []*ast.Term{x, y, x}[:len(f.verbs)]
				out, ok := f.appendTo(nil, args)
				if !ok {
					continue
				}
				formatted++
				want := builtinResult(t, ast.Sprintf.Name, ast.StringTerm(text), ast.ArrayTerm(args...))
				if want == nil || want.Value.Compare(ast.String(out)) != 0 {
					t.Errorf("sprintf(%q, %v) is %q, want %v", text, args, out, want)
				}
			}
		}
	}
	if formatted == 0 {
		t.Error("nothing was formatted")
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
