package inprocess

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/policy"
)

// bindingsPerPerson: a company of any size has the same people, as far as one of
// them can see: four bindings and four groups each, whose bindings are up to eight.
const bindingsPerPerson = 4

// Decisions are how many different ones are made in turn.
const Decisions = 64

// CompanySize is the size of a company with so many role bindings.
func CompanySize(bindings int) generate.Size {
	return generate.Size{Users: max(bindings/2/bindingsPerPerson, 1), Bindings: bindings, Namespaces: bench.Namespaces}
}

// Request is a SubjectAccessReview that verdict and RBAC decide the same.
type Request struct {
	// Text is the review in JSON, Attributes the same for an authorizer.
	Text       json.RawMessage
	Attributes authorizer.Attributes
	Outcome    policy.Outcome
}

// AgreedRequests returns requests of a company. Verdict and RBAC have to agree on
// each. Those that a guard rail denies are left out: RBAC cannot deny.
func AgreedRequests(ctx context.Context, verdict Revision, rbac authorizer.Authorizer, company *generate.Company, seed uint64) ([]Request, error) {
	var requests []Request
	for source := generate.NewDecisions(company, seed); len(requests) < Decisions; {
		document := source.Next()
		text, err := json.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("marshalling a review: %w", err)
		}
		outcome, err := verdict.AuthorizeText(ctx, text)
		if err != nil {
			return nil, err
		}
		if outcome == policy.Deny {
			continue
		}
		attributes := attributesOf(&document)
		decision, _, err := rbac.Authorize(ctx, attributes)
		if err != nil {
			return nil, fmt.Errorf("asking RBAC: %w", err)
		}
		if (outcome == policy.Allow) != (decision == authorizer.DecisionAllow) {
			return nil, fmt.Errorf("verdict says %s where RBAC's decision is %d, of %s", outcome, decision, text)
		}
		requests = append(requests, Request{Text: text, Attributes: attributes, Outcome: outcome})
	}
	return requests, nil
}

// AuthorizeByRBAC is one decision by RBAC on each of the attributes.
func AuthorizeByRBAC(name string, rbac authorizer.Authorizer, attributes []authorizer.Attributes) Operation {
	return Operation{Name: name, Calls: len(attributes), Pass: func(ctx context.Context, _ uint64) error {
		for _, a := range attributes {
			if _, _, err := rbac.Authorize(ctx, a); err != nil {
				return err
			}
		}
		return nil
	}}
}

// AuthorizeAll is the pass of an operation: one decision on each of the reviews,
// without a cache.
func (r Revision) AuthorizeAll(reviews []Review) func(context.Context, uint64) error {
	return func(ctx context.Context, _ uint64) error {
		for _, review := range reviews {
			if _, err := r.Authorize(ctx, review); err != nil {
				return err
			}
		}
		return nil
	}
}
