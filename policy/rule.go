package policy

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
	"github.com/verdict-dev/verdict/policy/footprint"
)

// rule is one entry rule of a revision.
type rule struct {
	entry
	// index is the rule's place in Entries.all: the same in every revision of
	// an engine, so that it stands for the rule in keys.
	index int
	// evaluator is nil when no policy gives the rule: it is undefined then.
	evaluator evaluator.Evaluator
	// interpreter is OPA's, which also explains what a compiled rule says; nil
	// when no policy gives the rule.
	interpreter *evaluator.Interpreter
	// prompt says that the goroutine of a caller may evaluate the rule: it ends in time.
	prompt bool
	// interpreted says why the interpreter is the evaluator, "" when it is not.
	interpreted string
	footprint   *footprint.Footprint
	// contentHash says what the rule computes; see sameAs.
	contentHash [32]byte
	// planHash says what a plan of the rule depends on.
	planHash [32]byte
	input    *document.Selection
	// cached says whether decisions may be kept at all, ttl for how long at
	// most (0: for as long as they hold).
	cached bool
	ttl    time.Duration
}

func newRule(index int, e entry, f *footprint.Footprint) *rule {
	r := &rule{entry: e, index: index, footprint: f, input: document.NewSelection(&f.Input)}
	r.contentHash, r.planHash = f.Hashes()
	r.ttl, r.cached = f.Lifetime()
	return r
}

// prepare chooses the evaluator: OPA's plan of the rule compiled where that is
// possible, else OPA's interpreter. Rules that ask the clock, the network or
// chance are the interpreter's too: when a program meets an error the
// interpreter evaluates again, and asking twice is not the same as once.
func (r *rule) prepare(ctx context.Context, compiler *ast.Compiler, values cache.InterQueryValueCache, known document.Names, interpreterOnly bool) error {
	ref := entryRef(r.path)
	switch {
	case interpreterOnly:
		r.interpreted = "policy.evaluator is interpreter"
	case r.footprint.Timed, len(r.footprint.Varying) > 0:
		r.interpreted = "it asks the clock, the network or chance"
	case len(r.footprint.Empty) > 0:
		r.interpreted = "it may read " + strings.Join(r.footprint.Empty, ", ") + ", packages without rules, of which plans do not know"
	default:
		compiled, err := evaluator.NewCompiled(ctx, compiler, ref, values, known)
		if err == nil {
			r.evaluator, r.interpreter, r.prompt = compiled, compiled.Interpreter(), compiled.Prompt()
			return nil
		}
		r.interpreted = err.Error()
	}
	interpreter, err := evaluator.NewInterpreter(compiler, ref, values, r.footprint.Timed)
	r.evaluator, r.interpreter = interpreter, interpreter
	return err
}

// takeProgram has the program of the same rule in an earlier revision decide, for
// the rules of compiler, where it has one and nothing that it was made of changed.
func (r *rule) takeProgram(before *rule, compiler *ast.Compiler, values cache.InterQueryValueCache) bool {
	program, ok := before.evaluator.(*evaluator.Compiled)
	if !ok || before.planHash != r.planHash {
		return false
	}
	taken, err := program.Over(compiler, entryRef(r.path), values)
	if err != nil {
		return false
	}
	r.evaluator, r.interpreter, r.prompt = taken, taken.Interpreter(), taken.Prompt()
	return true
}

// compiled reports whether the rule is run as a compiled program.
func (r *rule) compiled() bool { return r.interpreter != nil && r.interpreted == "" }

// undefinedRule is an entry rule that no policy has.
func undefinedRule(index int, e entry) *rule {
	return &rule{entry: e, index: index, footprint: &footprint.Footprint{}, input: &document.Selection{}, cached: true}
}

// clusterRoot and revokedRoot are where data that changes while a revision runs
// is found.
const clusterRoot, revokedRoot = "cluster", "revoked"

// readsChanging reports whether the rule may read changing data at path.
func (r *rule) readsChanging(path ...string) bool {
	return !r.footprint.Data.At(path...).Empty()
}

// sameAs reports whether the rule, with this data, decides as other did with
// its data: whether what is kept of other's decisions is also right for r.
func (r *rule) sameAs(other *rule, data, otherData ast.Object) bool {
	if (r.evaluator == nil) != (other.evaluator == nil) || r.contentHash != other.contentHash {
		return false
	}
	for _, path := range r.footprint.Data.All() {
		if len(path) > 0 && (path[0] == clusterRoot || path[0] == revokedRoot) {
			continue // generations of their own
		}
		if !sameAt(data, otherData, path) {
			return false
		}
	}
	return r.input.Equal(other.input) && slices.EqualFunc(r.footprint.Data.All(), other.footprint.Data.All(), slices.Equal)
}

// sameAt reports whether both objects hold equal values at path. Unchanged
// files were decoded once, so most values are the very same.
func sameAt(a, b ast.Object, path []string) bool {
	var left, right ast.Value = a, b
	for _, name := range path {
		leftObject, ok := left.(ast.Object)
		rightObject, ok2 := right.(ast.Object)
		if !ok || !ok2 {
			break
		}
		if left == right {
			return true
		}
		left, right = document.Member(leftObject, name), document.Member(rightObject, name)
		if left == nil || right == nil {
			return left == nil && right == nil
		}
	}
	return identical(left, right) || left.Compare(right) == 0
}

// identical reports whether both are the same object, array or set in memory.
func identical(a, b ast.Value) bool {
	switch a := a.(type) {
	case ast.Object:
		b, ok := b.(ast.Object)
		return ok && a == b
	case *ast.Array:
		b, ok := b.(*ast.Array)
		return ok && a == b
	}
	return false
}
