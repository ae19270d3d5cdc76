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
	// members are those of the input that all of its victims share, as far as the
	// rule reads them, and key is what they add to that of a placer.
	members [][2]*ast.Term
	key     []byte
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
		e.add(victimsKey, ast.NewArray(list...), reads)
	}
	if reads := r.input.Field(stateWithoutName); reads != nil {
		e.add(stateWithoutKey, without.Project(reads), reads)
	}
	return e
}

// add adds a member of the input; nil is none.
func (e *Eviction) add(name *ast.Term, value ast.Value, reads *document.Selection) {
	e.key = document.NewDecoded(value).AppendKey(e.key, reads)
	if value != nil {
		e.members = append(e.members, [2]*ast.Term{name, ast.NewTerm(value)})
	}
}

// Placers are what decides whether the pods may be evicted, which they may when
// none of the placers gives a reason: one for each victim where the rule reads
// input.victim, else one for all of them. Where the rule reads of victims, and
// there are none, there is nothing to decide.
func (e *Eviction) Placers() []*Placer {
	if e.profile.ReadsVictim() {
		out := make([]*Placer, len(e.victims))
		for i, victim := range e.victims {
			out[i] = e.profile.newPlacer(Protect, e.pod, e, victim)
		}
		return out
	}
	if len(e.victims) == 0 && e.profile.ReadsVictims() {
		return nil
	}
	return []*Placer{e.profile.newPlacer(Protect, e.pod, e, nil)}
}

// ReadsVictim reports whether the protect rule may read input.victim.
func (p Profile) ReadsVictim() bool { return p.rule(Protect).input.Field(victimName) != nil }

// ReadsVictims reports whether the protect rule may read input.victims.
func (p Profile) ReadsVictims() bool { return p.rule(Protect).input.Field(victimsName) != nil }
