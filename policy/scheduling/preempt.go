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

// Candidate is a node on which the pod would fit after some pods are evicted, in the
// view of the scheduler.
type Candidate struct {
	// Node is nil when the service does not know the node.
	Node *nodes.Node
	// Victims are the pods to evict; nil is one that the service does not know.
	// There may be none.
	Victims []*nodes.Pod
}

// Preempted is the decision about a Candidate.
type Preempted struct {
	// Unresolvable are the reasons for which the pod can never run on the node.
	Unresolvable []string
	// Reject are the reasons against the node that remain after the eviction.
	Reject []string
	// Protect are the reasons not to evict the first victim that has any.
	//
	// The three lists are sorted and must not be changed. After the first list that has
	// reasons, the others are empty.
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

// ErrUnknownVictim is the error for a node with a victim that the service has not seen.
// The service knows neither whether the victim is protected nor what its eviction frees.
var ErrUnknownVictim = errors.New("victim not yet known to verdict")

// Preempt decides for each candidate whether its victims may be evicted for pod. They
// may not be evicted when Filter would refuse the pod afterwards: when the node is
// unresolvable, or rejected in its state without the victims. Preempt checks this because
// the scheduler does not call filter while it looks for victims. One protected victim
// protects all victims of the node.
//
// For the rule protect, the Sharing counts victims instead of nodes. The error is
// policy.ErrTimeout: the time of the whole call ended.
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
	// without are the nodes in their states without the victims; nil when no rule
	// reads these states.
	without []*nodes.Node
	out     []Preempted
	work    Sharing
}

// checkKnown drops nodes that are not known, if a rule reads fields of nodes.
func (p *preemption) checkKnown() {
	rules := PreemptRules()
	readsNode := p.profile.ReadsNode(rules...) || p.profile.ReadsState(rules...)
	for i := range p.candidates {
		if readsNode && p.candidates[i].Node == nil {
			p.out[i].Err = ErrUnknownNode
		}
	}
}

// refuse evaluates a rule for the nodes that were not dropped. put gets its reasons.
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

// removeVictims gives the nodes that were not dropped their states without the victims.
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

// protect evaluates protect for the victims on the nodes that were not dropped.
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
		known = candidate.Victims[:at] // an earlier victim may be protected
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

// place evaluates one rule for one node. kept says that the decision came from the cache.
func place(ctx context.Context, placer *policy.Placer, node *nodes.Node) (placed policy.Placed, kept bool, err error) {
	class := placer.Class(node)
	if placed, kept = placer.Kept(class, time.Now()); kept {
		return placed, true, nil
	}
	placed, err = placer.Decide(ctx, node, class)
	return placed, false, err
}
