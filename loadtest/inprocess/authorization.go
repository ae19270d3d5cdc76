package inprocess

import (
	"context"
	"fmt"
	"io"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/policy"
)

// Authorization is one decision with so many bindings.
type Authorization struct {
	Bindings int
	// Verdict and RBAC are microseconds for one decision.
	Verdict, RBAC report.Figure
	// VerdictHeap and RBACHeap are the bytes that policy and data take.
	VerdictHeap, RBACHeap int64
	Outcomes              map[string]int
}

// company of any size has the same people, as far as one of them can see: four
// bindings and four groups each, whose bindings are up to eight.
const (
	bindingsPerPerson = 4
	namespaces        = 200
	// decisions are how many different ones are made in turn.
	decisions = 64
)

// MeasureAuthorization decides requests of companies with so many bindings,
// half of them cluster-wide, by verdict and by kube-apiserver's RBAC authorizer.
// Both have to agree on each. Requests that a guard rail denies are left out:
// RBAC cannot deny.
func MeasureAuthorization(ctx context.Context, bindings []int, turns Turns, seed uint64, progress io.Writer) ([]Authorization, error) {
	results := make([]Authorization, len(bindings))
	var contestants []contestant
	for i, count := range bindings {
		fmt.Fprintf(progress, "in process: %d bindings\n", count)
		results[i].Bindings = count
		added, err := authorizationContestants(ctx, &results[i], seed)
		if err != nil {
			return nil, fmt.Errorf("%d bindings: %w", count, err)
		}
		contestants = append(contestants, added...)
	}
	figures, err := turns.take(ctx, contestants)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Verdict = figures[contestants[2*i].name]
		results[i].RBAC = figures[contestants[2*i+1].name]
	}
	return results, nil
}

// authorizationContestants returns verdict and then RBAC.
func authorizationContestants(ctx context.Context, result *Authorization, seed uint64) ([]contestant, error) {
	size := generate.Size{Users: max(result.Bindings/2/bindingsPerPerson, 1), Bindings: result.Bindings, Namespaces: namespaces}
	company, err := generate.NewCompany(size, seed)
	if err != nil {
		return nil, err
	}
	files, err := generate.PolicyFiles(company)
	if err != nil {
		return nil, err
	}
	before := heap()
	own, err := compile(ctx, files)
	if err != nil {
		return nil, err
	}
	between := heap()
	rival, err := newRBAC(company.Access)
	if err != nil {
		return nil, err
	}
	result.VerdictHeap, result.RBACHeap = between-before, heap()-between

	var reviews []review
	var asked []authorizer.Attributes
	result.Outcomes = map[string]int{}
	source := generate.NewDecisions(company, seed)
	for len(reviews) < decisions {
		document := source.Next()
		decoded, err := decodeReview(document)
		if err != nil {
			return nil, err
		}
		outcome, err := own.authorize(ctx, decoded)
		if err != nil {
			return nil, err
		}
		if outcome == policy.Deny {
			continue
		}
		attributes := attributes(&document)
		decision, _, err := rival.Authorize(ctx, attributes)
		if err != nil {
			return nil, fmt.Errorf("asking RBAC: %w", err)
		}
		if (outcome == policy.Allow) != (decision == authorizer.DecisionAllow) {
			return nil, fmt.Errorf("verdict says %s where RBAC's decision is %d, of %+v", outcome, decision, document.Spec)
		}
		result.Outcomes[string(outcome)]++
		reviews, asked = append(reviews, decoded), append(asked, attributes)
	}
	return []contestant{
		{fmt.Sprint("verdict, ", result.Bindings), func(ctx context.Context, _ uint64) error {
			for _, r := range reviews {
				if _, err := own.authorize(ctx, r); err != nil {
					return err
				}
			}
			return nil
		}, decisions},
		{fmt.Sprint("RBAC, ", result.Bindings), func(ctx context.Context, _ uint64) error {
			for _, a := range asked {
				if _, _, err := rival.Authorize(ctx, a); err != nil {
					return err
				}
			}
			return nil
		}, decisions},
	}, nil
}
