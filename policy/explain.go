package policy

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
)

// Explained is what the entry rules of one extension point say of one input.
type Explained struct {
	// Outcome is what they come to: allow, deny or noOpinion of an authorization,
	// and one line for the other points.
	Outcome string
	Rules   []Explanation
}

// Explanation is what one entry rule says, and why.
type Explanation struct {
	// Rule is the entry rule, such as kubernetes.authorization.allow.
	Rule string
	// About says what of the input the rule was asked about, where it is asked more
	// than once or sees something else than others; "" elsewhere.
	About string
	// Defined says that a policy has the rule; the rest is zero where none has.
	Defined bool
	// Interpreted says why the rule is left to OPA's interpreter; "" when it is
	// compiled.
	Interpreted string
	// Value is what the rule says, as Rego writes it; "" when it is undefined.
	Value string
	// Err is why it says nothing: ErrTimeout or an *EvaluationError.
	Err error
	// Disagreement is not nil when the compiled rule says something else, which
	// is a defect of ours.
	Disagreement *Disagreement

	trace []*topdown.Event
}

// Detail says which steps of an evaluation are told.
type Detail string

// The details of a trace.
const (
	// DetailRules tells which rules gave something.
	DetailRules Detail = "rules"
	// DetailFails tells where expressions did not hold.
	DetailFails Detail = "fails"
	// DetailNotes tells what the policy says with trace("…").
	DetailNotes Detail = "notes"
	// DetailFull tells everything.
	DetailFull Detail = "full"
)

// Details are all of them, the shortest trace first.
func Details() []Detail { return []Detail{DetailRules, DetailNotes, DetailFails, DetailFull} }

// WriteTrace writes the steps of OPA's interpreter, one to a line, with where
// each lies.
func (x *Explanation) WriteTrace(w io.Writer, detail Detail) {
	events := x.trace
	switch detail {
	case DetailRules:
		events = lineage.Filter(events, func(e *topdown.Event) bool { return e.Op == topdown.ExitOp && e.HasRule() })
	case DetailNotes:
		events = lineage.Notes(events)
	case DetailFails:
		events = lineage.Fails(events)
	default:
		events = lineage.Full(events)
	}
	topdown.PrettyTraceWithLocation(w, events)
}

// Explain asks the entry rules of a point about input, the document that policies
// see as `input`. Each is asked as a request would ask it, and once more OPA's
// interpreter on the whole document, whose steps are kept. An error is ErrTimeout:
// ctx ended first. The document must stay as it is all the same.
func (v *View) Explain(ctx context.Context, point Point, input document.Value) (Explained, error) {
	out, _, err := apart(ctx, func(ctx context.Context) (Explained, error) { return v.explainPoint(ctx, point, input), nil })
	return out, err
}

func (v *View) explainPoint(ctx context.Context, point Point, input document.Value) Explained {
	var out Explained
	var values []any
	var failed error
	for _, index := range askedRules[point] {
		x, value := v.explain(ctx, v.rules[index], input)
		out.Rules = append(out.Rules, x)
		values = append(values, value)
		failed = errors.Join(failed, x.Err)
	}
	row := &points[point]
	switch {
	case failed != nil:
		out.Outcome = "error"
	case row.explain != nil:
		out.Outcome = row.explain(values, v.allowed.reserved)
	default:
		out.Outcome = string(v.outcome(point, values))
	}
	return out
}

// outcome is that of a point whose rules give reasons.
func (v *View) outcome(point Point, values []any) Outcome {
	decision := Decision{Outcome: points[point].otherwise}
	for i, index := range askedRules[point] {
		if decision.add(&v.rules[index].ruleRow, values[i].([]string)) {
			break
		}
	}
	return decision.Outcome
}

// explain returns what the rule says, and why.
func (v *View) explain(ctx context.Context, r *rule, input document.Value) (Explanation, any) {
	out := Explanation{Rule: r.path, Defined: r.evaluator != nil}
	if !out.Defined {
		return out, r.shape.none
	}
	out.Interpreted = r.interpreted
	now := time.Now()
	query := evaluator.Query{Input: input.Decode(), Data: v.data, Now: now}
	result, err := r.interpreter.Evaluate(ctx, query)
	tracer := topdown.NewBufferTracer()
	_, _ = r.interpreter.Trace(ctx, query, tracer) // an error is its last step
	out.trace = *tracer
	if r.compiled() && !topdown.IsCancel(err) {
		if query.Input = input.Project(r.input); query.Input == nil {
			query.Input = ast.NewObject()
		}
		own, ownErr := r.evaluator.Evaluate(ctx, query)
		if !topdown.IsCancel(ownErr) && (errorCode(err) != errorCode(ownErr) || err == nil && !sameValue(own.Value, result.Value)) {
			out.Disagreement = &Disagreement{Rule: r.path, Revision: v.id, Compiled: formOf(own.Value, ownErr), Interpreted: formOf(result.Value, err)}
		}
	}
	if err != nil {
		out.Err = v.evaluationError(ctx, r.path, err)
		return out, nil
	}
	if result.Value != nil {
		out.Value = result.Value.String()
	}
	value, err := r.read(result.Value)
	out.Err = err
	return out, value
}
