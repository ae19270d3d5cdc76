package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ir"

	"github.com/verdict-dev/verdict/policy/evaluator/plan"
)

// A rule that loops over the set of another rule, and fills a set itself, does
// not need that set as a whole: it takes each element as the other rule gives
// it. An element that comes twice adds nothing new. The set and its
// elements, sorted and hashed, were most of the work of such rules.

// maxStreamed is how often a rule may be evaluated this way instead of once.
const maxStreamed = 2

// declareStreams counts the calls of each rule.
func declareStreams(p *planner, _ *builder) {
	for _, fn := range p.policy.Funcs.Funcs {
		plan.Walk(fn.Blocks, func(s ir.Stmt) {
			if call, ok := s.(*ir.CallStmt); ok && p.planned[call.Func] != nil {
				p.planned[call.Func].calls++
			}
		})
	}
}

// lowerStream is the form for a call of a rule and the loop over its result.
func lowerStream(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	call, ok := stmts[0].(*ir.CallStmt)
	if !ok || len(stmts) < 2 || sc.depth != 1 || sc.function.rule < 0 || sc.single || sc.Uses[call.Result] != 1 {
		return nil, 0
	}
	scan, ok := stmts[1].(*ir.ScanStmt)
	if !ok || scan.Source != call.Result || sc.needed(scan.Key) || !sc.addsOnly(scan) {
		return nil, 0
	}
	planned := sc.planned[call.Func]
	if planned == nil || planned.calls > maxStreamed {
		return nil, 0
	}
	streamed := sc.streamed(planned)
	if streamed == nil {
		return nil, 0
	}
	known := &scanner{source: operand{slot: int(call.Result)}, key: int(scan.Key), value: int(scan.Value)}
	loop := &streamLoop{value: int(scan.Value)}
	in := sc.deeper()
	loop.body = in.block(scan.Block)
	if parts, rest, ok := sc.takenApart(scan); ok {
		for _, p := range parts {
			loop.parts = append(loop.parts, int(p))
		}
		loop.rest = in.block(&ir.Block{Stmts: rest})
	}
	known.body = loop.body
	return runStream(planned.function.rule, streamed, known, loop, sc.operands(call.Args)), 2
}

// runStream runs the loop over what the rule gave, where that is known; else it runs the
// rule, which sends to the loop.
func runStream(rule int, streamed *function, known *scanner, loop *streamLoop, args []operand) statement {
	return func(m *machine, f frame) code {
		if r := &m.memo.rules[rule]; r.known {
			f[known.source.slot] = r.value
			return known.run(m, f)
		}
		if c := m.step(); c != next {
			return c
		}
		before := m.sink
		m.sinks = append(m.sinks, sink{frame: f, loop: loop, outer: before})
		m.sink = len(m.sinks) - 1
		called, chunk, top := m.push(streamed.size)
		for i, p := range streamed.params {
			called[p] = args[i].in(f)
		}
		c := streamed.run(m, called)
		m.pop(called, chunk, top)
		m.sinks[len(m.sinks)-1] = sink{}
		m.sinks = m.sinks[:len(m.sinks)-1]
		m.sink = before
		return c
	}
}

// addsOnly reports whether all that a loop leaves behind is added to the set
// that its rule fills, so that neither order nor repetition matters.
func (sc *scope) addsOnly(scan *ir.ScanStmt) bool {
	inside := map[ir.Local]bool{}
	plan.Walk([]*ir.Block{scan.Block}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.MakeArrayStmt:
			inside[s.Target] = true
		case *ir.MakeObjectStmt:
			inside[s.Target] = true
		case *ir.MakeSetStmt:
			inside[s.Target] = true
		}
	})
	only := true
	plan.Walk([]*ir.Block{scan.Block}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.ArrayAppendStmt:
			only = only && inside[s.Array]
		case *ir.SetAddStmt:
			only = only && (inside[s.Set] || int(s.Set) == sc.function.result)
		case *ir.ObjectInsertStmt:
			only = only && inside[s.Object]
		case *ir.ObjectInsertOnceStmt:
			only = only && (inside[s.Object] || int(s.Object) == sc.function.result)
		case *ir.AssignVarOnceStmt, *ir.ReturnLocalStmt, *ir.ResultSetAddStmt:
			only = false
		}
	})
	return only
}

// streamed is the rule as one that sends its elements to a sink, nil for rules
// that can't do so.
func (sc *scope) streamed(planned *plannedFunction) *function {
	name := planned.Name
	if known := sc.streams[name]; known != nil {
		return known
	}
	if !planned.layout.OnlyAddsToSet(planned.Func) {
		return nil
	}
	whole := planned.function
	f := &function{name: name, params: whole.params, result: whole.result, rule: whole.rule, args: -1, index: whole.index}
	own := newScope(sc.planner, sc.builder, &functionScope{function: f, value: -1, sending: true}, planned.Blocks)
	for _, blocks := range planned.layout.Definitions {
		f.definitions = append(f.definitions, own.own(blocks))
	}
	if own.err != nil {
		return nil
	}
	sc.streams[name] = f
	return f
}

