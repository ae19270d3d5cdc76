package celrego

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

var (
	expressions = flag.Int("expressions", 3000, "how many random expressions TestProperty compares")
	seed        = flag.Uint64("expressions.seed", 1, "where they begin")
)

// TestProperty evaluates random expressions on random claims by cel-go, set up as
// kube-apiserver does it, and by the rules: the value is the same, or both are an
// error. Only arithmetic with doubles may be undefined where CEL has a value, since
// it would have to be rounded.
func TestProperty(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 2))
	g := &grammar{Rand: random}
	compared, translated, refused, invalid, rounded, values := 0, 0, map[string]int{}, 0, 0, 0
	const batch = 100
	for translated < *expressions {
		var sources []string
		var text strings.Builder
		text.WriteString("package t\n\nimport data.lib.cel\n\nclaims := input\n\n")
		var programs []cel.Program
		for len(sources) < batch {
			source := g.expression()
			expression, err := Compile(source, Claims)
			if err != nil {
				invalid++
				continue
			}
			rules, err := expression.Value(fmt.Sprintf("r%d", len(sources)))
			if err != nil {
				refused[err.Error()[strings.Index(err.Error(), ": ")+2:]]++
				continue
			}
			sources = append(sources, source)
			text.WriteString(rules.Text + "\n")
			programs = append(programs, program(t, source))
		}
		query := prepare(t, text.String())
		translated += len(sources)
		for range 12 {
			claims := g.claims()
			got := evaluate(t, query, claims, text.String())
			for i, source := range sources {
				compared++
				want, err := celValue(programs[i], claims)
				have, defined := got[fmt.Sprintf("r%d", i)]
				switch {
				case err != nil && !defined:
				case err != nil:
					t.Fatalf("%s\non %v\nis an error in CEL (%v), and %v in Rego\n%s", source, claims, err, have, rulesOf(text.String(), i))
				case !defined && (mayRound(source) || escapedKey(source, claims)):
					rounded++
				case !defined:
					t.Fatalf("%s\non %v\nis %v in CEL, and undefined in Rego\n%s", source, claims, want, rulesOf(text.String(), i))
				case !same(want, have) && strings.Contains(source, "dyn(") && sameInAnotherOrder(want, have):
					values++
				case !same(want, have):
					t.Fatalf("%s\non %v\nis %#v in CEL, and %#v in Rego\n%s", source, claims, want, have, rulesOf(text.String(), i))
				default:
					values++
				}
			}
		}
	}
	t.Logf("%d expressions, %d comparisons, %d with a value, %d that would be rounded; %d did not compile, refused: %v", translated, compared, values, rounded, invalid, refused)
	if values*5 < compared {
		t.Errorf("of %d comparisons only %d had a value", compared, values)
	}
}

// mayRound reports whether the expression computes with doubles.
func mayRound(source string) bool {
	return strings.ContainsAny(source, "-*/") || strings.Contains(source, "double(") || strings.Contains(source, "+")
}

// escapedKey reports whether a key that is known only when it is evaluated may be in
// the escaped form, which is left to be an error.
func escapedKey(source string, claims map[string]any) bool {
	s, ok := claims["s"].(string)
	return ok && strings.Contains(s, "__") && (strings.Contains(source, "claims.s]") || strings.Contains(source, "(claims.s)]"))
}

func rulesOf(text string, i int) string {
	from := strings.Index(text, fmt.Sprintf("\nr%d ", i))
	to := strings.Index(text, fmt.Sprintf("\nr%d ", i+1))
	if from < 0 || to < from {
		return text
	}
	return text[from:to]
}

