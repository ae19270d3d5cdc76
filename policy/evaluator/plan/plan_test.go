package plan

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// planned is the plan of data.p.r, with what it was made of.
func planned(t *testing.T, rules string) (*ir.Policy, *ast.Compiler) {
	t.Helper()
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"p.rego": ast.MustParseModule("package p\n\n" + rules)}); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	policy, err := Of(t.Context(), compiler, ast.MustParseRef("data.p.r"), "result")
	if err != nil {
		t.Fatal(err)
	}
	return policy, compiler
}

// entry is the function that was planned from the rules at data.p.r.
func entry(t *testing.T, policy *ir.Policy) *ir.Func {
	t.Helper()
	for _, fn := range policy.Funcs.Funcs {
		if strings.HasSuffix(fn.Name, ".data.p.r") {
			return fn
		}
	}
	t.Fatal("no function is planned for the rule")
	return nil
}

func TestLayoutOf(t *testing.T) {
	for _, c := range []struct {
		name, rules                  string
		definitions                  int
		early, single, one, onlyAdds bool
	}{
		{name: "one value", rules: "r := input.a", definitions: 1, single: true},
		{name: "one constant", rules: "r if input.a\n\nr if input.b", definitions: 2, early: true, single: true},
		{name: "two constants", rules: "r := 1 if input.a\n\nr := 2 if input.b", definitions: 2, single: true},
		{name: "a default", rules: "default r := false\n\nr if input.a", definitions: 1, early: true, single: true},
		{name: "an else", rules: "r := 1 if input.a else := 2 if input.b", definitions: 1, single: true},
		{name: "a set", rules: "r contains x if some x in input.a\n\nr contains 1", definitions: 2, one: true, onlyAdds: true},
		{name: "an object", rules: "r[x] := 1 if some x in input.a", definitions: 1, one: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			policy, compiler := planned(t, c.rules)
			fn := entry(t, policy)
			got := LayoutOf(policy, compiler, fn)
			if len(got.Definitions) != c.definitions || got.EarlyExit != c.early || got.Single != c.single {
				t.Errorf("got %d definitions, early exit %v, one value %v", len(got.Definitions), got.EarlyExit, got.Single)
			}
			if one, adds := got.AddsOneElement(fn), got.OnlyAddsToSet(fn); one != c.one || adds != c.onlyAdds {
				t.Errorf("each definition adds one element: %v, only to a set: %v", one, adds)
			}
		})
	}
}

func TestReadsWholeInput(t *testing.T) {
	for rules, want := range map[string]bool{
		"r := input.a.b":                     false,
		"r := [input.a, input.b] if input.c": false,
		"r := input":                         true,
		"r := input[input.a]":                true,
		"r := count(input)":                  true,

		"r := f(input.a)\n\nf(x) := [x, input.b]": false,

		"r := x if x := t with input.a as 1\n\nt := input.b": true,
	} {
		if policy, _ := planned(t, rules); ReadsWholeInput(policy) != want {
			t.Errorf("%s: input is read as a whole: %v, want %v", rules, !want, want)
		}
	}
}

func TestChangesForeign(t *testing.T) {
	for rules, want := range map[string]bool{
		"r[k] := v if some k, v in input":                                   false,
		"r[k] := v if some k, v in input\n\nr.a[x] := 1 if some x in input": true,
	} {
		policy, _ := planned(t, rules)
		if got := ChangesForeign(entry(t, policy)); got != want {
			t.Errorf("%s: got %v, want %v", rules, got, want)
		}
	}
}

func TestTrim(t *testing.T) {
	policy, _ := planned(t, "r := [1, 2, [3, {\"k\": null}], {4, 5}][input.a]")
	var strs []*ast.Term
	for _, s := range policy.Static.Strings {
		strs = append(strs, ast.StringTerm(s.Value))
	}
	fn := entry(t, policy)
	before := FrameSize(fn.Blocks, fn.Return)
	found := Trim(fn, strs)
	if after := FrameSize(fn.Blocks, fn.Return); after >= before {
		t.Errorf("%d variables became %d", before, after)
	}
	want := ast.MustParseTerm(`[1, 2, [3, {"k": null}], {4, 5}]`)
	for _, constants := range found {
		for _, term := range constants {
			if term.Equal(want) {
				return
			}
		}
	}
	t.Errorf("%v is not among the constants %v", want, found)
}

func TestDecided(t *testing.T) {
	// The rule of a computed name is found, or data is read, in a nested block.
	for rules, want := range map[string]bool{
		"r if not input.a": true,
		"r if not input.a == [x | some x in input.b]": true,
	} {
		policy, _ := planned(t, rules)
		Walk(entry(t, policy).Blocks, func(s ir.Stmt) {
			if not, ok := s.(*ir.NotStmt); ok && Decided(not.Block) != want {
				t.Errorf("%s: got %v, want %v", rules, !want, want)
			}
		})
	}
	nested := &ir.Block{Stmts: []ir.Stmt{&ir.BlockStmt{Blocks: []*ir.Block{{Stmts: []ir.Stmt{&ir.CallDynamicStmt{}}}}}}}
	if Decided(nested) {
		t.Error("a negation that goes on in a nested block is decided")
	}
}
