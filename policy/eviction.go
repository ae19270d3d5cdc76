package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// Eviction is pods that would have to leave a node so that another pod fits
// there: what the protect rule is asked about. It is for use by one goroutine.
type Eviction struct {
	profile Profile
	pod     document.Value
	victims []*nodes.Pod
	shared  sharedInput
}

// Eviction returns the eviction of victims for pod, after which the state of
// their node would be without; nil where no state of the node is known. None of
// the victims may be nil.
func (p Profile) Eviction(pod document.Value, victims []*nodes.Pod, without *nodes.State) *Eviction {
	e := &Eviction{profile: p, pod: pod, victims: victims}
	r := p.rule(Protect)
	if r.evaluator == nil {
		return e
	}
	if reads := r.input.Field(victimsName); reads != nil {
		list := make([]*ast.Term, len(victims))
		for i, victim := range victims {
			list[i] = ast.NewTerm(victim.Project(reads.Item()))
		}
		e.shared.add(victimsKey, ast.NewArray(list...), reads)
	}
	if reads := r.input.Field(stateWithoutName); reads != nil {
		e.shared.add(stateWithoutKey, without.Project(reads), reads)
	}
	return e
}

// Placers are what decides whether the pods may be evicted, which they may when
// none of the placers gives a reason: one for each victim where the rule reads
// input.victim, else one for all of them. Where the rule reads of victims, and
// there are none, there is nothing to decide.
func (e *Eviction) Placers() []*Placer {
	if e.profile.ReadsVictim() {
		out := make([]*Placer, len(e.victims))
		for i, victim := range e.victims {
			out[i] = e.profile.newPlacer(Protect, e.pod, &e.shared, victim)
		}
		return out
	}
	if len(e.victims) == 0 && e.profile.ReadsVictims() {
		return nil
	}
	return []*Placer{e.profile.newPlacer(Protect, e.pod, &e.shared, nil)}
}

// ReadsVictim reports whether the protect rule may read input.victim.
func (p Profile) ReadsVictim() bool { return p.rule(Protect).input.Field(victimName) != nil }

// ReadsVictims reports whether the protect rule may read input.victims.
func (p Profile) ReadsVictims() bool { return p.rule(Protect).input.Field(victimsName) != nil }
