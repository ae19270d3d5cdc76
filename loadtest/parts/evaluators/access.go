package evaluators

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/policy"
	builtin "github.com/verdict-dev/verdict/rego"
)

// accessEvaluations are decisions by the starter policies, as Authorize makes
// them: deny is asked first, and allow where it does not hold.
func accessEvaluations(ctx context.Context, bindings int, seed uint64) ([]evaluation, error) {
	company, err := generate.NewCompany(inprocess.CompanySize(bindings), seed)
	if err != nil {
		return nil, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return nil, err
	}
	compiler, data, err := compileFiles(files)
	if err != nil {
		return nil, err
	}
	revision, err := inprocess.Compile(ctx, files)
	if err != nil {
		return nil, err
	}
	inputs, err := inputsByOutcome(ctx, revision, company, seed)
	if err != nil {
		return nil, err
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
			compiler: compiler, data: data, rules: rules, inputs: inputs[outcome],
		})
	}
	return out, nil
}

// compileFiles compiles the modules of files with the library, and reads their data.
func compileFiles(files []generate.File) (*ast.Compiler, ast.Object, error) {
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
			return nil, nil, fmt.Errorf("reading %s: %w", f.Path, err)
		}
		data = value.(ast.Object)
	}
	compiler, err := compileModules(sources)
	return compiler, data, err
}

// inputsPerOutcome are the reviews of each outcome.
const inputsPerOutcome = 16

// inputsByOutcome generates reviews until there are enough of each outcome.
func inputsByOutcome(ctx context.Context, revision inprocess.Revision, company *generate.Company, seed uint64) (map[policy.Outcome][]ast.Value, error) {
	inputs := map[policy.Outcome][]ast.Value{}
	enough := func(outcome policy.Outcome) bool { return len(inputs[outcome]) >= inputsPerOutcome }
	source := generate.NewDecisions(company, seed)
	for tries := 0; !enough(policy.Allow) || !enough(policy.NoOpinion) || !enough(policy.Deny); tries++ {
		if tries > 1_000_000 {
			return nil, errors.New("some outcome does not come up")
		}
		document := source.Next()
		if enough(policy.Allow) && enough(policy.NoOpinion) {
			document.Spec.ResourceAttributes.Namespace, document.Spec.ResourceAttributes.Resource, document.Spec.ResourceAttributes.Verb = "kube-system", "secrets", "get"
		}
		text, err := json.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("marshalling a review: %w", err)
		}
		outcome, err := revision.AuthorizeText(ctx, text)
		if err != nil {
			return nil, err
		}
		value, err := ast.ValueFromReader(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("reading a review: %w", err)
		}
		if !enough(outcome) {
			inputs[outcome] = append(inputs[outcome], value)
		}
	}
	return inputs, nil
}
