package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-dev/verdict/policy/document"
)

// RecheckInterval is how often Recheck is meant to look at a decision: often
// enough to notice, too rarely to be felt.
const RecheckInterval = time.Second

// Disagreement is a decision that OPA's interpreter makes in another way than
// the compiled rule did, which is a defect of ours.
type Disagreement struct {
	// Rule is the entry rule, such as kubernetes.authorization.allow.
	Rule string
	// Revision is the one that decided.
	Revision string
	// Compiled and Interpreted are the form of what each said, such as "a set of
	// 2" or "undefined". They hold nothing of the input.
	Compiled, Interpreted string
}

// String says it in one line.
func (d *Disagreement) String() string {
	return fmt.Sprintf("%s: the compiled rule gave %s where OPA's interpreter gives %s", d.Rule, d.Compiled, d.Interpreted)
}

// recheck is Engine.Recheck.
func (x *decider) recheck(ctx context.Context, interval time.Duration, checked func(rule string), disagreed func(*Disagreement)) {
	for {
		x.samples.wanted.Store(true)
		select {
		case <-ctx.Done():
			x.samples.drop(interval)
			return
		case s := <-x.samples.offered:
			d, left, err := s.recheck(ctx, x.options.evaluationTimeout())
			switch {
			case err != nil: // there was no time
			case d != nil:
				checked(s.rule.path)
				disagreed(d)
			default:
				checked(s.rule.path)
			}
			// Never more than one, should a builtin function be slow.
			select {
			case <-left:
			case <-ctx.Done():
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

// recheck returns nil for a decision that OPA's interpreter makes as well. An
// error means that it did not come to an end in time; left is closed once it has.
func (s *sample) recheck(ctx context.Context, timeout time.Duration) (_ *Disagreement, left <-chan struct{}, _ error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return apart(ctx, func(ctx context.Context) (*Disagreement, error) {
		result, err := s.rule.interpreter.Evaluate(ctx, s.query)
		if topdown.IsCancel(err) {
			return nil, err
		}
		if err == nil && sameValue(s.value, result.Value) {
			return nil, nil
		}
		return &Disagreement{Rule: s.rule.path, Revision: s.revision, Compiled: formOf(s.value, nil), Interpreted: formOf(result.Value, err)}, nil
	})
}

func sameValue(a, b ast.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Compare(b) == 0
}

// formOf says what kind of thing a rule gave, without saying which.
func formOf(value ast.Value, err error) string {
	switch v := value.(type) {
	case ast.Set:
		return fmt.Sprintf("a set of %d", v.Len())
	case *ast.Array:
		return fmt.Sprintf("an array of %d", v.Len())
	case ast.Object:
		return fmt.Sprintf("an object of %d", v.Len())
	case ast.Boolean:
		return v.String()
	case nil:
		if err != nil {
			return "the error " + errorCode(err)
		}
		return "undefined"
	}
	return string(document.KindOf(value))
}

// errorCode is OPA's code of an evaluator's error, "" for none.
func errorCode(err error) string {
	switch te, ok := err.(*topdown.Error); { //nolint:errorlint // an evaluator returns no other
	case err == nil:
		return ""
	case ok:
		return te.Code
	}
	return "error"
}
