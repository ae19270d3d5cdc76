package document

import (
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"
)

// Document is one JSON document that was checked whole (see Decode for what is
// refused) and indexed, but not decoded: what a footprint does not read
// never becomes a value. It refers to the text it was parsed from, which must
// stay as it is for as long as the document is used.
//
// It is for one goroutine at a time while it is edited, and may be shared
// afterwards.
type Document struct {
	text []byte
	// whole is text as a string that decoded values may be parts of; "" when they
	// must not keep all of it in memory.
	whole string
	// extra holds the texts of edits, and names that were written with escapes.
	extra []byte
	nodes []node
	// names are terms that members of these names share when they are decoded.
	names Names
}

// Names are terms by the strings that they hold.
type Names map[string]*ast.Term

// node is one value of a document, in 24 bytes. Those of an object or array
// follow it, up to the node at index next.
type node struct {
	name span // of a member, without quotes and escapes
	raw  span
	next uint32
	kind jsontext.Kind
	// edited says that the text at raw is no longer what the value is: something
	// below it was hidden, renamed or replaced.
	edited bool
	hidden bool
}

// span is a part of the text of a document, or of its extra.
type span struct {
	start uint32 // and inExtra
	end   uint32
}

// inExtra is set in the start of a span of the extra: no text is that long.
const inExtra = 1 << 31

// maxDocument bounds a text in bytes: spans count in 31 bits.
const maxDocument = inExtra - 1

// maxPooledNodes is how many values a document may have room for, and
// maxPooledExtra how many bytes of extra, and still be used again: objects of
// Kubernetes have hundreds of values, and data files millions.
const (
	maxPooledNodes = 1 << 12
	maxPooledExtra = 1 << 16
)

var documents = sync.Pool{New: func() any { return new(Document) }}

// Release makes the memory of the document available to other documents. Neither it nor a
// Value of it may be used afterwards. A document that is kept is not released.
func (d *Document) Release() {
	d.text, d.whole, d.names = nil, "", nil
	if cap(d.nodes) > maxPooledNodes || cap(d.extra) > maxPooledExtra {
		return
	}
	// Nothing of one request may be found by the next.
	clear(d.extra)
	documents.Put(d)
}

// string is bytes as a string.
func (d *Document) string(s span) string {
	if d.whole != "" && s.start&inExtra == 0 {
		return d.whole[s.start:s.end]
	}
	return string(d.bytes(s))
}

func (d *Document) bytes(s span) []byte {
	if s.start&inExtra != 0 {
		return d.extra[s.start&^inExtra : s.end]
	}
	return d.text[s.start:s.end]
}
