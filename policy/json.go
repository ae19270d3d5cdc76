package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-dev/verdict/policy/evaluator"
)

// JSON is one JSON document that was checked whole (see DecodeValue for
// what is refused) and indexed, but not decoded: what a footprint does not read
// never becomes a value. It refers to the text it was parsed from, which must
// stay as it is for as long as the document is used.
//
// It is for one goroutine at a time while it is edited, and may be shared
// afterwards.
type JSON struct {
	text []byte
	// whole is text as a string that decoded values may be parts of; "" when they
	// shall not keep all of it in memory.
	whole string
	// extra holds the texts of edits, and names that were written with escapes.
	extra []byte
	nodes []node
	// names are what members are called by where they have these names.
	names evaluator.Names
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

var documents = sync.Pool{New: func() any { return new(JSON) }}

// maxDocument bounds a text in bytes: spans count in 31 bits.
const maxDocument = inExtra - 1

// ParseJSON checks and indexes text. Every error is a *SyntaxError. Release
// gives the document back.
func ParseJSON(text []byte) (*JSON, error) { return ParseJSONUntil(nil, text) }

// ParseJSONUntil is ParseJSON for a caller that waits no longer than until, a
// context; nil for any time. An error is a *SyntaxError or ErrTimeout.
func ParseJSONUntil(until Until, text []byte) (*JSON, error) {
	if len(text) > maxDocument {
		return nil, &SyntaxError{Message: "the document is larger than 2 GiB"}
	}
	d := documents.Get().(*JSON)
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
func (d *JSON) makeRoom(until Until) error {
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

// ParseObject is ParseJSON for a document that has to be an object.
func ParseObject(text []byte) (*JSON, error) { return ParseObjectUntil(nil, text) }

// ParseObjectUntil is ParseJSONUntil for a document that has to be an object.
func ParseObjectUntil(until Until, text []byte) (*JSON, error) {
	d, err := ParseJSONUntil(until, text)
	if err != nil {
		return nil, err
	}
	if root := d.Root(); !root.IsObject() {
		defer d.Release()
		return nil, &SyntaxError{Message: "the document is " + root.kind() + ", not an object"}
	}
	return d, nil
}

// Release makes the document's memory available to others. Neither it nor a
// Value of it may be used afterwards. A document that is kept is not released.
func (d *JSON) Release() {
	d.text, d.whole, d.names = nil, "", nil
	if cap(d.nodes) > maxPooledNodes || cap(d.extra) > maxPooledExtra {
		return
	}
	// Nothing of one request may be found by the next.
	clear(d.extra)
	documents.Put(d)
}

var tokenizers = sync.Pool{New: func() any {
	t := &tokenizer{}
	t.decoder = jsontext.NewDecoder(&t.buffer)
	return t
}}

// tokenizer is a jsontext.Decoder that is used again. Its buffer aliases the
// text that is read, and is never written to.
type tokenizer struct {
	decoder *jsontext.Decoder
	buffer  bytes.Buffer
	until   Until
	large   bool
}

func newTokenizer(text []byte, until Until) *tokenizer {
	// The decoder keeps the names of an object until it reads the next one.
	const large = 1 << 20
	t := tokenizers.Get().(*tokenizer)
	t.buffer, t.until, t.large = *bytes.NewBuffer(text), until, len(text) > large
	t.decoder.Reset(&t.buffer)
	return t
}

func (t *tokenizer) release() {
	if t.large {
		return
	}
	t.buffer, t.until = bytes.Buffer{}, nil
	t.decoder.Reset(&t.buffer)
	tokenizers.Put(t)
}

func (d *JSON) parse(until Until) error {
	t := newTokenizer(d.text, until)
	defer t.release()
	if err := d.value(t, span{}, 0); errors.Is(err, ErrTimeout) {
		return err
	} else if err != nil {
		return NewSyntaxError(err, t.decoder.InputOffset())
	}
	if _, err := t.decoder.ReadToken(); err == nil {
		return &SyntaxError{Offset: t.decoder.InputOffset(), Message: "data after the document"}
	} else if !errors.Is(err, io.EOF) {
		return NewSyntaxError(err, t.decoder.InputOffset())
	}
	return nil
}

func (d *JSON) value(t *tokenizer, name span, depth int) error {
	json := t.decoder
	kind := json.PeekKind()
	here := len(d.nodes)
	if err := pause(here, t.until); err != nil {
		return err
	}
	switch kind {
	case '{', '[':
		if depth >= maxDepth {
			return refuse(json, tooDeep)
		}
		if _, err := json.ReadToken(); err != nil {
			return err
		}
		start := uint32(json.InputOffset() - 1) //nolint:gosec // bounded by maxDocument
		d.nodes = append(d.nodes, node{kind: kind, name: name})
		for {
			next := json.PeekKind()
			if next == ']' || next == '}' {
				break
			}
			member := span{}
			if kind == '{' {
				var err error
				if member, err = d.memberName(json); err != nil {
					return err
				}
			}
			if err := d.value(t, member, depth+1); err != nil {
				return err
			}
		}
		if _, err := json.ReadToken(); err != nil {
			return err
		}
		d.nodes[here].raw = span{start: start, end: uint32(json.InputOffset())} //nolint:gosec // bounded by maxDocument
	default:
		raw, err := json.ReadValue()
		if err != nil {
			return err
		}
		if kind == '0' {
			if message := checkNumber(raw); message != "" {
				return refuse(json, message)
			}
		}
		end := uint32(json.InputOffset()) //nolint:gosec // bounded by maxDocument
		d.nodes = append(d.nodes, node{
			kind: kind, name: name,
			raw: span{start: end - uint32(len(raw)), end: end}, //nolint:gosec // bounded by maxDocument
		})
	}
	d.nodes[here].next = uint32(len(d.nodes)) //nolint:gosec // no more nodes than bytes
	return nil
}

// memberName reads the name of a member. ReadValue refuses duplicates too.
func (d *JSON) memberName(json *jsontext.Decoder) (span, error) {
	raw, err := json.ReadValue()
	if err != nil {
		return span{}, err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		end := uint32(json.InputOffset()) - 1                         //nolint:gosec // bounded by maxDocument
		return span{start: end - uint32(len(raw)) + 2, end: end}, nil //nolint:gosec // bounded by maxDocument
	}
	start := len(d.extra)
	if d.extra, err = jsontext.AppendUnquote(d.extra, raw); err != nil {
		return span{}, err
	}
	return d.extraSpan(start), nil
}

func (d *JSON) extraSpan(start int) span {
	return span{start: uint32(start) | inExtra, end: uint32(len(d.extra))} //nolint:gosec // names and edits are shorter than the text
}

func refuse(json *jsontext.Decoder, message string) error {
	return &SyntaxError{Pointer: string(json.StackPointer()), Offset: json.InputOffset(), Message: message}
}

// checkNumber says what is wrong with a number, "" when nothing is.
func checkNumber(literal []byte) string {
	if len(literal) > maxNumberLength {
		return fmt.Sprintf("number longer than %d bytes", maxNumberLength)
	}
	if !bytes.ContainsAny(literal, "eE") {
		return "" // so short a number is a float64
	}
	_, exponent, _ := strings.Cut(strings.ToLower(string(literal)), "e")
	if _, err := strconv.ParseFloat(string(literal), 64); err != nil || len(exponent) > maxExponentLength {
		return "number out of range"
	}
	return ""
}

// string is bytes as a string.
func (d *JSON) string(s span) string {
	if d.whole != "" && s.start&inExtra == 0 {
		return d.whole[s.start:s.end]
	}
	return string(d.bytes(s))
}

func (d *JSON) bytes(s span) []byte {
	if s.start&inExtra != 0 {
		return d.extra[s.start&^inExtra : s.end]
	}
	return d.text[s.start:s.end]
}
