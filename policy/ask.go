package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
)

// ask returns what rule r says of input.
func (v *View) ask(ctx context.Context, r *rule, input source) (decision, error) {
	if r.evaluator == nil {
		return decision{value: r.shape.none, expires: Never}, nil
	}
	now := time.Now()
	kept := v.decider.kept.byInput
	if kept == nil || !r.cached {
		return v.decider.decide(ctx, now, decisionKey{}, r.prompt, &inputQuestion{view: v, rule: r, input: input})
	}
	buffer := keys.Get().(*[]byte)
	defer releaseKey(buffer)
	key := input.AppendKey(append((*buffer)[:0], byte(r.index)), r.input) //nolint:gosec // those of profiles are not asked here
	*buffer = key
	if len(key) > maxKey {
		return v.decider.decide(ctx, now, decisionKey{}, r.prompt, &inputQuestion{view: v, rule: r, input: input})
	}
	generation := v.generations[r.index]
	found, ok := kept.Get(cache.View(key))
	ok = ok && found.holds(generation, now)
	kept.Count(ok)
	if ok {
		return found, nil
	}
	asked := &inputQuestion{view: v, rule: r, input: input, key: string(key)}
	return v.decider.decide(ctx, now, decisionKey{generation: generation, input: asked.key}, r.prompt, asked)
}

// inputQuestion asks a rule about an input: the evaluator.Document that the rule
// reads, for as long as the document that it is taken out of is.
type inputQuestion struct {
	view  *View
	rule  *rule
	input source
	key   string // to keep the decision by, "" not to
}

// At implements evaluator.Document.
func (q *inputQuestion) At(names []string) ast.Value { return q.input.At(names, q.rule.input) }

// Value implements evaluator.Document.
func (q *inputQuestion) Value() ast.Value {
	if value := q.input.Project(q.rule.input); value != nil {
		return value
	}
	return ast.NewObject()
}

func (q *inputQuestion) detach() { q.input = detached{document.NewDecoded(q.Value())} }

func (q *inputQuestion) charge() charge { return q.input.charge() }

func (q *inputQuestion) decide(ctx context.Context, now time.Time) (decision, error) {
	d, err := q.view.evaluate(ctx, q.rule, evaluator.Query{Document: q, Now: now})
	if err == nil && d.expires != AtOnce && q.key != "" {
		q.view.decider.kept.byInput.Set(q.key, d.clone())
	}
	return d, err
}

// evaluate runs the rule on the input of query, at its time. A panic is an error: in
// the goroutines that decide, it would end the process.
func (v *View) evaluate(ctx context.Context, r *rule, query evaluator.Query) (d decision, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			d, err = decision{}, &EvaluationError{Rule: r.path, Code: topdown.InternalErr, Message: fmt.Sprintf("deciding panicked: %v", cause)}
		}
	}()
	query.Data = v.data
	result, err := r.evaluator.Evaluate(ctx, query)
	if err != nil {
		return decision{}, v.evaluationError(ctx, r.path, err)
	}
	value, err := r.read(result.Value)
	if r.compiled() {
		v.decider.samples.offer(sample{revision: v.id, rule: r, query: query, value: result.Value})
	}
	if err != nil {
		return decision{}, err
	}
	d = decision{generation: v.generations[r.index], value: value}
	if r.cached {
		d.expires = min(after(query.Now, r.ttl), ExpiryOf(result.Until), after(query.Now, v.decider.kept.lifetimes.of(r, value)))
	}
	return d, nil
}

// read turns the value of a rule into what its shape means.
func (r *rule) read(value ast.Value) (any, error) {
	if value == nil {
		return r.shape.none, nil
	}
	return r.shape.read(r.path, value)
}
