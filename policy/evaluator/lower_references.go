package evaluator

import "github.com/open-policy-agent/opa/v1/ir"

func (sc *scope) dot(s *ir.DotStmt) statement {
	if _, ok := s.Source.Value.(ir.Local); !ok {
		return func(*machine, frame) code { return undefined } // a scalar has no parts
	}
	// What is not a path needs the term.
	sc.program.wholeInput = sc.program.wholeInput || s.Source.Value == ir.Input
	source, key, target := sc.operand(s.Source), sc.operand(s.Key), int(s.Target)
	if sc.Base[s.Source.Value.(ir.Local)] {
		return dotBase(source, key, target, sc.Open[s.Target], sc.Partial[s.Source.Value.(ir.Local)])
	}
	if sc.Partial[s.Source.Value.(ir.Local)] && (key.value == nil || hasDigits(key.value)) {
		return dotPartial(source, key, target)
	}
	if source.value == nil && key.value != nil {
		from, name := source.slot, key.value
		return func(_ *machine, f frame) code {
			v := f[from]
			if v == nil {
				return undefined
			}
			v = part(v, name)
			f[target] = v
			if v == nil {
				return undefined
			}
			return next
		}
	}
	return func(_ *machine, f frame) code {
		v, k := source.in(f), key.in(f)
		if v == nil || k == nil {
			return undefined
		}
		v = part(v, k)
		f[target] = v
		if v == nil {
			return undefined
		}
		return next
	}
}

// dotBase looks a key up in a base document.
func dotBase(source, key operand, target int, open, partial bool) statement {
	return func(m *machine, f frame) code {
		v, k := source.in(f), key.in(f)
		if v == nil || k == nil {
			return undefined
		}
		if foundByName(v, k) {
			return m.fail(errNumberAsKey)
		}
		found := part(v, k)
		if found == nil && partial && hasAlike(v, k) {
			return m.fail(errNumberAsKey)
		}
		if v = found; !open {
			v = complete(v)
		}
		f[target] = v
		if v == nil {
			return undefined
		}
		return next
	}
}

// dotPartial looks a key up in the result of a rule that fills a set or an object. The
// interpreter knows the key before it evaluates the rule.
func dotPartial(source, key operand, target int) statement {
	return func(m *machine, f frame) code {
		v, k := source.in(f), key.in(f)
		if v == nil || k == nil {
			return undefined
		}
		found := part(v, k)
		if found == nil && hasAlike(v, k) {
			return m.fail(errNumberAsKey)
		}
		f[target] = found
		if found == nil {
			return undefined
		}
		return next
	}
}
