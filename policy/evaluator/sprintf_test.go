package evaluator

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

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
