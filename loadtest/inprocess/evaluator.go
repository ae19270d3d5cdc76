package inprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	opacache "github.com/open-policy-agent/opa/v1/topdown/cache"
	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/evaluator"
	builtin "github.com/verdict-dev/verdict/rego"
)

// Evaluation is rules on inputs that were parsed already, compiled and by OPA's
// interpreter.
type Evaluation struct {
	Name, About string
	// Compiled and Interpreter are microseconds for one evaluation of each of the
	// rules on one input.
	Compiled, Interpreter report.Figure
	// Allocations is how many one of them takes, compiled.
	Allocations float64
}

// evaluation is what has to be evaluated.
type evaluation struct {
	name, about string
	compiler    *ast.Compiler
	data        ast.Object
	rules       []string
	inputs      []ast.Value
}

// MeasureEvaluators measures decisions over bindings and shapes of policies that
// are easily slow. Both evaluators have to agree on each.
func MeasureEvaluators(ctx context.Context, bindings int, turns Turns, seed uint64) ([]Evaluation, error) {
	evaluations, err := accessEvaluations(ctx, bindings, seed)
	if err != nil {
		return nil, err
	}
	shapes, err := shapeEvaluations()
	if err != nil {
		return nil, err
	}
	return measureEvaluations(ctx, append(evaluations, shapes...), turns)
}

func measureEvaluations(ctx context.Context, evaluations []evaluation, turns Turns) ([]Evaluation, error) {
	var contestants []contestant
	results := make([]Evaluation, len(evaluations))
	for i, e := range evaluations {
		results[i].Name, results[i].About = e.name, e.about
		compiled, interpreter, err := e.contestants(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		if results[i].Allocations, err = allocations(ctx, compiled); err != nil {
			return nil, err
		}
		contestants = append(contestants, compiled, interpreter)
	}
	figures, err := turns.take(ctx, contestants)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Compiled = figures[contestants[2*i].name]
		results[i].Interpreter = figures[contestants[2*i+1].name]
	}
	return results, nil
}

func (e *evaluation) contestants(ctx context.Context) (compiled, interpreter contestant, err error) {
	// As in a revision, compiled patterns are kept from one evaluation to the next.
	values := opacache.NewInterQueryValueCache(ctx, nil)
	var own, rival []evaluator.Evaluator
	for _, rule := range e.rules {
		ref, err := ast.ParseRef(rule)
		if err != nil {
			return compiled, interpreter, fmt.Errorf("%s: %w", rule, err)
		}
		i, err := evaluator.NewInterpreter(e.compiler, ref, values, false)
		if err != nil {
			return compiled, interpreter, err
		}
		c, err := evaluator.NewCompiled(ctx, e.compiler, ref, values, nil)
		if err != nil {
			return compiled, interpreter, err
		}
		own, rival = append(own, c), append(rival, i)
	}
	for i := range own {
		for _, input := range e.inputs {
			query := evaluator.Query{Input: input, Data: e.data, Now: time.Now()}
			got, gotErr := own[i].Evaluate(ctx, query)
			want, wantErr := rival[i].Evaluate(ctx, query)
			if errorText(gotErr) != errorText(wantErr) || !equal(got.Value, want.Value) {
				return compiled, interpreter, fmt.Errorf("%s: compiled %v and error %q, interpreted %v and error %q", e.rules[i], got.Value, errorText(gotErr), want.Value, errorText(wantErr))
			}
		}
	}
	pass := func(evaluators []evaluator.Evaluator) func(context.Context, uint64) error {
		return func(ctx context.Context, _ uint64) error {
			now := time.Now()
			for _, input := range e.inputs {
				for _, one := range evaluators {
					if _, err := one.Evaluate(ctx, evaluator.Query{Input: input, Data: e.data, Now: now}); topdown.IsCancel(err) {
						return err
					}
				}
			}
			return nil
		}
	}
	return contestant{"compiled, " + e.name, pass(own), len(e.inputs)}, contestant{"interpreter, " + e.name, pass(rival), len(e.inputs)}, nil
}

