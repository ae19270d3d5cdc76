package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// ErrNoRevision says that no policy has been loaded yet, so that no decision is
// possible.
var ErrNoRevision = errors.New("no policy revision loaded yet")

// ErrTimeout says that the deadline passed before the evaluation ended, or before the
// input was read.
var ErrTimeout = document.ErrTimeout

// ErrBusy is the ErrTimeout of a decision whose evaluation did not begin, because the
// maximum number of evaluations is already running. Most of these are slow, and their
// callers no longer wait for them.
var ErrBusy = fmt.Errorf("too many evaluations are under way: %w", ErrTimeout)

// EvaluationError is a fault of the policy at run time: a builtin with an operand that
// it does not accept, two rules that conflict, a value of the wrong shape.
type EvaluationError struct {
	// Rule is the entry rule that was evaluated, such as kubernetes.authorization.allow.
	Rule string
	// Location is file:line:column of the expression, "" where it is not known.
	Location string
	// Code is OPA's error code, such as eval_builtin_error, or "shape".
	Code string
	// Message says what went wrong.
	Message string
}

// Error implements error.
func (e *EvaluationError) Error() string {
	where := e.Rule
	if e.Location != "" {
		where = e.Location + ": " + where
	}
	return where + ": " + e.Code + ": " + e.Message
}

func shapeError(rule, format string, args ...any) error {
	return &EvaluationError{Rule: rule, Code: "shape", Message: fmt.Sprintf(format, args...)}
}

// Problem is one mistake in a policy or its data.
type Problem struct {
	File    string
	Line    int // counted from 1; 0 where it is not known
	Column  int // counted from 1; 0 where it is not known
	Message string
}

// String returns file:line:column: message, without the parts that are not known.
func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, p.Line)
		if p.Column > 0 {
			where = fmt.Sprintf("%s:%d", where, p.Column)
		}
	}
	if where == "" {
		return p.Message
	}
	return where + ": " + p.Message
}

// LoadError lists all mistakes because of which modules and data can't be loaded.
type LoadError struct {
	Problems []Problem
	// Stack is the stack of a panic while loading, which is a defect of Verdict; nil
	// when there was none.
	Stack []byte
}

// Error implements error: one problem on each line.
func (e *LoadError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds the number of compile errors that are collected and shown.
const maxProblems = 100

type problems []Problem

func (p *problems) at(loc *ast.Location, format string, args ...any) {
	problem := Problem{Message: fmt.Sprintf(format, args...)}
	if loc != nil {
		problem.File, problem.Line, problem.Column = loc.File, loc.Row, loc.Col
	}
	*p = append(*p, problem)
}

func (p *problems) file(file, format string, args ...any) {
	*p = append(*p, Problem{File: file, Message: fmt.Sprintf(format, args...)})
}

// opa adds the errors of OPA's parser or compiler.
func (p *problems) opa(file string, err error) {
	var list ast.Errors
	if !errors.As(err, &list) {
		p.file(file, "%v", err)
		return
	}
	for _, e := range list {
		lines := []string{e.Code + ": " + e.Message}
		if e.Code == ast.UnsafeVarErr {
			lines[0] += ": no rule, import or expression gives it a value; is its name misspelt?"
		}
		if e.Details != nil {
			for _, line := range e.Details.Lines() {
				lines = append(lines, clipped(line))
			}
		}
		p.at(e.Location, "%s", strings.Join(lines, "\n\t"))
		if len(*p) > maxProblems {
			return
		}
	}
}

// maxLine bounds the length of a line that an error quotes from a policy, in bytes.
const maxLine = 400

func clipped(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + "…"
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(p) > maxProblems {
		p = append(p[:maxProblems:maxProblems], Problem{Message: "and more; these are the first"})
	}
	return &LoadError{Problems: p}
}

func location(loc *ast.Location) string {
	return Problem{File: loc.File, Line: loc.Row, Column: loc.Col}.where()
}

func (p Problem) where() string {
	p.Message = ""
	return strings.TrimSuffix(p.String(), ": ")
}
