package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// Verb is a kind of call from kube-scheduler to an extender.
type Verb string

// The verbs of a scheduler extender.
const (
	FilterVerb     Verb = "filter"
	PrioritizeVerb Verb = "prioritize"
	PreemptVerb    Verb = "preempt"
	BindVerb       Verb = "bind"
)

// Verbs returns all verbs.
func Verbs() []Verb { return []Verb{FilterVerb, PrioritizeVerb, PreemptVerb, BindVerb} }

// PlacementInput holds the members of `input` for a pod and a node, as JSON. A member
// that is nil is absent.
type PlacementInput struct {
	Pod, Node, State json.RawMessage
	// Victims are the pods to evict, for PreemptVerb. Each has the form of an item
	// of input.state.pods.
	Victims []json.RawMessage
	// StateWithout is the state without the victims, for PreemptVerb. When it is nil,
	// it is computed from State and Victims.
	StateWithout json.RawMessage
}

// ErrNoSuchVerb says that a text is not a verb of a scheduler extender.
var ErrNoSuchVerb = errors.New("must be filter, prioritize, preempt or bind")

// ExplainPlacement evaluates the rules of a profile for one pod and one node: the rules
// of the verb, in the order of a call. The verb "" means the rules of filter and
// prioritize. For preempt, reject is evaluated in the state without the victims, and
// protect for each victim. The error is ErrNoSuchVerb, ErrTimeout, or says which part
// of the input is not valid.
func (v *View) ExplainPlacement(ctx context.Context, profile Profile, verb Verb, input PlacementInput) (Explained, error) {
	asked, err := profile.questions(verb, input)
	if err != nil {
		return Explained{}, err
	}
	out, _, err := apart(ctx, func(ctx context.Context) (Explained, error) { return v.explainPlacement(ctx, verb, asked) })
	return out, err
}

// placementAsked is one rule and the input for which it is evaluated.
type placementAsked struct {
	rule  *rule
	which SchedulingRule
	input map[string]json.RawMessage
	about string
}

func (p Profile) questions(verb Verb, input PlacementInput) ([]placementAsked, error) {
	var state *nodes.State
	if input.State != nil {
		var err error
		if state, input.State, err = completed(input.State); err != nil {
			return nil, err
		}
	}
	now := map[string]json.RawMessage{podName: input.Pod, nodeName: input.Node, stateName: input.State}
	ask := func(which ...SchedulingRule) []placementAsked {
		var out []placementAsked
		for _, each := range which {
			out = append(out, placementAsked{rule: p.rule(each), which: each, input: now})
		}
		return out
	}
	if verb != PreemptVerb && (len(input.Victims) > 0 || input.StateWithout != nil) {
		return nil, fmt.Errorf("%s: only preempt is about pods to evict", victimsName)
	}
	switch verb {
	case "":
		return ask(Unresolvable, Reject, Score), nil
	case FilterVerb:
		return ask(Unresolvable, Reject), nil
	case PrioritizeVerb:
		return ask(Score), nil
	case BindVerb:
		return ask(Unresolvable, BindDeny, BindAnnotate), nil
	case PreemptVerb:
		return p.preemptQuestions(input, state, ask(Unresolvable))
	}
	return nil, ErrNoSuchVerb
}

// completed parses a state. It returns the state and its JSON as policies see it, in
// which the free amounts are computed from the other fields. For a state that has only
// the free amounts it returns nil and the text itself.
func completed(text json.RawMessage) (*nodes.State, json.RawMessage, error) {
	state, whole, err := nodes.ParseState(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s.%w", stateName, err)
	}
	if !whole {
		return nil, text, nil
	}
	full, err := state.JSON()
	return state, full, err
}