// lowerSent is the form for the addition of an element to a streamed rule's result.
func lowerSent(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	add, ok := stmts[0].(*ir.SetAddStmt)
	if !ok || !sc.sending || int(add.Set) != sc.function.result {
		return nil, 0
	}
	return send(sc.operand(add.Value)), 1
}

// lowerSentArray is the form for an array that is made, and sent at once.
func lowerSentArray(sc *scope, stmts []ir.Stmt) (s statement, used int) {
	if !sc.sending {
		return nil, 0
	}
	array, elements, used := sc.arrayElements(stmts)
	if used == 0 || used == len(stmts) {
		return nil, 0
	}
	after, sent := stmts[used:], array
	if assign, ok := after[0].(*ir.AssignVarStmt); ok && assign.Source.Value == array && len(after) > 1 && sc.Uses[assign.Target] == 1 {
		after, used, sent = after[1:], used+1, assign.Target
	}
	add, ok := after[0].(*ir.SetAddStmt)
	if !ok || int(add.Set) != sc.function.result || add.Value.Value != sent {
		return nil, 0
	}
	return sendArray(elements), used + 1
}

func send(value operand) statement {
	return func(m *machine, f frame) code {
		v := value.in(f)
		if v == nil {
			return m.fail(errUndefinedOperand)
		}
		s := &m.sinks[m.sink]
		s.frame[s.loop.value] = v
		return m.receive(s.loop.body)
	}
}

// sendArray is send for an array that is made only to be sent.
func sendArray(elements []operand) statement {
	return func(m *machine, f frame) code {
		s := &m.sinks[m.sink]
		if len(s.loop.parts) != len(elements) {
			v := makeArray(f, elements)
			if v == nil {
				return m.fail(errUndefinedOperand)
			}
			s.frame[s.loop.value] = v
			return m.receive(s.loop.body)
		}
		for i, e := range elements {
			v := e.in(f)
			if v == nil {
				return m.fail(errUndefinedOperand)
			}
			s.frame[s.loop.parts[i]] = v
		}
		return m.receive(s.loop.rest)
	}
}

// receive runs the body of the loop over the elements, in whose frame the element lies.
func (m *machine) receive(body block) code {
	if c := m.step(); c != next {
		return c
	}
	current := m.sink
	m.sink = m.sinks[current].outer
	c := body.run(m, m.sinks[current].frame)
	m.sink = current
	switch {
	case c < scanLevels:
		return next
	case c == failed:
		return failed
	}
	// The loop ends here, but the streamed rule would go on.
	return m.fail(errLeftBlock)
}

// takenApart recognises a loop whose values are arrays of one length, each
// element of which gets a variable.
func (sc *scope) takenApart(scan *ir.ScanStmt) (parts []ir.Local, rest []ir.Stmt, ok bool) {
	b := scan.Block.Stmts
	for len(b) > 0 {
		assign, ok := b[0].(*ir.AssignVarStmt)
		if !ok || assign.Source.Value != scan.Key {
			break
		}
		b = b[1:] // the key has no further use
	}
	const head = 5
	if len(b) < head {
		return nil, nil, false
	}
	isArray, ok1 := b[0].(*ir.IsArrayStmt)
	length, ok2 := b[1].(*ir.LenStmt)
	want, ok3 := b[2].(*ir.MakeNumberIntStmt)
	equal, ok4 := b[3].(*ir.EqualStmt)
	index, ok5 := b[4].(*ir.MakeNumberIntStmt)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || isArray.Source.Value != scan.Value || length.Source.Value != scan.Value ||
		equal.A.Value != length.Target || equal.B.Value != want.Target || want.Value < 1 {
		return nil, nil, false
	}
	const each = 3
	n := int(want.Value)
	if len(b) < head+each*n {
		return nil, nil, false
	}
	unused := []ir.Local{scan.Value, length.Target, want.Target, index.Target}
	for i := range n {
		at := b[head+each*i:]
		position, ok1 := at[0].(*ir.AssignIntStmt)
		dot, ok2 := at[1].(*ir.DotStmt)
		assign, ok3 := at[2].(*ir.AssignVarStmt)
		if !ok1 || !ok2 || !ok3 || position.Target != index.Target || position.Value != int64(i) ||
			dot.Source.Value != scan.Value || dot.Key.Value != index.Target || assign.Source.Value != dot.Target {
			return nil, nil, false
		}
		if _, alias := sc.aliases[assign.Target]; alias {
			return nil, nil, false
		}
		parts = append(parts, assign.Target)
		unused = append(unused, dot.Target)
	}
	rest = b[head+each*n:]
	// No later statement may read as a whole what was taken apart.
	for _, v := range unused {
		again := false
		plan.Walk([]*ir.Block{{Stmts: rest}}, func(s ir.Stmt) {
			plan.Reads(s, func(r ir.Local) { again = again || sc.source(r) == v })
		})
		if again {
			return nil, nil, false
		}
	}
	return parts, rest, true
}
