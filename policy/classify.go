package policy

import "github.com/verdict-dev/verdict/policy/nodes"

// Classify finds out what the rules of the current revision read of node, which
// is kept with the node: calls that name it then only look that up.
func (e *Engine) Classify(node *nodes.Node) {
	view := e.View()
	if view == nil {
		return
	}
	var tables []*nodes.Table
	for slot, r := range view.rules[firstSchedulingRule:] {
		if r.evaluator != nil && r.cached {
			tables = append(tables, view.tables[slot])
		}
	}
	nodes.Classify(node, tables)
}

// ReadsState says what the scheduling rules of the current revision may read of
// states and victims. What states without victims take is read with the rest.
func (e *Engine) ReadsState() nodes.Reads {
	var out nodes.Reads
	view := e.View()
	if view == nil {
		return out
	}
	for _, r := range view.rules[firstSchedulingRule:] {
		for _, name := range []string{stateName, stateWithoutName} {
			if state := r.input.Field(name); state != nil {
				out.AddState(state)
			}
		}
		if victim := r.input.Field(victimName); victim != nil {
			out.AddPod(victim)
		}
		if victims := r.input.Field(victimsName); victims != nil {
			out.AddPod(victims.Item())
		}
	}
	return out
}
