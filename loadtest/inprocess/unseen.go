package inprocess

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/policy"
)

// Against is one thing done by verdict and in another way, in microseconds.
type Against struct {
	Verdict, Other report.Figure
}

// MeasureBytes measures verdict from the bytes of a SubjectAccessReview to its
// decision, and kube-apiserver's RBAC authorizer from its attributes. Nothing is
// kept, so that every review is one that was never seen.
func MeasureBytes(ctx context.Context, bindings int, turns Turns, seed uint64) (Against, error) {
	company, err := generate.NewCompany(generate.Size{Users: max(bindings/2/bindingsPerPerson, 1), Bindings: bindings, Namespaces: namespaces}, seed)
	if err != nil {
		return Against{}, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return Against{}, err
	}
	own, err := compile(ctx, files)
	if err != nil {
		return Against{}, err
	}
	rival, err := newRBAC(company.Access)
	if err != nil {
		return Against{}, err
	}
	var texts [][]byte
	var asked []authorizer.Attributes
	for source := generate.NewDecisions(company, seed); len(texts) < decisions; {
		document := source.Next()
		text, err := json.Marshal(document)
		if err != nil {
			return Against{}, fmt.Errorf("marshalling a review: %w", err)
		}
		outcome, err := own.authorizeText(ctx, text)
		if err != nil {
			return Against{}, err
		}
		if outcome == policy.Deny { // RBAC cannot
			continue
		}
		attributes := attributes(&document)
		decision, _, err := rival.Authorize(ctx, attributes)
		if err != nil {
			return Against{}, fmt.Errorf("asking RBAC: %w", err)
		}
		if (outcome == policy.Allow) != (decision == authorizer.DecisionAllow) {
			return Against{}, fmt.Errorf("verdict says %s where RBAC's decision is %d, of %s", outcome, decision, text)
		}
		texts, asked = append(texts, text), append(asked, attributes)
	}
	return takeTwo(ctx, turns, contestant{"verdict", func(ctx context.Context, _ uint64) error {
		for _, text := range texts {
			if _, err := own.authorizeText(ctx, text); err != nil {
				return err
			}
		}
		return nil
	}, decisions}, contestant{"RBAC", func(ctx context.Context, _ uint64) error {
		for _, a := range asked {
			if _, _, err := rival.Authorize(ctx, a); err != nil {
				return err
			}
		}
		return nil
	}, decisions})
}

// MeasureUniqueNodes measures filter calls for pods never seen before, over nodes
// each a class of its own, compiled and by OPA's interpreter.
func MeasureUniqueNodes(ctx context.Context, count int, turns Turns, seed uint64) (Against, error) {
	nodes := generate.Nodes(count, seed)
	known, err := newMemoryNodes(nodes)
	if err != nil {
		return Against{}, err
	}
	files, err := generate.PolicyFiles(&generate.Company{})
	if err != nil {
		return Against{}, err
	}
	files = append(files, generate.HostnamePolicy())
	calls, _, err := generate.Placements(nodes, generate.NodeNames, generate.NewSpecs, podSpecs, seed)
	if err != nil {
		return Against{}, err
	}
	var contestants [2]contestant
	for i, interpreterOnly := range []bool{false, true} {
		compiled, err := compileFor(ctx, files, interpreterOnly)
		if err != nil {
			return Against{}, err
		}
		c := FilterCase{Nodes: count, Form: generate.NodeNames, Specs: generate.NewSpecs, Unique: true}
		if contestants[i], _, err = filterContestants(fmt.Sprint("interpreter only ", interpreterOnly), c, newHandler(compiled, known), calls, nodes); err != nil {
			return Against{}, err
		}
	}
	return takeTwo(ctx, turns, contestants[0], contestants[1])
}

// MeasureChange measures the time from a changed file, one of so many, to the
// decisions by it, compiled and by OPA's interpreter.
func MeasureChange(ctx context.Context, count int, turns Turns, seed uint64) (Against, error) {
	company, err := generate.NewCompany(generate.Size{Users: 100, Bindings: 100, Namespaces: namespaces}, seed)
	if err != nil {
		return Against{}, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return Against{}, err
	}
	files = append(files, generate.MorePolicyFiles(count)...)
	var contestants [2]contestant
	for i, interpreterOnly := range []bool{false, true} {
		engine, err := compileFor(ctx, files, interpreterOnly)
		if err != nil {
			return Against{}, err
		}
		contestants[i] = contestant{fmt.Sprint("interpreter only ", interpreterOnly), func(ctx context.Context, n uint64) error {
			changed := slices.Clone(files)
			last := &changed[len(changed)-1]
			last.Text = fmt.Appendf(slices.Clone(last.Text), "\ndeny contains \"change %d\" if input.spec.user == \"nobody\"\n", n)
			return engine.load(ctx, changed)
		}, 1}
	}
	return takeTwo(ctx, turns, contestants[0], contestants[1])
}

func takeTwo(ctx context.Context, turns Turns, own, other contestant) (Against, error) {
	figures, err := turns.take(ctx, []contestant{own, other})
	return Against{figures[own.name], figures[other.name]}, err
}
