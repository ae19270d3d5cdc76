package policy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/api/validation"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// MaxScore is the highest score of a node (k8s.io/kube-scheduler MaxExtenderPriority).
const MaxScore = 10

// SchedulingRule is an entry rule of SchedulingPoint, which is asked of one pod on
// one node: its index in the row of the point.
type SchedulingRule int

// The entry rules of scheduling.
const (
	// Reject gives reasons that an eviction might cure.
	Reject SchedulingRule = iota
	// Unresolvable gives reasons that no eviction cures.
	Unresolvable
	// Score gives points, 0 to MaxScore.
	Score
	// Protect gives reasons not to evict a pod of the node: the placer's victim.
	Protect
	// BindDeny gives reasons not to bind the pod to the node after all.
	BindDeny
	// BindAnnotate gives the annotations that the pod gets as it is bound.
	BindAnnotate

	schedulingRules = iota
)

// Profile is a set of scheduling rules, as they are in one View.
type Profile struct {
	view  *View
	first int // the place of its first rule
}

// DefaultProfile has the rules that Entries name.
func (v *View) DefaultProfile() Profile { return Profile{v, firstSchedulingRule} }

// Profile returns the profile called name of Entries.Profiles, and false where
// there is none.
func (v *View) Profile(name string) (Profile, bool) {
	first, ok := v.profiles[name]
	return Profile{v, first}, ok
}

func (p Profile) rule(which SchedulingRule) *rule { return p.view.rules[p.first+int(which)] }

func (p Profile) table(which SchedulingRule) *nodes.Table {
	return p.view.tables[p.first-firstSchedulingRule+int(which)]
}

// Defines reports whether a policy has one of the rules.
func (p Profile) Defines(rules ...SchedulingRule) bool {
	return slices.ContainsFunc(rules, func(which SchedulingRule) bool { return p.rule(which).evaluator != nil })
}

// DefinesAny reports whether a policy has any rule of the profile.
func (p Profile) DefinesAny() bool {
	return slices.ContainsFunc(p.view.rules[p.first:p.first+schedulingRules], func(r *rule) bool { return r.evaluator != nil })
}

// ReadsNode reports whether one of the rules may read input.node.
func (p Profile) ReadsNode(rules ...SchedulingRule) bool {
	return slices.ContainsFunc(rules, func(which SchedulingRule) bool { return p.table(which).ReadsObject() })
}

// ReadsState reports whether one of the rules may read input.state, or, where
// it is Protect, input.stateWithout.
func (p Profile) ReadsState(rules ...SchedulingRule) bool {
	return slices.ContainsFunc(rules, func(which SchedulingRule) bool {
		r := p.rule(which)
		return p.table(which).ReadsState() || which == Protect && r.input.Field(stateWithoutName) != nil
	})
}

// Alike reports whether the objects of both nodes are alike in everything that
// the rules read of them.
func (p Profile) Alike(a, b *nodes.Node, rules ...SchedulingRule) bool {
	return !slices.ContainsFunc(rules, func(which SchedulingRule) bool {
		return !p.table(which).Alike(a, b)
	})
}

// Placer decides one pod on many nodes by one rule. It is safe for concurrent
// use, for as long as the pod's document is.
type Placer struct {
	view *View
	rule *rule
	// table tells nodes apart for the rule.
	table *nodes.Table
	pod   document.Value
	// victim and eviction are nil where the rule is of none.
	victim   *nodes.Pod
	eviction *Eviction
	// taken is what the rule reads of the pod, taken out of it once for all nodes;
	// nil when it reads nothing.
	taken func() *ast.Term
	// number stands for everything the rule reads of the pod and the eviction; 0
	// when decisions are not kept.
	number uint64
}

// Placer returns what decides pod by rule.
func (p Profile) Placer(which SchedulingRule, pod document.Value) *Placer {
	return p.newPlacer(which, pod, nil, nil)
}

