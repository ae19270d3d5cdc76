// Package evaluator runs one entry rule on one input. OPA's interpreter is the
// reference; other implementations have to agree with it.
//
// How a rule becomes a program, and where:
//   - rewrite writes the rules so that OPA plans what its interpreter does,
//   - plan has OPA plan them, and works out what holds of a plan whatever runs it,
//   - the planner (planner.go) takes that together, and each function of the plan is
//     lowered in its scope (scope.go), one statement after the other (lower_*.go),
//   - passes (passes.go, pass_*.go) lower some statements in a faster way,
//   - the machine (machine.go, memo*.go, function.go, program.go) runs the result.
//
// Builtin functions that policies call often have a row in a table (builtins.go).
package evaluator

import (
	"context"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Evaluator runs one entry rule. It is immutable and safe for concurrent use.
type Evaluator interface {
	// Evaluate returns what the entry rule says.
	//
	// An error is a *topdown.Error: builtin errors are errors (strict mode),
	// conflicts carry their location, and one for which topdown.IsCancel holds
	// means that ctx ended first. A panic inside evaluation is returned as an error.
	Evaluate(ctx context.Context, query Query) (Result, error)
}

// Query is what a rule is evaluated on.
type Query struct {
	// Input is the document that policies see as `input`. It may be left out where
	// there is a Document.
	Input ast.Value
	// Document is the input where it need not be decoded as a whole; nil for none.
	Document Document
	// Data are the base documents under `data`, an immutable snapshot.
	Data ast.Object
	// Now is the time of the evaluation: what time.now_ns returns.
	Now time.Time
}

// Document is an input of which only the parts that a rule reads are decoded. One
// goroutine uses it, for as long as Evaluate takes.
type Document interface {
	// At is the value at a path of names of members, which begins at the input; nil
	// where there is none.
	At(names []string) ast.Value
	// Value is all that the rule may read.
	Value() ast.Value
}

// Decoded is the query with its whole input in OPA's form, which stays valid after its
// document ends.
func (q Query) Decoded() Query {
	if q.Input == nil && q.Document != nil {
		q.Input = q.Document.Value()
	}
	q.Document = nil
	return q
}

// Result is what a rule says.
type Result struct {
	// Value is the value of the rule, nil when it is undefined. It may share
	// structure with input and data: it must not be changed.
	Value ast.Value
	// Until is the next instant at which one of the evaluation's calls of
	// data.lib.time.active would return something else; zero when there is none.
	Until time.Time
}
