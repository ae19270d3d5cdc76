package evaluator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	"github.com/open-policy-agent/opa/v1/types"
)

// evaluators prepares data.p.r of a module whose body is rules, both ways.
func evaluators(tb testing.TB, rules string, data string) (interpreted, compiled) {
	tb.Helper()
	module, err := ast.ParseModule("p.rego", "package p\n\n"+rules)
	if err != nil {
		tb.Fatal(err)
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(map[string]*ast.Module{"p.rego": module}); compiler.Failed() {
		tb.Fatal(compiler.Errors)
	}
	root, ok := ast.MustParseTerm(data).Value.(ast.Object)
	if !ok {
		tb.Fatalf("%s is no object", data)
	}
	return evaluatorsOf(tb, compiler, root, ast.MustParseRef("data.p.r"))
}

func evaluatorsOf(tb testing.TB, compiler *ast.Compiler, data ast.Object, ref ast.Ref) (interpreted, compiled) {
	tb.Helper()
	values := cache.NewInterQueryValueCache(tb.Context(), nil)
	i, err := NewInterpreter(compiler, ref, values, false)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := NewCompiled(tb.Context(), compiler, ref, values, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return interpreted{i, data}, compiled{c, data}
}

// overData evaluates over the same data each time.
type overData interface {
	Evaluate(ctx context.Context, input ast.Value) (ast.Value, error)
}

type interpreted struct {
	*Interpreter
	data ast.Object
}

func (i interpreted) Evaluate(ctx context.Context, input ast.Value) (ast.Value, error) {
	result, err := i.Interpreter.Evaluate(ctx, Query{Input: input, Data: i.data, Now: time.Now()})
	return result.Value, err
}

type compiled struct {
	*Compiled
	data ast.Object
}

func (c compiled) Evaluate(ctx context.Context, input ast.Value) (ast.Value, error) {
	result, err := c.Compiled.Evaluate(ctx, Query{Input: input, Data: c.data, Now: time.Now()})
	return result.Value, err
}

// run is what the program says by itself, of input as it is and of its parts, which
// must be the same.
func (c compiled) run(ctx context.Context, input ast.Value) (ast.Value, error) {
	query := Query{Input: input, Data: c.data, Now: time.Now()}
	whole, err := c.Compiled.run(ctx, query)
	if input == nil {
		return whole, err
	}
	query.Input, query.Document = nil, inParts{input}
	parts, partsErr := c.Compiled.run(ctx, query)
	if (err == nil) != (partsErr == nil) || err == nil && !equalValues(whole, parts) {
		panic(fmt.Sprintf("%v and error %v of input, %v and error %v of its parts", whole, err, parts, partsErr))
	}
	return whole, err
}

// inParts is a value as a Document.
type inParts struct{ whole ast.Value }

func (d inParts) Value() ast.Value { return d.whole }

func (d inParts) At(names []string) ast.Value {
	found := d.whole
	for _, name := range names {
		object, ok := found.(ast.Object)
		if !ok {
			return nil
		}
		member := object.Get(ast.StringTerm(name))
		if member == nil {
			return nil
		}
		found = member.Value
	}
	return found
}

// each runs test with either evaluator.
func each(t *testing.T, rules, data string, test func(t *testing.T, e overData)) {
	t.Helper()
	i, c := evaluators(t, rules, data)
	t.Run("interpreter", func(t *testing.T) { test(t, i) })
	t.Run("compiled", func(t *testing.T) { test(t, c) })
}

func TestEvaluate(t *testing.T) {
	for _, c := range []struct{ name, rules, input, want string }{
		{"constant", `r := 1`, `{}`, `1`},
		{"input", `r := input.a`, `{"a": {"b": [1]}}`, `{"b": [1]}`},
		{"input that is no object", `r := input`, `"a"`, `"a"`},
		{"data", `r := data.names[input]`, `"a"`, `"Alice"`},
		{"false", `r := false`, `{}`, `false`},
		{"null", `r := null`, `{}`, `null`},
		{"empty set", `r contains x if some x in input.none`, `{}`, `set()`},
		{"set", `r contains x if some x in input`, `["b", "a", "b"]`, `{"a", "b"}`},
		{"object", `r[k] := v if some k, v in input`, `{"a": 1}`, `{"a": 1}`},
		{"references", "r.a := 1\n\nr.b contains 2", `{}`, `{"a": 1, "b": {2}}`},
		{"default", "default r := 5\n\nr := 6 if input.none", `{}`, `5`},
		{"undefined", `r := 1 if input.none`, `{}`, ``},
		{"undefined reference", `r := input.none`, `{}`, ``},
		{"big numbers are kept", `r := input`, `123456789012345678901234567890`, `123456789012345678901234567890`},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, c.rules, `{"names": {"a": "Alice"}}`, func(t *testing.T, e overData) {
				got, err := e.Evaluate(t.Context(), ast.MustParseTerm(c.input).Value)
				if err != nil {
					t.Fatal(err)
				}
				if c.want == "" {
					if got != nil {
						t.Errorf("got %v, want undefined", got)
					}
					return
				}
				if want := ast.MustParseTerm(c.want).Value; got == nil || got.Compare(want) != 0 {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		})
	}
}

func TestEvaluateErrors(t *testing.T) {
	for _, c := range []struct{ name, rules, code string }{
		{"builtin", `r := to_number(input)`, topdown.BuiltinErr},
		{"builtin below a not", "one if to_number(input) == 1\n\nr if not one", topdown.BuiltinErr},
		{"operand", "r := split(s, \".\")\n\ns := n if n := data.number", topdown.TypeErr},
		{"conflict", "r := 1\n\nr := 2 if input", topdown.ConflictErr},
		{"conflict of keys", "r[k] := 1 if some k in [input]\n\nr[k] := 2 if some k in [input]", topdown.ConflictErr},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, c.rules, `{"number": 5}`, func(t *testing.T, e overData) {
				got, err := e.Evaluate(t.Context(), ast.String("x"))
				var te *topdown.Error
				if !errors.As(err, &te) {
					t.Fatalf("got %v and error %v, want a *topdown.Error", got, err)
				}
				if te.Code != c.code {
					t.Errorf("got code %s, want %s", te.Code, c.code)
				}
				if te.Location == nil || te.Location.File != "p.rego" || te.Location.Row < 3 {
					t.Errorf("got location %v, want one in p.rego", te.Location)
				}
				if got != nil {
					t.Errorf("got value %v beside the error", got)
				}
			})
		})
	}
}

