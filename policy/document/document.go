package document

import (
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Document is one JSON document that was checked whole (see DecodeValue for
// what is refused) and indexed, but not decoded: what a footprint does not read
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
	// names are what members are called by where they have these names.
	names Names
}

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

// maxPooledNodes is how many values a document may have room for, and
// maxPooledExtra how many bytes of extra, and still be used again: objects of
// Kubernetes have hundreds of values, and data files millions.
const (
	maxPooledNodes = 1 << 12
	maxPooledExtra = 1 << 16
)

var documents = sync.Pool{New: func() any { return new(Document) }}

// maxDocument bounds a text in bytes: spans count in 31 bits.
const maxDocument = inExtra - 1

// Parse checks and indexes text. Every error is a *SyntaxError. Release
// gives the document back.
func Parse(text []byte) (*Document, error) { return ParseUntil(nil, text) }

// ParseUntil is Parse for a caller that waits no longer than until, a
// context; nil for any time. An error is a *SyntaxError or ErrTimeout.
func ParseUntil(until Until, text []byte) (*Document, error) {
	if len(text) > maxDocument {
		return nil, &SyntaxError{Message: "the document is larger than 2 GiB"}
	}
	d := documents.Get().(*Document)
	d.text, d.extra, d.nodes = text, d.extra[:0], d.nodes[:0]
	if err := d.makeRoom(until); err != nil {
		d.Release()
		return nil, err
	}
	if err := d.parse(until); err != nil {
		d.Release()
		return nil, err
	}
	return d, nil
}

// makeRoom sizes the index of a long text once: growing would take several
// times its memory.
func (d *Document) makeRoom(until Until) error {
	const long = 64 << 10
	if len(d.text) < long {
		return nil
	}
	values, err := CountValues(until, d.text)
	if err == nil && values > cap(d.nodes) {
		d.nodes = make([]node, 0, values)
	}
	return err
}

// ParseObject is Parse for a document that has to be an object.
func ParseObject(text []byte) (*Document, error) { return ParseObjectUntil(nil, text) }

// ParseObjectUntil is ParseUntil for a document that has to be an object.
func ParseObjectUntil(until Until, text []byte) (*Document, error) {
	d, err := ParseUntil(until, text)
	if err != nil {
		return nil, err
	}
	if root := d.Root(); !root.IsObject() {
		defer d.Release()
		return nil, &SyntaxError{Message: "the document is " + string(root.Kind()) + ", not an object"}
	}
	return d, nil
}

// Release makes the document's memory available to others. Neither it nor a
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
