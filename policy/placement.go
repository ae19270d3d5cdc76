package policy

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
	"github.com/verdict-dev/verdict/policy/nodes"
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
	// victim and shared are nil where the rule is asked about no eviction.
	victim *nodes.Pod
	shared *sharedInput
	// taken is what the rule reads of the pod, taken out of it once for all nodes;
	// nil when it reads nothing.
	taken func() *ast.Term
	// number stands for everything the rule reads of the pod and the eviction; 0
	// when decisions are not kept.
	number uint64
}

// sharedInput is what the input of every victim of an eviction has in common.
type sharedInput struct {
	// members are those of the input, as far as the rule reads them, and key is
	// what they add to that of a placer.
	members [][2]*ast.Term
	key     []byte
}

// add adds a member of the input; nil is none.
func (s *sharedInput) add(name *ast.Term, value ast.Value, reads *document.Selection) {
	s.key = document.NewDecoded(value).AppendKey(s.key, reads)
	if value != nil {
		s.members = append(s.members, [2]*ast.Term{name, ast.NewTerm(value)})
	}
}

// Placer returns what decides pod by rule.
func (p Profile) Placer(which SchedulingRule, pod document.Value) *Placer {
	return p.newPlacer(which, pod, nil, nil)
}

func (p Profile) newPlacer(which SchedulingRule, pod document.Value, shared *sharedInput, victim *nodes.Pod) *Placer {
	out := &Placer{view: p.view, rule: p.rule(which), table: p.table(which), pod: pod, shared: shared, victim: victim}
	out.taken = sync.OnceValue(out.takePod)
	kept := p.view.decider.kept
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
	if shared != nil {
		key = append(key, shared.key...)
	}
	*buffer = key
	if len(key) > maxKey {
		return out
	}
	number, ok := kept.pods.Get(cache.View(key))
	kept.pods.Count(ok)
	if !ok {
		number = p.view.decider.numbers.Add(1)
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
	found, ok := p.view.decider.kept.placements.Get(p.key(class))
	ok = ok && found.holds(p.view.generations[p.rule.index], now)
	p.view.decider.kept.placements.Count(ok)
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
	var key decisionKey
	if p.number != 0 {
		asked.key = p.key(class)
		key = decisionKey{generation: p.view.generations[p.rule.index], placement: asked.key}
	}
	d, err := p.view.decider.decide(ctx, now, key, p.rule.prompt, asked)
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
		q.view.decider.kept.placements.Set(q.key, d.clone())
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
	if p.shared != nil {
		pairs = append(pairs, p.shared.members...)
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
