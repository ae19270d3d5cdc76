package policy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
)

// MaxScore is the highest score of a node (k8s.io/kube-scheduler MaxExtenderPriority).
const MaxScore = 10

// SchedulingRule is an entry rule that is asked of one pod on one node.
type SchedulingRule int

// The entry rules of scheduling.
const (
	// Reject gives reasons that an eviction might cure.
	Reject = SchedulingRule(rejectRule)
	// Unresolvable gives reasons that no eviction cures.
	Unresolvable = SchedulingRule(unresolvableRule)
	// Score gives points, 0 to MaxScore.
	Score = SchedulingRule(scoreRule)
)

// Placer decides one pod on many nodes by one rule. It is safe for concurrent
// use, for as long as the pod's document is.
type Placer struct {
	view *View
	rule *rule
	pod  Value
	// taken is what the rule reads of the pod, taken out of it once for all nodes;
	// nil when it reads nothing.
	taken func() *ast.Term
	// number stands for everything the rule reads of the pod; 0 when decisions
	// are not kept.
	number uint64
}

// Placer returns what decides pod by rule.
func (v *View) Placer(which SchedulingRule, pod Value) *Placer {
	p := &Placer{view: v, rule: v.rules[which], pod: pod}
	p.taken = sync.OnceValue(p.takePod)
	kept := v.engine.kept
	if kept.pods == nil || !p.rule.cached || p.rule.evaluator == nil {
		return p
	}
	buffer := keys.Get().(*[]byte)
	defer func() {
		clear(*buffer)
		keys.Put(buffer)
	}()
	// The same bytes mean something else where something else is selected.
	key := binary.BigEndian.AppendUint64((*buffer)[:0], p.rule.nodes.id)
	if reads := p.rule.input.field(podName); reads != nil {
		key = pod.appendKey(key, reads)
	}
	*buffer = key
	if len(key) > maxKey {
		return p
	}
	number, ok := kept.pods.Get(cache.View(key))
	kept.pods.Count(ok)
	if !ok {
		number = v.engine.numbers.Add(1)
		kept.pods.Set(string(key), number)
	}
	p.number = number
	return p
}

// Class stands for all nodes that are alike in everything the rule reads of
// them: one decision serves them all. The zero Class is of one node alone.
type Class struct{ class *nodeClass }

// Class returns the node's class. Where the rule depends on chance or the clock
// it is the zero Class: every node is decided by itself then.
func (p *Placer) Class(node *Node) Class {
	if !p.rule.cached {
		return Class{}
	}
	return Class{p.rule.nodes.of(node, p.rule.index)}
}

// Kept returns what was decided before of the pod on nodes of the class.
func (p *Placer) Kept(class Class, now time.Time) (Placed, bool) {
	if p.rule.evaluator == nil {
		return Placed{value: p.rule.none()}, true
	}
	if p.number == 0 {
		return Placed{}, false
	}
	found, ok := p.view.engine.kept.placements.Get(p.key(class))
	ok = ok && found.holds(p.view.generations[p.rule.index], now)
	p.view.engine.kept.placements.Count(ok)
	return Placed{value: found.value}, ok
}

func (p *Placer) key(class Class) placementKey {
	return placementKey{rule: p.rule.index, pod: p.number, node: class.class.id}
}

// Decide evaluates the rule for the pod on node, which is of the class. An
// error is ErrTimeout or an *EvaluationError.
func (p *Placer) Decide(ctx context.Context, node *Node, class Class) (Placed, error) {
	if p.number == 0 {
		d, err := p.view.evaluate(ctx, p.rule, p.input(node, class))
		return Placed{value: d.value}, err
	}
	input := p.input(node, class)
	key := p.key(class)
	text := binary.BigEndian.AppendUint64(nil, uint64(key.rule)) //nolint:gosec // an index
	text = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(text, key.pod), key.node)
	d, err := p.view.once(ctx, "placement"+flightKey(p.view.generations[p.rule.index], string(text)), func(ctx context.Context) (decision, error) {
		d, err := p.view.evaluate(ctx, p.rule, input)
		if err == nil && d.expires != AtOnce {
			p.view.engine.kept.placements.Set(key, d)
		}
		return d, err
	})
	return Placed{value: d.value}, err
}

// input is {"pod": …, "node": …}, as far as the rule reads it.
func (p *Placer) input(node *Node, class Class) ast.Value {
	pairs := make([][2]*ast.Term, 0, 2)
	add := func(key *ast.Term, value ast.Value) {
		if value != nil {
			pairs = append(pairs, [2]*ast.Term{key, ast.NewTerm(value)})
		}
	}
	if pod := p.taken(); pod != nil {
		pairs = append(pairs, [2]*ast.Term{podKey, pod})
	}
	switch reads := p.rule.input.field(nodeName); {
	case reads == nil:
	case class.class != nil:
		add(nodeKey, class.class.valueOf(node))
	default:
		add(nodeKey, node.project(reads))
	}
	return ast.NewObject(pairs...)
}

func (p *Placer) takePod() *ast.Term {
	reads := p.rule.input.field(podName)
	if reads == nil {
		return nil
	}
	value := p.pod.project(reads)
	if value == nil {
		return nil
	}
	return ast.NewTerm(value)
}

const podName, nodeName = "pod", "node"

var (
	podKey  = ast.StringTerm(podName)
	nodeKey = ast.StringTerm(nodeName)
)

// Placed is what a rule says of a pod on a node.
type Placed struct{ value any }

// Reasons are those of a rule that refuses, sorted; empty when it does not.
// They must not be changed.
func (p Placed) Reasons() []string {
	reasons, _ := p.value.([]string)
	return reasons
}

// Score is that of the score rule, 0 to MaxScore.
func (p Placed) Score() int64 {
	score, _ := p.value.(int64)
	return score
}

// scoreOf sums up the score rules: limited to 0–10 and rounded, halves away
// from zero.
func scoreOf(path string, value ast.Value) (int64, error) {
	scores, ok := value.(ast.Object)
	if !ok {
		return 0, shapeError(path, "must be an object of numbers, not %s", kindOf(value))
	}
	sum := 0.0
	err := scores.Iter(func(name, score *ast.Term) error {
		number, ok := score.Value.(ast.Number)
		if !ok {
			return shapeError(path, "%v must be a number, not %s", name, kindOf(score.Value))
		}
		f, err := json.Number(number).Float64()
		if err != nil {
			return shapeError(path, "%v: number out of range", name)
		}
		sum += f
		return nil
	})
	if err != nil {
		return 0, err
	}
	if math.IsNaN(sum) {
		return 0, shapeError(path, "the scores add up to no number")
	}
	return int64(math.Round(min(max(sum, 0), MaxScore))), nil
}