func (p Profile) newPlacer(which SchedulingRule, pod document.Value, eviction *Eviction, victim *nodes.Pod) *Placer {
	out := &Placer{view: p.view, rule: p.rule(which), table: p.table(which), pod: pod, eviction: eviction, victim: victim}
	out.taken = sync.OnceValue(out.takePod)
	kept := p.view.engine.kept
	if kept.pods == nil || !out.rule.cached || out.rule.evaluator == nil {
		return out
	}
	buffer := keys.Get().(*[]byte)
	defer releaseKey(buffer)
	// The same bytes mean something else where something else is selected.
	key := binary.BigEndian.AppendUint64((*buffer)[:0], out.table.ID())
	if reads := out.rule.input.Field(podName); reads != nil {
		key = pod.AppendKey(key, reads)
	}
	if reads := out.rule.input.Field(victimName); reads != nil {
		key = document.NewDecoded(victim.Project(reads)).AppendKey(key, reads)
	}
	if eviction != nil {
		key = append(key, eviction.key...)
	}
	*buffer = key
	if len(key) > maxKey {
		return out
	}
	number, ok := kept.pods.Get(cache.View(key))
	kept.pods.Count(ok)
	if !ok {
		number = p.view.engine.numbers.Add(1)
		kept.pods.Set(string(key), number)
	}
	out.number = number
	return out
}

// Class stands for all nodes that are alike in everything the rule reads of
// them: one decision serves them all. The zero Class is of one node alone.
type Class struct{ class *nodes.Class }

// Class returns the node's class. Where the rule depends on chance or the clock
// it is the zero Class: every node is decided by itself then.
func (p *Placer) Class(node *nodes.Node) Class {
	if !p.rule.cached {
		return Class{}
	}
	return Class{p.table.Class(node)}
}

