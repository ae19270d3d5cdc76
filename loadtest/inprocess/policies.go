package inprocess

import (
	"context"
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// Policies is what so many more policy files cost.
type Policies struct {
	Files int
	// Load and Decide are microseconds: to compile them all, and for one uncached
	// authorization decision.
	Load, Decide report.Figure
}

// MeasurePolicies measures the starter policies with so many files beside them,
// each with a rule that denies something in a namespace of its own.
func MeasurePolicies(ctx context.Context, counts []int, turns Turns, seed uint64) ([]Policies, error) {
	company, err := generate.NewCompany(generate.Size{Users: 100, Bindings: 100, Namespaces: namespaces}, seed)
	if err != nil {
		return nil, err
	}
	source := generate.NewDecisions(company, seed)
	var reviews []review
	for range decisions {
		decoded, err := decodeReview(source.Next())
		if err != nil {
			return nil, err
		}
		reviews = append(reviews, decoded)
	}
	var contestants []contestant
	for _, count := range counts {
		files, err := generate.PolicyFiles(company)
		if err != nil {
			return nil, err
		}
		files = append(files, generate.MorePolicyFiles(count)...)
		compiled, err := compile(ctx, files)
		if err != nil {
			return nil, err
		}
		contestants = append(contestants,
			contestant{fmt.Sprint("load, ", count), func(ctx context.Context, _ uint64) error {
				_, err := compile(ctx, files)
				return err
			}, 1},
			contestant{fmt.Sprint("decide, ", count), func(ctx context.Context, _ uint64) error {
				for _, r := range reviews {
					if _, err := compiled.authorize(ctx, r); err != nil {
						return err
					}
				}
				return nil
			}, decisions})
	}
	figures, err := turns.take(ctx, contestants)
	if err != nil {
		return nil, err
	}
	results := make([]Policies, len(counts))
	for i, count := range counts {
		results[i] = Policies{Files: count, Load: figures[contestants[2*i].name], Decide: figures[contestants[2*i+1].name]}
	}
	return results, nil
}
