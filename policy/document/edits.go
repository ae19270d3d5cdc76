package document

import "github.com/go-json-experiment/json/jsontext"

// Hide removes the member called name from what is read: no reader of the document
// finds it, and no text or key made of it holds it.
func (v Value) Hide(name string) {
	if member := v.Get(name); !member.Absent() {
		member.node().hidden = true
		v.markEdited()
	}
}

// Rename gives the member called from the name to. Nothing changes where it is absent.
func (v Value) Rename(from, to string) {
	if member := v.Get(from); !member.Absent() {
		start := len(v.document.extra)
		v.document.extra = append(v.document.extra, to...)
		member.node().name = v.document.extraSpan(start)
		v.markEdited()
	}
}

// Replace gives the member called name, which has to be there, a string as its value.
func (v Value) Replace(name, value string) {
	if v.Is(name, value) {
		return
	}
	member := v.Get(name)
	start := len(v.document.extra)
	v.document.extra, _ = jsontext.AppendQuote(v.document.extra, value) // fails on invalid UTF-8 alone
	n := member.node()
	n.kind, n.raw = '"', v.document.extraSpan(start)
	v.markEdited()
}

// markEdited marks v and every value that contains it.
func (v Value) markEdited() {
	nodes := v.document.nodes
	for i := range nodes[:v.index+1] {
		if nodes[i].next > v.index {
			nodes[i].edited = true
		}
	}
}

// appendText appends the value's JSON text with all edits.
func (v Value) appendText(b []byte) []byte {
	n := v.node()
	if !n.edited {
		return append(b, v.Raw()...)
	}
	closing := byte('}')
	if n.kind == '[' {
		closing = ']'
	}
	b = append(b, byte(n.kind))
	first := true
	v.each(func(name []byte, value Value) bool {
		if !first {
			b = append(b, ',')
		}
		first = false
		if n.kind == '{' {
			b, _ = jsontext.AppendQuote(b, name) // names are valid UTF-8
			b = append(b, ':')
		}
		b = value.appendText(b)
		return true
	})
	return append(b, closing)
}