func (p Profile) preemptQuestions(input PlacementInput, state *nodes.State, asked []placementAsked) ([]placementAsked, error) {
	input.Victims = slices.Clone(input.Victims)
	victims := make([]*nodes.Pod, len(input.Victims))
	uids := make([]string, len(input.Victims))
	for i, text := range input.Victims {
		victim, err := nodes.ParsePod(text)
		if err == nil && victim.UID == "" {
			err = errors.New("uid: is missing; it is needed to find the victim in state.pods")
		}
		if err != nil {
			return nil, fmt.Errorf("%s[%d].%w", victimsName, i, err)
		}
		victims[i], uids[i] = victim, victim.UID
		if input.Victims[i], err = victim.JSON(); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", victimsName, i, err)
		}
	}
	without, err := stateWithout(input, state, uids)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stateWithoutName, err)
	}
	then := map[string]json.RawMessage{podName: input.Pod, nodeName: input.Node, stateName: without}
	asked = append(asked, placementAsked{rule: p.rule(Reject), which: Reject, input: then, about: "in the state without the victims"})
	list, err := json.Marshal(append([]json.RawMessage{}, input.Victims...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", victimsName, err)
	}
	protect := func(about string, victim json.RawMessage) {
		asked = append(asked, placementAsked{rule: p.rule(Protect), which: Protect, about: about, input: map[string]json.RawMessage{
			podName: input.Pod, nodeName: input.Node, stateName: input.State,
			stateWithoutName: without, victimsName: list, victimName: victim,
		}})
	}
	switch {
	case p.ReadsVictim():
		for i, victim := range victims {
			protect("of victim "+victim.Namespace+"/"+victim.Name, input.Victims[i])
		}
	case len(victims) == 0 && p.ReadsVictims():
	default:
		protect("", nil)
	}
	return asked, nil
}

// stateWithout returns the state without the victims, the pods with these UIDs; nil
// when there is no state.
func stateWithout(input PlacementInput, state *nodes.State, uids []string) (json.RawMessage, error) {
	switch {
	case input.StateWithout != nil:
		_, full, err := completed(input.StateWithout)
		return full, err
	case state != nil:
		return state.Without(uids...).JSON()
	case input.State != nil:
		return nil, errors.New("is missing: it can be computed when state has allocatable, requested and pods, and not from the free amounts alone; write stateWithout, or these fields of state")
	}
	return nil, nil
}

func (v *View) explainPlacement(ctx context.Context, verb Verb, asked []placementAsked) (Explained, error) {
	var out Explained
	said := placementSaid{verb: verb}
	for _, each := range asked {
		members := map[string]json.RawMessage{}
		for name, value := range each.input {
			if value != nil {
				members[name] = value
			}
		}
		text, err := json.Marshal(members)
		if err != nil {
			return out, err
		}
		document, err := document.ParseObject(text)
		if err != nil {
			return out, err
		}
		x, value := v.explain(ctx, each.rule, document.Root())
		document.Release()
		x.About = each.about
		out.Rules = append(out.Rules, x)
		said.add(each.which, x, value)
	}
	out.Outcome = said.outcome()
	return out, nil
}

// placementSaid collects the values of the rules of a verb. The first rule that refuses
// decides, as in a call.
type placementSaid struct {
	verb        Verb
	refused     string
	score       int64
	annotations map[string]string
}

func (s *placementSaid) add(which SchedulingRule, x Explanation, value any) {
	if s.refused == "" && x.Err != nil {
		s.refused = "error"
	}
	switch value := value.(type) {
	case int64:
		s.score = value
	case map[string]string:
		s.annotations = value
	case []string:
		if s.refused == "" && len(value) > 0 {
			s.refused = refusedBy(s.verb, which)
		}
	}
}

func refusedBy(verb Verb, which SchedulingRule) string {
	switch {
	case which == BindDeny:
		return "not bound: denied"
	case verb == BindVerb:
		return "not bound: no eviction makes the node fit"
	case which == Protect:
		return "no pod is evicted here: a victim is protected"
	case verb == PreemptVerb && which == Reject:
		return "no pod is evicted here: the node is rejected even without the victims"
	case verb == PreemptVerb:
		return "no pod is evicted here: no eviction makes the node fit"
	case which == Unresolvable:
		return "rejected, and no eviction cures it"
	}
	return "rejected"
}

func (s *placementSaid) outcome() string {
	switch {
	case s.refused != "":
		return s.refused
	case s.verb == PrioritizeVerb:
		return fmt.Sprintf("score %d", s.score)
	case s.verb == PreemptVerb:
		return "the victims may be evicted"
	case s.verb == FilterVerb:
		return "accepted"
	case s.verb == BindVerb:
		var list []string
		for name, value := range s.annotations {
			list = append(list, name+"="+value)
		}
		slices.Sort(list)
		if len(list) == 0 {
			return "bound"
		}
		return "bound, with the annotations " + strings.Join(list, ", ")
	}
	return fmt.Sprintf("accepted, score %d", s.score)
}
