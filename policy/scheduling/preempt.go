package scheduling

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// Candidate is a node that a pod would fit on, as the scheduler sees it, once
// some pods were evicted.
type Candidate struct {
	// Node is nil where the service does not know it.
	Node *nodes.Node
	// Victims are the pods to evict; nil is one that the service does not know.
	// There may be none.
	Victims []*nodes.Pod
}

// Preempted is what was decided of a Candidate.
type Preempted struct {
	// Unresolvable are the reasons for which the pod can never run on the node.
	Unresolvable []string
	// Reject are the reasons against the node that the eviction does not cure.
	Reject []string
	// Protect are the reasons not to evict the first victim that has any.
	//
	// The three are sorted, and not to be changed. The first that has reasons
	// leaves those after it empty.
	Protect []string
	// Err is an *policy.EvaluationError, ErrUnknownNode or ErrUnknownVictim; the
	// node is dropped then.
	Err error
}

// Kept reports whether the victims may be evicted.
func (p *Preempted) Kept() bool {
	return p.Err == nil && len(p.Unresolvable) == 0 && len(p.Reject) == 0 && len(p.Protect) == 0
}

// PreemptRules are the rules that Preempt asks, in this order.
func PreemptRules() []policy.SchedulingRule {
	return []policy.SchedulingRule{policy.Unresolvable, policy.Reject, policy.Protect}
}

// NeedsVictims reports whether Preempt has to know the victims.
func NeedsVictims(profile policy.Profile) bool {
	return profile.Defines(policy.Protect) || profile.ReadsState(policy.Reject)
}

// ErrUnknownVictim drops a node with a victim that the service has not seen: it
// can tell neither whether that is protected nor what its eviction frees.
var ErrUnknownVictim = errors.New("victim not yet known to verdict")

// Preempt decides for each candidate whether its victims may be evicted for
// pod. They may not where Filter would refuse the pod afterwards, since the
// scheduler asks for no filter while it looks for victims: where the node is
// unresolvable, or rejected in the state that it would be in without the
// victims. One victim that is protected protects all.
//
// The Sharing counts victims in place of nodes where protect is asked. The
// error is policy.ErrTimeout: the call as a whole ran out of time.
func Preempt(ctx context.Context, profile policy.Profile, pod document.Value, candidates []Candidate) ([]Preempted, Sharing, error) {
	p := preemption{profile: profile, pod: pod, candidates: candidates, out: make([]Preempted, len(candidates))}
	p.checkKnown()
	if err := p.refuse(ctx, policy.Unresolvable, func(of *Preempted, reasons []string) { of.Unresolvable = reasons }); err != nil {
		return nil, p.work, err
	}
	p.removeVictims()
	if err := p.refuse(ctx, policy.Reject, func(of *Preempted, reasons []string) { of.Reject = reasons }); err != nil {
		return nil, p.work, err
	}
	if err := p.protect(ctx); err != nil {
		return nil, p.work, err
	}
	return p.out, p.work, nil
}

// preemption is one call of Preempt.
type preemption struct {
	profile    policy.Profile
	pod        document.Value
	candidates []Candidate
	// without are the nodes in the states that they would be in without the
	// victims, where a rule reads these; else nil.
	without []*nodes.Node
	out     []Preempted
	work    Sharing
}

// checkKnown drops nodes that are not known, where a rule reads something of nodes.
func (p *preemption) checkKnown() {
	rules := PreemptRules()
	readsNode := p.profile.ReadsNode(rules...) || p.profile.ReadsState(rules...)
	for i := range p.candidates {
		if readsNode && p.candidates[i].Node == nil {
			p.out[i].Err = ErrUnknownNode
		}
	}
}

