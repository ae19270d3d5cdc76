package policy

import (
	"fmt"
	"runtime/debug"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// guarded calls f, and turns a panic into a *LoadError with its stack.
func guarded[T any](l *load, f func() (T, error)) (out T, err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case givenUp:
			err = cause.err
		case *footprint.Panic:
			if cause.Location != nil {
				l.file = cause.Location.File
			}
			err = l.panicked(cause.Cause, cause.Stack)
		default:
			err = l.panicked(cause, debug.Stack())
		}
	}()
	return f()
}

// givenUp is what a stage panics with to end OPA's compiler.
type givenUp struct{ err error }

func (l *load) panicked(cause any, stack []byte) error {
	problem := Problem{File: l.file, Message: fmt.Sprintf(
		"loading panicked at: %s: %v; this is a defect of Verdict, please report it with the stack in the log", *l.stage.Load(), cause)}
	if problem.File == "" {
		if suspects := l.suspects.Load(); suspects != nil && len(*suspects) == 1 {
			problem.File = (*suspects)[0]
		} else {
			problem.Message += "; changed were " + l.changes()
		}
	}
	return &LoadError{Problems: []Problem{problem}, Stack: stack}
}

// watchStages has the load know which stage the compiler is in, and ends the
// compiler between two stages when the load has been given up.
func (l *load) watchStages(compiler *ast.Compiler) {
	stages := ast.AllStages()
	l.doing("OPA's compiler: " + string(stages[0]))
	for i, stage := range stages {
		next := "ending"
		if i+1 < len(stages) {
			next = string(stages[i+1])
		}
		compiler.WithStageAfterID(stage, ast.CompilerStageDefinition{
			Name:       "verdict after " + string(stage),
			MetricName: "verdict_after_" + string(stage),
			Stage: func(compiler *ast.Compiler) *ast.Error {
				if err := l.checkpoint(); err != nil {
					panic(givenUp{err})
				}
				l.doing("OPA's compiler: " + next)
				if stage == ast.StageSetGraph {
					if err := checkRuleDepth(compiler); err != nil {
						panic(givenUp{err})
					}
				}
				return nil
			},
		})
	}
}