// Kept returns what was decided before of the pod on nodes of the class.
func (p *Placer) Kept(class Class, now time.Time) (Placed, bool) {
	if p.rule.evaluator == nil {
		return Placed{value: p.rule.shape.none}, true
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
	return placementKey{rule: p.rule.index, pod: p.number, node: class.class.ID()}
}

// Decide evaluates the rule for the pod on node, which is of the class. An
// error is ErrTimeout or an *EvaluationError.
func (p *Placer) Decide(ctx context.Context, node *nodes.Node, class Class) (Placed, error) {
	now := time.Now()
	asked := &placementQuestion{view: p.view, rule: p.rule, pod: p.pod, input: p.input(node, class)}
	var key flightKey
	if p.number != 0 {
		asked.key = p.key(class)
		key = flightKey{generation: p.view.generations[p.rule.index], placement: asked.key}
	}
	d, err := p.view.once(ctx, now, key, p.rule.prompt, asked)
	return Placed{value: d.value}, err
}

// placementQuestion asks a rule about a pod and a class of nodes.
type placementQuestion struct {
	view  *View
	rule  *rule
	pod   document.Value // to be charged for
	input ast.Value
	key   placementKey // to keep the decision by, zero not to
}

func (q *placementQuestion) detach() { q.pod = document.Value{} }

// charge is to the pod's namespace.
func (q *placementQuestion) charge() charge {
	if q.pod.Absent() {
		return charge{}
	}
	out := charge{bytes: q.pod.DecodedSize()}
	if namespace := q.pod.Get("metadata").Get("namespace"); !namespace.Absent() {
		out.to = onBehalfOf(namespace.Raw())
	}
	return out
}

func (q *placementQuestion) decide(ctx context.Context, now time.Time) (decision, error) {
	d, err := q.view.evaluate(ctx, q.rule, evaluator.Query{Input: q.input, Now: now})
	if err == nil && d.expires != AtOnce && q.key != (placementKey{}) {
		q.view.engine.kept.placements.Set(q.key, d.alone())
	}
	return d, err
}

// input is {"pod": …, "node": …, "state": …, "victim": …, "victims": …,
// "stateWithout": …}, as far as the rule reads it. node is nil where nothing is known of it.
func (p *Placer) input(node *nodes.Node, class Class) ast.Value {
	pairs := make([][2]*ast.Term, 0, inputMembers)
	add := func(key *ast.Term, value ast.Value) {
		if value != nil {
			pairs = append(pairs, [2]*ast.Term{key, ast.NewTerm(value)})
		}
	}
	if pod := p.taken(); pod != nil {
		pairs = append(pairs, [2]*ast.Term{podKey, pod})
	}
	if reads := p.rule.input.Field(victimName); reads != nil {
		add(victimKey, p.victim.Project(reads))
	}
	if p.eviction != nil {
		pairs = append(pairs, p.eviction.members...)
	}
	reads, ofState := p.rule.input.Field(nodeName), p.rule.input.Field(stateName)
	if class.class != nil {
		if reads != nil {
			add(nodeKey, class.class.Object(node))
		}
		if ofState != nil {
			add(stateKey, class.class.State(node))
		}
		return ast.NewObject(pairs...)
	}
	if reads != nil && node != nil {
		add(nodeKey, node.Project(reads))
	}
	if ofState != nil && node != nil {
		add(stateKey, node.State().Project(ofState))
	}
	return ast.NewObject(pairs...)
}

// The members of input.
const (
	podName, nodeName, stateName, victimName = "pod", "node", "state", "victim"
	victimsName, stateWithoutName            = "victims", "stateWithout"

	inputMembers = 6
)

func (p *Placer) takePod() *ast.Term {
	reads := p.rule.input.Field(podName)
	if reads == nil {
		return nil
	}
	value := p.pod.Project(reads)
	if value == nil {
		return nil
	}
	return ast.NewTerm(value)
}

var (
	podKey    = ast.StringTerm(podName)
	nodeKey   = ast.StringTerm(nodeName)
	stateKey  = ast.StringTerm(stateName)
	victimKey = ast.StringTerm(victimName)

	victimsKey      = ast.StringTerm(victimsName)
	stateWithoutKey = ast.StringTerm(stateWithoutName)
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

// Annotations are those of the rule that gives some; they must not be changed.
func (p Placed) Annotations() map[string]string {
	annotations, _ := p.value.(map[string]string)
	return annotations
}

// annotationsOf reads the annotate rules: strings by the names of annotations.
func annotationsOf(path string, value ast.Value) (map[string]string, error) {
	object, ok := value.(ast.Object)
	if !ok {
		return nil, shapeError(path, "must be an object of strings, not %s", document.KindOf(value))
	}
	out := make(map[string]string, object.Len())
	err := object.Iter(func(name, value *ast.Term) error {
		key, ok := name.Value.(ast.String)
		if !ok {
			return shapeError(path, "the name of an annotation is a string, not %s", document.KindOf(name.Value))
		}
		text, ok := value.Value.(ast.String)
		if !ok {
			return shapeError(path, "%v must be a string, not %s", name, document.KindOf(value.Value))
		}
		out[string(key)] = string(text)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if mistakes := validation.ValidateAnnotations(out, nil); len(mistakes) > 0 {
		return nil, shapeError(path, "%v", mistakes.ToAggregate())
	}
	return out, nil
}

// scoreOf sums up the score rules: limited to 0–10 and rounded, halves away
// from zero.
func scoreOf(path string, value ast.Value) (int64, error) {
	scores, ok := value.(ast.Object)
	if !ok {
		return 0, shapeError(path, "must be an object of numbers, not %s", document.KindOf(value))
	}
	sum := 0.0
	err := scores.Iter(func(name, score *ast.Term) error {
		number, ok := score.Value.(ast.Number)
		if !ok {
			return shapeError(path, "%v must be a number, not %s", name, document.KindOf(score.Value))
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
