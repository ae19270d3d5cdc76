package document

import (
	"bytes"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Decode reads exactly one JSON value (RFC 8259) into the form OPA evaluates. It
// refuses what two readers could understand differently: duplicate names in an
// object, invalid UTF-8, data after the value; and what could exhaust the service:
// nesting deeper than 128, numbers outside float64. Every such error is a
// *SyntaxError.
//
// Members whose names are in names, which may be nil, have those very terms as
// their names. The value does not alias content.
func Decode(content []byte, names Names) (ast.Value, error) {
	parsed, err := Parse(content)
	if err != nil {
		return nil, err
	}
	defer parsed.Release()
	parsed.names = names
	return parsed.Root().Decode(), nil
}

// DecodeObject is Decode for a text that has to be an object. Strings of the value
// are parts of text, which stays in memory as long as any of them does.
func DecodeObject(text string) (ast.Object, error) {
	parsed, err := ParseObject([]byte(text))
	if err != nil {
		return nil, err
	}
	defer parsed.Release()
	parsed.whole = text
	return parsed.Root().Decode().(ast.Object), nil
}

// Decode builds the form OPA evaluates. It does not alias the document.
func (v Value) Decode() ast.Value {
	n := v.node()
	_ = pause(int(v.index), nil)
	switch n.kind {
	case 'n':
		return ast.Null{}
	case 't':
		return ast.Boolean(true)
	case 'f':
		return ast.Boolean(false)
	case '"':
		if raw := n.raw; bytes.IndexByte(v.document.bytes(raw), '\\') < 0 {
			return ast.String(v.document.string(span{start: raw.start + 1, end: raw.end - 1}))
		}
		return ast.String(unquote(v.Raw()))
	case '0':
		return ast.Number(v.document.string(n.raw))
	case '[':
		items := make([]*ast.Term, 0, 8)
		v.each(func(_ []byte, item Value) bool {
			items = append(items, ast.NewTerm(item.Decode()))
			return true
		})
		return ast.NewArray(items...)
	}
	// All the terms of one object in one piece: they live as long as it does.
	members := v.count()
	terms := make([]ast.Term, 2*members)
	pairs := make([][2]*ast.Term, 0, members)
	v.each(func(text []byte, value Value) bool {
		here := terms[2*len(pairs):]
		name := v.document.names[string(text)]
		if name == nil {
			name = &here[0]
			name.Value = ast.String(v.document.string(value.node().name))
		}
		here[1].Value = value.Decode()
		pairs = append(pairs, [2]*ast.Term{name, &here[1]})
		return true
	})
	return ast.NewObject(pairs...)
}
