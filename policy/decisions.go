package policy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
)

// decisions keeps what entry rules say, by the values that they can read.
type decisions struct {
	lifetimes  Lifetimes
	byInput    *cache.Cache[string, decision]
	placements *cache.Cache[placementKey, decision]
	pods       *cache.Cache[string, uint64]
}

// placementKey stands for one entry rule, one class of pods and one class of nodes.
type placementKey struct {
	rule      int
	pod, node uint64
}

func newDecisions(o CacheOptions) *decisions {
	budget := o.budget()
	return &decisions{
		lifetimes: o.Lifetimes,
		byInput: cache.New(budget, cache.Decisions, func(key string, d decision) int {
			return cache.SizeOf(len(key)) + d.size()
		}),
		placements: cache.New(budget, cache.Placements, func(_ placementKey, d decision) int { return d.size() }),
		pods:       cache.New(budget, cache.PodClasses, func(key string, _ uint64) int { return cache.SizeOf(len(key)) }),
	}
}

// CacheStats are the figures of the engine's caches by name.
func (e *Engine) CacheStats() map[cache.Name]func() cache.Stats {
	return map[cache.Name]func() cache.Stats{
		cache.Decisions:   e.kept.byInput.Stats,
		cache.Placements:  e.kept.placements.Stats,
		cache.PodClasses:  e.kept.pods.Stats,
		cache.NodeClasses: e.classes.Stats,
		cache.Patterns:    e.patterns.stats,
	}
}

// keys are buffers in which look-up keys are made.
var keys = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// maxPooledKey is the largest buffer that is used again, in bytes.
const maxPooledKey = 64 << 10

func releaseKey(buffer *[]byte) {
	if cap(*buffer) <= maxPooledKey {
		clear(*buffer)
		keys.Put(buffer)
	}
}

// maxKey bounds the keys of what is kept, in bytes, as apiserver bounds those
// of its own cache: a caller with long names of their choice shall not push out
// everybody else's.
const maxKey = 10_000

// ask returns what rule r says of input.
func (v *View) ask(ctx context.Context, r *rule, input source) (decision, error) {
	if r.evaluator == nil {
		return decision{value: r.shape.none, expires: Never}, nil
	}
	now := time.Now()
	kept := v.engine.kept.byInput
	if kept == nil || !r.cached {
		return v.once(ctx, now, flightKey{}, r.prompt, &inputQuestion{view: v, rule: r, input: input})
	}
	buffer := keys.Get().(*[]byte)
	defer releaseKey(buffer)
	key := input.AppendKey(append((*buffer)[:0], byte(r.index)), r.input) //nolint:gosec // those of profiles are not asked here
	*buffer = key
	if len(key) > maxKey {
		return v.once(ctx, now, flightKey{}, r.prompt, &inputQuestion{view: v, rule: r, input: input})
	}
	generation := v.generations[r.index]
	found, ok := kept.Get(cache.View(key))
	ok = ok && found.holds(generation, now)
	kept.Count(ok)
	if ok {
		return found, nil
	}
	asked := &inputQuestion{view: v, rule: r, input: input, key: string(key)}
	return v.once(ctx, now, flightKey{generation: generation, input: asked.key}, r.prompt, asked)
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
		q.view.engine.kept.byInput.Set(q.key, d.alone())
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
		v.engine.offer(sample{revision: v.id, rule: r, query: query, value: result.Value})
	}
	if err != nil {
		return decision{}, err
	}
	d = decision{generation: v.generations[r.index], value: value}
	if r.cached {
		d.expires = min(after(query.Now, r.ttl), ExpiryOf(result.Until), after(query.Now, v.engine.kept.lifetimes.of(r, value)))
	}
	return d, nil
}

// of returns how long a rule's value may be kept. Without denials, what may come to
// no opinion is an allow or no opinion, whichever is kept for less long.
func (l Lifetimes) of(r *rule, value any) time.Duration {
	none := func(d time.Duration) time.Duration {
		if d <= 0 {
			return maximum
		}
		return d
	}
	reasons, isReasons := value.([]string)
	user, isUser := value.(*User)
	undecided := points[r.point].otherwise == NoOpinion
	switch {
	case isUser && (user == nil || user.Username == ""):
		return l.Deny
	case undecided && r.denies() && len(reasons) == 0:
		if least := min(none(l.Allow), none(l.NoOpinion)); least != maximum {
			return least
		}
		return 0
	case undecided && !r.denies() && len(reasons) == 0:
		return l.NoOpinion
	case isReasons && r.denies() && len(reasons) > 0:
		return l.Deny
	}
	return l.Allow
}

// read turns the value of a rule into what its shape means.
func (r *rule) read(value ast.Value) (any, error) {
	if value == nil {
		return r.shape.none, nil
	}
	return r.shape.read(r.path, value)
}
