package evaluator

import (
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

func TestPassesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range passes {
		if p.name == "" || p.does == "" || seen[p.name] {
			t.Errorf("the pass %q, which %s, has no name of its own", p.name, p.does)
		}
		seen[p.name] = true
	}
}

// TestWithoutOnePass compares the evaluators on random policies, each compiled without one
// of the passes, and without all of them.
func TestWithoutOnePass(t *testing.T) {
	const inputs = 3
	policies := max(1, *policies/8)
	data := ast.MustParseTerm(otherData).Value.(ast.Object)
	ref := ast.MustParseRef("data.p.r")
	answers := map[string]int{}
	count := 0
	for n := *seed; count < policies; n++ {
		w, source, compiler, _ := randomPolicy(n)
		if compiler == nil {
			continue
		}
		interpreter, err := NewInterpreter(compiler, ref, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		count++
		variants := map[string]*Compiled{}
		for name, kept := range lessPasses() {
			if c, err := compile(t.Context(), interpreter, compiler, ref, nil, nil, kept); err == nil {
				variants[name] = c
			}
		}
		for range inputs {
			input := w.input()
			want, wantErr := interpreted{interpreter, data}.Evaluate(t.Context(), input)
			if wantErr != nil && strings.Contains(wantErr.Error(), "requires evaluation") {
				continue // a fault of OPA's, by its own account
			}
			for name, c := range variants {
				got, err := compiled{c, data}.run(t.Context(), input)
				switch {
				case err != nil: // left to the interpreter
				case wantErr != nil:
					t.Fatalf("%s: got %v, want error %v\ninput %v\n%s", name, got, wantErr, input, source)
				case !equalValues(got, want):
					t.Fatalf("%s: got %v, want %v\ninput %v\n%s", name, got, want, input, source)
				default:
					answers[name]++
				}
			}
		}
	}
	for name := range lessPasses() {
		if answers[name]*3 < count*inputs {
			t.Errorf("%s: only %d answers to %d questions", name, answers[name], count*inputs)
		}
	}
}

// lessPasses are the passes without each of them, and none.
func lessPasses() map[string][]pass {
	out := map[string][]pass{"without any pass": nil}
	for _, p := range passes {
		out["without "+p.name] = without(p.name)
	}
	return out
}

func without(name string) []pass {
	return slices.DeleteFunc(slices.Clone(passes), func(p pass) bool { return p.name == name })
}

// passCase is a rule data.p.r on which a pass has something to do, and one input.
type passCase struct {
	name, rules, input, want string
	// left says that the pass has nothing to do after all.
	left bool
	// refused says that without the pass the rule is the interpreter's.
	refused bool
}

// testPass compares the program with a pass, the one without it and the interpreter. The
// pass has to lower something.
func testPass(t *testing.T, name string, cases []passCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lowered := 0
			counted := slices.Clone(passes)
			for i, p := range counted {
				if p.name == name {
					counted[i].lower = func(sc *scope, stmts []ir.Stmt) (s statement, used int) {
						s, used = p.lower(sc, stmts)
						lowered += min(used, 1)
						return s, used
					}
				}
			}
			comparePasses(t, c, counted, without(name))
			if (lowered == 0) != c.left {
				t.Errorf("the pass lowered %d times", lowered)
			}
		})
	}
}

// comparePasses compares the programs with these passes, and the interpreter. It returns
// the programs.
func comparePasses(t *testing.T, c passCase, with, without []pass) (first, second *Compiled) {
	t.Helper()
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"p.rego": ast.MustParseModule("package p\n\n" + c.rules)}); compiler.Failed() {
		t.Fatal(compiler.Errors)
	}
	ref := ast.MustParseRef("data.p.r")
	interpreter, err := NewInterpreter(compiler, ref, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	first, err = compile(t.Context(), interpreter, compiler, ref, nil, nil, with)
	if err != nil {
		t.Fatal(err)
	}
	second, err = compile(t.Context(), interpreter, compiler, ref, nil, nil, without)
	if (err != nil) != c.refused {
		t.Fatalf("without the pass: error %v", err)
	}
	data, input := ast.MustParseTerm(otherData).Value.(ast.Object), ast.MustParseTerm(c.input).Value
	want := ast.MustParseTerm(c.want).Value
	if got, err := (interpreted{interpreter, data}).Evaluate(t.Context(), input); err != nil || !equalValues(got, want) {
		t.Errorf("the interpreter gives %v and error %v, want %v", got, err, want)
	}
	for _, program := range []*Compiled{first, second} {
		if program == nil {
			continue
		}
		if got, err := (compiled{program, data}).run(t.Context(), input); err != nil || !equalValues(got, want) {
			t.Errorf("the program gives %v and error %v, want %v (with the pass: %v)", got, err, want, program == first)
		}
	}
	return first, second
}