func TestEvaluateStopsWithItsContext(t *testing.T) {
	each(t, `r if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b + input < 0
}`, `{}`, stopsWithItsContext)
}

func stopsWithItsContext(t *testing.T, e overData) {
	for name, ending := range map[string]func() (context.Context, context.CancelFunc){
		"deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 10*time.Millisecond)
		},
		"cancelled before": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := ending()
			defer cancel()
			got, err := e.Evaluate(ctx, ast.Number("1"))
			if !topdown.IsCancel(err) || got != nil {
				t.Errorf("got %v and error %v, want a cancellation", got, err)
			}
		})
	}
}

func TestInterpreterReturnsAPanicAsAnError(t *testing.T) {
	// A value that no decoder makes: topdown meets it as a nil pointer.
	var broken *ast.Array
	i, _ := evaluators(t, `r := count(input.a)`, `{}`)
	got, err := i.Evaluate(t.Context(), panicking{broken})
	var te *topdown.Error
	if !errors.As(err, &te) || te.Code != topdown.InternalErr {
		t.Fatalf("got %v and error %v, want an internal error", got, err)
	}
	if !strings.Contains(te.Message, "panicked") {
		t.Errorf("got message %q", te.Message)
	}
}

// panicking is a value that panics where it is looked into.
type panicking struct{ *ast.Array }

func (panicking) Find(ast.Ref) (ast.Value, error) { panic("looked into") }
func (panicking) Get(*ast.Term) *ast.Term         { panic("looked into") }

func TestNewInterpreterRefusesAReferenceItCannotCompile(t *testing.T) {
	compiler := ast.NewCompiler().WithCapabilities(&ast.Capabilities{Builtins: []*ast.Builtin{{
		Name: "eq", Infix: "=", Decl: types.NewFunction(types.Args(types.A, types.A), types.B),
	}}})
	compiler.Compile(nil)
	ref := ast.Ref{ast.DefaultRootDocument, ast.VarTerm("unsafe_x"), ast.CallTerm(ast.VarTerm("no_such_function"), ast.NumberTerm("1"))}
	if _, err := NewInterpreter(compiler, ref, nil, false); err == nil {
		t.Error("a query that does not compile was prepared")
	} else if !strings.Contains(err.Error(), "preparing data[") {
		t.Errorf("got %v, want it to name the reference", err)
	}
}

func TestEvaluateConcurrently(t *testing.T) {
	each(t, "r contains name if {\n\tregex.match(`^u[0-9]+$`, input)\n\tname := data.names[input]\n}", `{"names": {"u0": "n0", "u1": "n1", "u2": "n2", "u3": "n3"}}`, evaluatesConcurrently)
}

func evaluatesConcurrently(t *testing.T, e overData) {
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			input, want := ast.String(fmt.Sprintf("u%d", g)), ast.NewSet(ast.StringTerm(fmt.Sprintf("n%d", g)))
			for range 200 {
				got, err := e.Evaluate(t.Context(), input)
				if err != nil || got == nil || got.Compare(want) != 0 {
					t.Errorf("got %v and error %v, want %v", got, err, want)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestEvaluateLeavesItsInputAsItIs(t *testing.T) {
	each(t, `r := object.union(input, {"b": {"c": 2}, "l": array.concat(input.l, [3])})`, `{}`, leavesItsInputAsItIs)
}

func leavesItsInputAsItIs(t *testing.T, e overData) {
	input := ast.MustParseTerm(`{"a": 1, "b": {"d": 1}, "l": [1]}`).Value
	before := input.String()
	for range 3 {
		if _, err := e.Evaluate(t.Context(), input); err != nil {
			t.Fatal(err)
		}
	}
	if after := input.String(); after != before {
		t.Errorf("the input became %s, want %s", after, before)
	}
}