func equal(a, b ast.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Compare(b) == 0
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// allocations counts those of one call of c.
func allocations(ctx context.Context, c contestant) (float64, error) {
	const passes = 16
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range passes {
		if err := c.pass(ctx, 0); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / passes / float64(c.calls), nil
}

// compileModules compiles Rego files by their names.
func compileModules(sources map[string]string) (*ast.Compiler, error) {
	compiler, err := ast.CompileModulesWithOpt(sources, ast.CompileOpts{ParserOptions: ast.ParserOptions{RegoVersion: ast.RegoV1}})
	if err != nil {
		return nil, fmt.Errorf("compiling: %w", err)
	}
	return compiler, nil
}

// accessEvaluations are decisions by the starter policies, as Authorize makes
// them: deny is asked first, and allow where it does not hold.
func accessEvaluations(ctx context.Context, bindings int, seed uint64) ([]evaluation, error) {
	company, err := generate.NewCompany(generate.Size{Users: max(bindings/2/bindingsPerPerson, 1), Bindings: bindings, Namespaces: namespaces}, seed)
	if err != nil {
		return nil, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return nil, err
	}
	sources := map[string]string{}
	data := ast.NewObject()
	for _, module := range builtin.Library().Modules {
		sources[module.Path] = string(module.Source)
	}
	for _, f := range files {
		if !f.Data {
			sources[f.Path] = string(f.Text)
			continue
		}
		value, err := ast.ValueFromReader(bytes.NewReader(f.Text))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.Path, err)
		}
		data = value.(ast.Object)
	}
	compiler, err := compileModules(sources)
	if err != nil {
		return nil, err
	}
	own, err := compile(ctx, files)
	if err != nil {
		return nil, err
	}
	const inputs = 16 // of each outcome
	kinds := map[policy.Outcome][]ast.Value{}
	source := generate.NewDecisions(company, seed)
	for tries := 0; len(kinds[policy.Allow]) < inputs || len(kinds[policy.NoOpinion]) < inputs || len(kinds[policy.Deny]) < inputs; tries++ {
		if tries > 1_000_000 {
			return nil, errors.New("some outcome does not come up")
		}
		document := source.Next()
		if len(kinds[policy.Allow]) >= inputs && len(kinds[policy.NoOpinion]) >= inputs {
			document.Spec.ResourceAttributes.Namespace, document.Spec.ResourceAttributes.Resource, document.Spec.ResourceAttributes.Verb = "kube-system", "secrets", "get"
		}
		decoded, err := decodeReview(document)
		if err != nil {
			return nil, err
		}
		outcome, err := own.authorize(ctx, decoded)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("marshalling a review: %w", err)
		}
		value, err := ast.ValueFromReader(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("reading a review: %w", err)
		}
		if len(kinds[outcome]) < inputs {
			kinds[outcome] = append(kinds[outcome], value)
		}
	}
	var out []evaluation
	for _, outcome := range []policy.Outcome{policy.Allow, policy.NoOpinion, policy.Deny} {
		rules := []string{"data.kubernetes.authorization.deny", "data.kubernetes.authorization.allow"}
		if outcome == policy.Deny {
			rules = rules[:1]
		}
		out = append(out, evaluation{
			name:     fmt.Sprintf("%s, %d bindings", outcome, bindings),
			about:    fmt.Sprintf("The rules that the starter policies are asked for one decision (%s), on a review that was parsed already.", strings.Join(rules, ", ")),
			compiler: compiler, data: data, rules: rules, inputs: kinds[outcome],
		})
	}
	return out, nil
}

// The names of shapes of policies.
const (
	ShapeSome   = "some over 10,000 items, an early one holds"
	ShapeGroups = "groups of 500 items"
	ShapeHelper = "a helper called 10,000 times with equal arguments"
)

// ShapeRules is the name of so many rules on distinct constants.
func ShapeRules(n int) string { return fmt.Sprintf("%d rules on distinct constants", n) }

// RuleCounts are the sizes of ShapeRules.
var RuleCounts = []int{10, 100, 1000}

func shapeEvaluations() ([]evaluation, error) {
	var out []evaluation
	add := func(name, about, rules, input string) error {
		compiler, err := compileModules(map[string]string{"p.rego": "package p\n\n" + rules})
		if err != nil {
			return err
		}
		value, err := ast.ValueFromReader(strings.NewReader(input))
		if err != nil {
			return fmt.Errorf("reading an input: %w", err)
		}
		out = append(out, evaluation{name: name, about: about, compiler: compiler, data: ast.NewObject(), rules: []string{"data.p.r"}, inputs: []ast.Value{value}})
		return nil
	}
	list := func(n int, item func(i int) string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = item(i)
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	numbers := list(10_000, func(i int) string { return fmt.Sprint(i) })
	items := list(500, func(i int) string { return fmt.Sprintf(`{"id":"i%d","team":"t%d"}`, i, i%20) })
	var failures []error
	for _, n := range RuleCounts {
		var rules strings.Builder
		for i := range n {
			fmt.Fprintf(&rules, "r contains \"v%[1]d\" if input.a == \"c%[1]d\"\n\n", i)
		}
		failures = append(failures, add(ShapeRules(n), "`r contains \"v7\" if input.a == \"c7\"`, and so on.", rules.String(), `{"a":"c7"}`))
	}
	failures = append(failures,
		add(ShapeSome, "`r if { some x in input; x > 20 }`.", "r if { some x in input; x > 20 }", numbers),
		add(ShapeGroups, "`r[team] := [m.id | some m in input; m.team == team]` for the team of each item, 20 in all.",
			"r[team] := [m.id | some m in input; m.team == team] if {\n\tsome item in input\n\tteam := item.team\n}", items),
		add(ShapeHelper, "`r if { some x in input; not helper(\"a\") }`, where the helper goes through a list.",
			"r if { some x in input; not helper(\"a\") }\n\nhelper(s) if { some c in [\"b\", \"c\", \"a\"]; c == s }", numbers),
	)
	return out, errors.Join(failures...)
}

// MeasureShipped measures the policies that ship, a file of tests each: the test
// rules themselves are evaluated, which hold the inputs.
func MeasureShipped(ctx context.Context, root string, turns Turns) ([]Evaluation, error) {
	sources := map[string]string{}
	var tests []string
	for _, pattern := range []string{"rego/lib/*.rego", "rego/starter/*.rego"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, fmt.Errorf("looking for policies: %w", err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading a policy: %w", err)
			}
			sources[file] = string(source)
			if strings.HasSuffix(file, "_test.rego") {
				tests = append(tests, file)
			}
		}
	}
	compiler, err := compileModules(sources)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "rego/starter/data.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	if text, err = yaml.YAMLToJSON(text); err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	data, err := ast.ValueFromReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	var out []evaluation
	for _, file := range tests {
		e := evaluation{
			name: strings.TrimSuffix(filepath.Base(file), ".rego"), about: "All its test rules.",
			compiler: compiler, data: data.(ast.Object), inputs: []ast.Value{ast.NewObject()},
		}
		seen := map[string]bool{}
		for _, rule := range compiler.Modules[file].Rules {
			if ref := rule.Ref().GroundPrefix().String(); strings.HasPrefix(string(rule.Head.Name), "test_") && !seen[ref] {
				seen[ref] = true
				e.rules = append(e.rules, ref)
			}
		}
		out = append(out, e)
	}
	return measureEvaluations(ctx, out, turns)
}
