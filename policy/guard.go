package policy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// Compile builds a revision, as an Engine does when it loads content. Mistakes come
// back as one *LoadError that lists them all.
func Compile(ctx context.Context, content Content, options Options) (*Revision, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &load{content: content, ctx: ctx, began: time.Now()}
	l.doing("beginning")
	type built struct {
		revision *Revision
		err      error
	}
	done := make(chan built, 1)
	go func() {
		revision, err := l.build(new(carried), options)
		done <- built{revision, err}
	}()
	limit := options.loadTimeout()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case b := <-done:
		return b.revision, b.err
	case <-timer.C:
		return nil, tooLong(l, limit)
	case <-ctx.Done():
		return nil, canceled(ctx)
	}
}

// build makes a revision of the content. Whatever the content makes us or OPA do,
// what comes back is a revision or a *LoadError.
func (l *load) build(c *carried, options Options) (*Revision, error) {
	return guarded(l, func() (*Revision, error) {
		suspects := c.changed(l.content)
		l.suspects.Store(&suspects)
		revision, err := c.build(l, l.content, options)
		var failed *LoadError
		if err != nil && !errors.As(err, &failed) {
			err = &LoadError{Problems: []Problem{{Message: err.Error()}}}
		}
		return revision, err
	})
}

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

// changes lists the files that changed since the last load.
func (l *load) changes() string {
	const shown = 5
	known := l.suspects.Load()
	if known == nil || len(*known) == 0 {
		return "no policy file"
	}
	suspects := *known
	if len(suspects) > shown {
		return fmt.Sprintf("%s and %d more files", strings.Join(suspects[:shown], ", "), len(suspects)-shown)
	}
	return strings.Join(suspects, ", ")
}

// changed lists the files of content that the last load did not have.
func (c *carried) changed(content Content) []string {
	var out []string
	for _, m := range content.Modules {
		if _, known := c.modules.byHash[m.id()]; !known {
			out = append(out, m.Path)
		}
	}
	for _, d := range content.Documents {
		if _, known := c.documents.byHash[d.id()]; !known {
			out = append(out, d.Path)
		}
	}
	return slices.Compact(out)
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
