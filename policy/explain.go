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

// Explained are the values of the entry rules of one extension point for one input.
type Explained struct {
	// Outcome is the decision that follows from the values: allow, deny or noOpinion
	// for an authorization, and one line of text for the other points.
	Outcome string
	Rules   []Explanation
}

// Explanation is the value of one entry rule, and the steps that led to it.
type Explanation struct {
	// Rule is the entry rule, such as kubernetes.authorization.allow.
	Rule string
	// About says for which part of the input the rule was evaluated, when it is
	// evaluated more than once or its input differs from that of the other rules;
	// otherwise "".
	About string
	// Defined says that a policy has the rule. The other fields are zero when no
	// policy has it.
	Defined bool
	// Interpreted is the reason for which OPA's interpreter evaluates the rule; ""
	// when the rule is compiled.
	Interpreted string
	// Value is the value of the rule in the syntax of Rego; "" when it is undefined.
	Value string
	// Err is the reason for which there is no value: ErrTimeout or an *EvaluationError.
	Err error
	// Disagreement is not nil when the compiled rule gives another value than OPA's
	// interpreter, which is a defect of Verdict.
	Disagreement *Disagreement

	trace []*topdown.Event
}

// Detail says which steps of an evaluation a trace shows.
type Detail string

// The details of a trace.
const (
	// DetailRules shows which rules gave a value.
	DetailRules Detail = "rules"
	// DetailFails shows which expressions were false or undefined.
	DetailFails Detail = "fails"
	// DetailNotes shows the texts of calls of trace("…") in the policy.
	DetailNotes Detail = "notes"
	// DetailFull shows every step.
	DetailFull Detail = "full"
)

// Details returns all details, the one with the shortest trace first.
func Details() []Detail { return []Detail{DetailRules, DetailNotes, DetailFails, DetailFull} }

// WriteTrace writes the steps of OPA's interpreter, one on each line, with the location
// of each step.
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

// Explain evaluates the entry rules of a point for input, the document that policies
// see as `input`. Each rule is evaluated as it is for a request, and once more by OPA's
// interpreter on the whole document, whose steps are kept. The error is ErrTimeout: ctx
// ended first. The evaluation may then still be running, so the document must not be
// changed afterwards either.
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

// outcome returns the outcome of a point whose rules give reasons.
func (v *View) outcome(point Point, values []any) Outcome {
	decision := Decision{Outcome: points[point].otherwise}
	for i, index := range askedRules[point] {
		if decision.add(&v.rules[index].ruleRow, values[i].([]string)) {
			break
		}
	}
	return decision.Outcome
}

// explain evaluates the rule for input. It returns the explanation and the value.
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
	_, _ = r.interpreter.Trace(ctx, query, tracer) // the last step of the trace shows the error
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