// refuse asks a rule about the nodes that are left. put takes its reasons.
func (p *preemption) refuse(ctx context.Context, rule policy.SchedulingRule, put func(of *Preempted, reasons []string)) error {
	if !p.profile.Defines(rule) {
		return nil
	}
	placer := p.profile.Placer(rule, p.pod)
	var left []int
	var nodes []*nodes.Node
	for i := range p.candidates {
		if !p.out[i].Kept() {
			continue
		}
		node := p.candidates[i].Node
		if rule == policy.Reject && p.without != nil {
			node = p.without[i]
		}
		left, nodes = append(left, i), append(nodes, node)
	}
	decided, err := decide(ctx, placer, nodes, !p.profile.ReadsNode(rule) && !p.profile.ReadsState(rule))
	p.work.add(decided.sharing)
	if err != nil {
		return err
	}
	for at, i := range left {
		g := decided.group(at)
		if g == nil {
			p.out[i].Err = ErrUnknownNode
			continue
		}
		p.out[i].Err = g.err
		put(&p.out[i], g.placed.Reasons())
	}
	return nil
}

// removeVictims puts the nodes that are left into the states that they would be
// in without their victims.
func (p *preemption) removeVictims() {
	byReject := p.profile.ReadsState(policy.Reject)
	if !byReject && !p.profile.ReadsState(policy.Protect) {
		return
	}
	p.without = make([]*nodes.Node, len(p.candidates))
	for i, candidate := range p.candidates {
		if !p.out[i].Kept() {
			continue
		}
		uids, known := make([]string, 0, len(candidate.Victims)), true
		for _, victim := range candidate.Victims {
			if victim == nil {
				known = false
				continue
			}
			uids = append(uids, victim.UID)
		}
		if !known && byReject {
			p.out[i].Err = ErrUnknownVictim
			continue
		}
		p.without[i] = candidate.Node
		if state := candidate.Node.State().Without(uids...); state != candidate.Node.State() {
			p.without[i] = candidate.Node.WithState(state)
		}
	}
}

// protect asks about the victims on the nodes that are left.
func (p *preemption) protect(ctx context.Context) error {
	if !p.profile.Defines(policy.Protect) {
		return nil
	}
	var asked, evaluated atomic.Int64
	err := each(ctx, len(p.candidates), func(i int) error {
		if !p.out[i].Kept() {
			return nil
		}
		return p.protectOn(ctx, i, &asked, &evaluated)
	})
	evaluations := int(evaluated.Load())
	p.work.add(Sharing{Nodes: int(asked.Load()), Classes: evaluations, Evaluations: evaluations})
	return err
}

func (p *preemption) protectOn(ctx context.Context, i int, asked, evaluated *atomic.Int64) error {
	candidate, out := &p.candidates[i], &p.out[i]
	var without *nodes.State
	if p.without != nil {
		without = p.without[i].State()
	}
	known := candidate.Victims
	for at, victim := range candidate.Victims {
		if victim != nil {
			continue
		}
		if !p.profile.ReadsVictim() || p.profile.ReadsVictims() || p.profile.ReadsState(policy.Protect) {
			out.Err = ErrUnknownVictim
			return nil
		}
		known = candidate.Victims[:at] // another reason may come first
		break
	}
	for _, placer := range p.profile.Eviction(p.pod, known, without).Placers() {
		asked.Add(1)
		placed, kept, err := place(ctx, placer, candidate.Node)
		if !kept {
			evaluated.Add(1)
		}
		if errors.Is(err, policy.ErrTimeout) {
			return policy.ErrTimeout
		}
		if out.Protect, out.Err = placed.Reasons(), err; !out.Kept() {
			return nil
		}
	}
	if len(known) < len(candidate.Victims) {
		out.Err = ErrUnknownVictim
	}
	return nil
}

// place asks one rule about one node. kept says that it was decided before.
func place(ctx context.Context, placer *policy.Placer, node *nodes.Node) (placed policy.Placed, kept bool, err error) {
	class := placer.Class(node)
	if placed, kept = placer.Kept(class, time.Now()); kept {
		return placed, true, nil
	}
	placed, err = placer.Decide(ctx, node, class)
	return placed, false, err
}
