package evaluator

import (
	"github.com/open-policy-agent/opa/v1/ir"
)

// A rule that loops over the set of another rule, and fills a set itself, does
// not need that set as a whole: it takes each element as the other rule gives
// it. Elements that come twice add what was added before. The set and its
// elements, sorted and hashed, were most of the work of such rules.

// maxStreamed is how often a rule may be evaluated this way instead of once.
const maxStreamed = 2

// sink is where a streamed rule sends its elements.
type sink struct {
	frame frame // of the rule that loops
	loop  *streamLoop
	outer int // the sink that was current before, and is while the body runs
}

// streamLoop is the body of a loop over streamed elements.
type streamLoop struct {
	value int // the variable for an element
	body  block
	// parts are the variables for the elements of an array, if the body takes
	// arrays of this length apart, and rest is the body after that.
	parts []int
	rest  block
}

// stream lowers a call of a rule and the loop over its result.
func (l *lowering) stream(call *ir.CallStmt, stmts []ir.Stmt) (s statement, used int) {
	if len(stmts) < 2 || l.depth != 1 || l.function.rule < 0 || l.single || l.uses[call.Result] != 1 {
		return nil, 0
	}
	scan, ok := stmts[1].(*ir.ScanStmt)
	if !ok || scan.Source != call.Result || l.needed(scan.Key) || !l.addsOnly(scan) {
		return nil, 0
	}
	fn := l.functions[call.Func]
	if fn == nil || l.sites[call.Func] > maxStreamed {
		return nil, 0
	}
	streamed := l.streamed(call.Func)
	if streamed == nil {
		return nil, 0
	}
	known := &scanner{source: operand{slot: int(call.Result)}, key: int(scan.Key), value: int(scan.Value)}
	loop := &streamLoop{value: int(scan.Value)}
	l.depth += scanLevels - 1
	loop.body = l.block(scan.Block)
	if parts, rest, ok := l.takenApart(scan); ok {
		for _, p := range parts {
			loop.parts = append(loop.parts, int(p))
		}
		loop.rest = l.block(&ir.Block{Stmts: rest})
	}
	l.depth -= scanLevels - 1
	known.body = loop.body
	args := l.operands(call.Args)
	return func(m *machine, f frame) code {
		if r := &m.memo.rules[fn.rule]; r.known {
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
	}, 2
}

// addsOnly reports whether all that a loop leaves behind is added to the set
// that its rule fills, so that neither order nor repetition matters.
func (l *lowering) addsOnly(scan *ir.ScanStmt) bool {
	inside := map[ir.Local]bool{}
	walk([]*ir.Block{scan.Block}, func(s ir.Stmt) {
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
	walk([]*ir.Block{scan.Block}, func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.ArrayAppendStmt:
			only = only && inside[s.Array]
		case *ir.SetAddStmt:
			only = only && (inside[s.Set] || int(s.Set) == l.function.result)
		case *ir.ObjectInsertStmt:
			only = only && inside[s.Object]
		case *ir.ObjectInsertOnceStmt:
			only = only && (inside[s.Object] || int(s.Object) == l.function.result)
		case *ir.AssignVarOnceStmt, *ir.ReturnLocalStmt, *ir.ResultSetAddStmt:
			only = false
		}
	})
	return only
}

// streamed is the rule as one that sends its elements to a sink, nil for rules
// that can't be had this way.
func (l *lowering) streamed(name string) *function {
	fn, known := l.planned[name], l.streams[name]
	if known != nil || fn == nil {
		return known
	}
	d := l.layouts[name]
	if !collects(fn, d) {
		return nil
	}
	own := *l
	whole := l.functions[name]
	f := &function{name: name, params: whole.params, result: whole.result, rule: whole.rule, args: -1, index: d.index}
	own.begin(f, fn.Blocks)
	own.sending = true
	for _, blocks := range d.definitions {
		f.definitions = append(f.definitions, own.outermost(blocks))
	}
	if own.err != nil {
		return nil
	}
	l.streams[name] = f
	return f
}

// send lowers the addition of an element to a streamed rule's result.
func send(value operand) statement {
	return func(m *machine, f frame) code {
		v := value.in(f)
		if v == nil {
			return m.fail(errUnplanned)
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
				return m.fail(errUnplanned)
			}
			s.frame[s.loop.value] = v
			return m.receive(s.loop.body)
		}
		for i, e := range elements {
			v := e.in(f)
			if v == nil {
				return m.fail(errUnplanned)
			}
			s.frame[s.loop.parts[i]] = v
		}
		return m.receive(s.loop.rest)
	}
}

// receive runs the body that wants the element, which lies in its frame.
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
	// The loop ends here, which the streamed rule knows nothing of.
	return m.fail(errUnplanned)
}

// takenApart recognises a loop whose values are arrays of one length, each
// element of which gets a variable.
func (l *lowering) takenApart(scan *ir.ScanStmt) (parts []ir.Local, rest []ir.Stmt, ok bool) {
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
		if _, alias := l.aliases[assign.Target]; alias {
			return nil, nil, false
		}
		parts = append(parts, assign.Target)
		unused = append(unused, dot.Target)
	}
	rest = b[head+each*n:]
	// What was taken apart must not be looked at again as a whole.
	for _, v := range unused {
		again := false
		walk([]*ir.Block{{Stmts: rest}}, func(s ir.Stmt) {
			reads(s, func(r ir.Local) { again = again || l.source(r) == v })
		})
		if again {
			return nil, nil, false
		}
	}
	return parts, rest, true
}

// source is the variable behind v.
func (l *lowering) source(v ir.Local) ir.Local {
	if source, ok := l.aliases[v]; ok {
		return source
	}
	return v
}

// sendLiteral lowers an array that is made, and sent at once.
func (l *lowering) sendLiteral(array ir.Local, elements []operand, after []ir.Stmt) (s statement, used int) {
	if !l.sending || len(after) == 0 {
		return nil, 0
	}
	sent := array
	if assign, ok := after[0].(*ir.AssignVarStmt); ok && assign.Source.Value == array && len(after) > 1 && l.uses[assign.Target] == 1 {
		after, used, sent = after[1:], 1, assign.Target
	}
	add, ok := after[0].(*ir.SetAddStmt)
	if !ok || int(add.Set) != l.function.result || add.Value.Value != sent {
		return nil, 0
	}
	return sendArray(elements), used + 1
}