func same(want, have any) bool {
	a, err := json.Marshal(want)
	if err != nil {
		return false
	}
	var x any
	if err := json.Unmarshal(a, &x); err != nil {
		return false
	}
	b, err := json.Marshal(have)
	if err != nil {
		return false
	}
	var y any
	if err := json.Unmarshal(b, &y); err != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// sameInAnotherOrder reports whether the values are made of the same characters: the
// keys of an object have no order in CEL.
func sameInAnotherOrder(want, have any) bool {
	sorted := func(v any) string {
		written, err := json.Marshal(v)
		if err != nil {
			return err.Error()
		}
		slices.Sort(written)
		return string(written)
	}
	return sorted(want) == sorted(have)
}

func prepare(t *testing.T, text string) rego.PreparedEvalQuery {
	t.Helper()
	library, err := os.ReadFile("../../../rego/lib/cel.rego")
	if err != nil {
		t.Fatal(err)
	}
	query, err := rego.New(
		rego.Query("data.t"), rego.StrictBuiltinErrors(true),
		rego.ParsedModule(ast.MustParseModule(string(library))), rego.Module("t.rego", text),
	).PrepareForEval(t.Context())
	if err != nil {
		lines := strings.Split(text, "\n")
		var at int
		if i := strings.Index(err.Error(), "t.rego:"); i >= 0 {
			_, _ = fmt.Sscanf(err.Error()[i:], "t.rego:%d", &at)
		}
		t.Fatalf("%v\n%s", err, strings.Join(lines[max(0, at-25):min(len(lines), at+12)], "\n"))
	}
	return query
}

func evaluate(t *testing.T, query rego.PreparedEvalQuery, claims any, text string) map[string]any {
	t.Helper()
	results, err := query.Eval(t.Context(), rego.EvalInput(claims))
	if err != nil {
		at := 0
		if i := strings.Index(err.Error(), "t.rego:"); i >= 0 {
			_, _ = fmt.Sscanf(err.Error()[i:], "t.rego:%d", &at)
		}
		lines := strings.Split(text, "\n")
		t.Fatalf("%v\non %v\n%s", err, claims, strings.Join(lines[max(0, at-40):min(len(lines), at+30)], "\n"))
	}
	return results[0].Expressions[0].Value.(map[string]any)
}

func program(t *testing.T, source string) cel.Program {
	t.Helper()
	envs, err := environments()
	if err != nil {
		t.Fatal(err)
	}
	compiled, issues := envs[Claims].Compile(source)
	if issues != nil && issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	p, err := envs[Claims].Program(compiled, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return p
}

// celValue is what cel-go makes of the expression, as JSON.
func celValue(p cel.Program, claims map[string]any) (any, error) {
	out, _, err := p.Eval(map[string]any{"claims": claimsValue(claims)})
	if err != nil {
		return nil, err
	}
	return jsonOf(out)
}

func jsonOf(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Int, types.Uint, types.String, types.Bool:
		return v.Value(), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%v is no number of JSON", v)
		}
		return v.Value(), nil
	case types.Null:
		return nil, nil
	case *types.Optional:
		if !v.HasValue() {
			return []any{}, nil
		}
		one, err := jsonOf(v.GetValue())
		return []any{one}, err
	case *types.Type:
		return v.TypeName(), nil
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			member, err := jsonOf(v.Get(key))
			if err != nil {
				return nil, err
			}
			out[fmt.Sprint(key.Value())] = member
		}
		return out, nil
	case traits.Lister:
		out := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			element, err := jsonOf(it.Next())
			if err != nil {
				return nil, err
			}
			out = append(out, element)
		}
		return out, nil
	case *types.Err:
		return nil, v
	}
	return nil, fmt.Errorf("%T is no JSON", v)
}

// claimsValue is the claims as kube-apiserver gives them to CEL: names are given in
// their escaped form, at every depth that is reached by selection.
func claimsValue(claims map[string]any) ref.Val {
	return topClaims{types.DefaultTypeAdapter.NativeToValue(claims).(traits.Mapper)}
}

type topClaims struct{ traits.Mapper }

func (c topClaims) Find(key ref.Val) (ref.Val, bool) {
	name, ok := unescape(string(key.(types.String)))
	if !ok {
		return nil, false
	}
	v, found := c.Mapper.Find(types.String(name))
	return unescaping(v), found
}

func (c topClaims) Get(key ref.Val) ref.Val {
	if v, found := c.Find(key); found {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

func (c topClaims) Contains(key ref.Val) ref.Val {
	_, found := c.Find(key)
	return types.Bool(found)
}

type innerClaims struct{ traits.Mapper }

func (c innerClaims) Find(key ref.Val) (ref.Val, bool) {
	if s, ok := key.(types.String); ok {
		if name, ok := unescape(string(s)); ok {
			key = types.String(name)
		}
	}
	v, found := c.Mapper.Find(key)
	return unescaping(v), found
}

type innerList struct{ traits.Lister }

func (l innerList) Get(index ref.Val) ref.Val { return unescaping(l.Lister.Get(index)) }

func unescaping(v ref.Val) ref.Val {
	switch v := v.(type) {
	case traits.Mapper:
		return innerClaims{v}
	case traits.Lister:
		return innerList{v}
	}
	return v
}
