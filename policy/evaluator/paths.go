package evaluator

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// path lowers a reference such as input.spec.user to one statement, which
// remembers what it found for as long as input and data stay the same.
func (l *lowering) path(stmts []ir.Stmt) (s statement, used int) {
	first, ok := stmts[0].(*ir.DotStmt)
	if !ok {
		return nil, 0
	}
	root, ok := first.Source.Value.(ir.Local)
	if !ok || (root != ir.Input && root != ir.Data) {
		return nil, 0
	}
	var keys []*ast.Term
	target := root
	for _, s := range stmts {
		dot, ok := s.(*ir.DotStmt)
		if !ok || dot.Source.Value != target || (used > 0 && (l.uses[target] != 1 || l.writes[target] != 1)) {
			break
		}
		name, ok := dot.Key.Value.(ir.StringIndex)
		if !ok {
			break
		}
		keys = append(keys, l.string(int(name)))
		target = dot.Target
		used++
	}
	if used == 0 {
		return nil, 0
	}
	if root == ir.Data {
		return l.dataPath(keys, target), used
	}
	at, slot := l.pathNumber(root, keys), int(target)
	names := namesOf(keys)
	return func(m *machine, f frame) code {
		v := m.inputAt(at, names, keys)
		f[slot] = v
		if v == nil {
			return undefined
		}
		return next
	}, used
}

// dataPath lowers a reference to data by names.
func (l *lowering) dataPath(keys []*ast.Term, target ir.Local) statement {
	slot, open := int(target), l.open[target]
	at := l.numberOf("data", ir.Data, keys)
	if open {
		at = l.numberOf("layers", ir.Data, keys) // which remembers what is not complete
	}
	return func(m *machine, f frame) code {
		known := &m.memo.paths[at]
		if !known.known {
			v := m.memo.data
			for _, k := range keys {
				if v == nil {
					break
				}
				if foundByName(v, k) {
					return m.fail(errUnplanned)
				}
				v = part(v, k)
			}
			if !open {
				v = complete(v)
			}
			known.known, known.value = true, v
		}
		f[slot] = known.value
		if known.value == nil {
			return undefined
		}
		return next
	}
}

// openIn finds the variables of b from which a reference goes on, and nothing else is
// read.
func (l *lowering) openIn(b *ir.Block) map[ir.Local]bool {
	goesOn := map[ir.Local]int{}
	passes := map[ir.Local]ir.Local{}
	var visit func(blocks []*ir.Block)
	visit = func(blocks []*ir.Block) {
		for _, b := range blocks {
			for i, s := range b.Stmts {
				switch s := s.(type) {
				case *ir.DotStmt:
					if v, ok := s.Source.Value.(ir.Local); ok && s.Key.Value != s.Source.Value {
						goesOn[v]++
					}
				case *ir.ScanStmt:
					goesOn[s.Source]++
					visit([]*ir.Block{s.Block})
				case *ir.AssignVarStmt:
					// A reference whose rule is not there goes on after the block.
					if v, ok := s.Source.Value.(ir.Local); ok && i+1 < len(b.Stmts) {
						if leave, ok := b.Stmts[i+1].(*ir.BreakStmt); ok && leave.Index == 1 {
							passes[v] = s.Target
						}
					}
				case *ir.BlockStmt:
					visit(s.Blocks)
				case *ir.NotStmt:
					visit([]*ir.Block{s.Block})
				case *ir.WithStmt:
					visit([]*ir.Block{s.Block})
				}
			}
		}
	}
	visit([]*ir.Block{b})
	out := map[ir.Local]bool{}
	for v, n := range goesOn {
		out[v] = n == l.uses[v]
	}
	for v, to := range passes {
		out[v] = l.uses[v] == 1 && out[to]
	}
	return out
}

func namesOf(keys []*ast.Term) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = string(k.Value.(ast.String))
	}
	return names
}

// inputAt is what lies at the path with that number in input, by names, which
// keys are as terms.
func (m *machine) inputAt(at int, names []string, keys []*ast.Term) *ast.Term {
	known := &m.memo.paths[at]
	if known.known {
		return known.value
	}
	var v *ast.Term
	if m.document == nil {
		v = m.memo.input
		for _, k := range keys {
			if v == nil {
				break
			}
			v = part(v, k)
		}
	} else if value := m.document.At(names); value != nil {
		v = ast.NewTerm(value)
	}
	known.known, known.value = true, v
	return v
}

// find is what a reference finds in the input that is a document, by its parts
// after `input`.
func (m *machine) find(parts ast.Ref) ast.Value {
	names := make([]string, 0, 8)
	for _, p := range parts {
		name, ok := p.Value.(ast.String)
		if !ok {
			break
		}
		names = append(names, string(name))
	}
	v := m.named(names)
	if v == nil || len(names) == len(parts) {
		return v
	}
	below, err := v.Find(parts[len(names):])
	if err != nil {
		return nil
	}
	return below
}

// named is what lies at a path of names in the input that is a document.
func (m *machine) named(names []string) ast.Value {
	if len(names) == 0 {
		return m.document.Value()
	}
	for _, p := range m.program.inputPaths[names[len(names)-1]] {
		if slices.Equal(p.names, names) {
			if v := m.inputAt(p.at, p.names, nil); v != nil {
				return v.Value
			}
			return nil
		}
	}
	return m.document.At(names)
}

// readsWholeInput reports whether input is read otherwise than by paths of names.
func (l *lowering) readsWholeInput() bool {
	whole := false
	read := func(o ir.Operand) { whole = whole || o.Value == ir.Input }
	check := func(s ir.Stmt) {
		switch s := s.(type) {
		case *ir.DotStmt:
			read(s.Key)
			if _, named := s.Key.Value.(ir.StringIndex); !named {
				read(s.Source)
			}
		case *ir.CallStmt:
			for i, a := range s.Args {
				if l.functions[s.Func] == nil || i >= passedOn {
					read(a)
				}
			}
		case *ir.CallDynamicStmt:
			for i, a := range s.Args {
				whole = whole || i >= passedOn && a == ir.Input
			}
			for _, p := range s.Path {
				read(p)
			}
		default:
			reads(s, func(v ir.Local) { whole = whole || v == ir.Input })
		}
	}
	for _, fn := range l.policy.Funcs.Funcs {
		walk(fn.Blocks, check)
	}
	for _, p := range l.policy.Plans.Plans {
		walk(p.Blocks, check)
	}
	return whole
}

// passedOn are the arguments of every planned function that are input and data.
const passedOn = 2

// pathNumber is the place of a path of input among those that a memo remembers.
func (l *lowering) pathNumber(root ir.Local, keys []*ast.Term) int {
	return l.numberOf("", root, keys)
}

func (l *lowering) numberOf(kind string, root ir.Local, keys []*ast.Term) int {
	var name strings.Builder
	name.WriteString(kind)
	for _, k := range keys {
		name.WriteByte(0)
		name.WriteString(k.Value.String()) // quoted, so that the zero byte is not in it
	}
	n, known := l.paths[name.String()]
	if !known {
		n = len(l.paths)
		l.paths[name.String()] = n
		l.program.paths = len(l.paths)
		if root == ir.Input {
			names := namesOf(keys)
			last := names[len(names)-1]
			l.program.inputPaths[last] = append(l.program.inputPaths[last], inputPath{names: names, at: n})
		}
	}
	return n
}
