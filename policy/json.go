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
	"github.com/open-policy-agent/opa/v1/ast"
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
	// extra holds the texts of edits, and names that were written with escapes.
	extra []byte
	nodes []node
}

// node is one value of a document. Those of an object or array follow it, up to
// the node at index next.
type node struct {
	kind jsontext.Kind
	// edited says that the text at raw is no longer what the value is: something
	// below it was hidden, renamed or replaced.
	edited bool
	hidden bool
	depth  uint8
	name   span // of a member, without quotes and escapes
	raw    span
	next   uint32
}

// span is a part of the text of a document, or of its extra.
type span struct {
	start, end uint32
	extra      bool
}

// maxPooledNodes is how many values a document may have room for and still be
// used again: more are those of data files.
const maxPooledNodes = 1 << 16

var documents = sync.Pool{New: func() any { return new(JSON) }}

// maxDocument bounds a text in bytes: spans count in 32 bits.
const maxDocument = 1 << 31

// ParseJSON checks and indexes text. Every error is a *SyntaxError. Release
// gives the document back.
func ParseJSON(text []byte) (*JSON, error) {
	if len(text) > maxDocument {
		return nil, &SyntaxError{Message: "the document is larger than 2 GiB"}
	}
	d := documents.Get().(*JSON)
	d.text, d.extra, d.nodes = text, d.extra[:0], d.nodes[:0]
	if err := d.parse(); err != nil {
		d.Release()
		return nil, err
	}
	return d, nil
}

// ParseObject is ParseJSON for a document that has to be an object.
func ParseObject(text []byte) (*JSON, error) {
	d, err := ParseJSON(text)
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
	d.text = nil
	if cap(d.nodes) > maxPooledNodes {
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
}

func newTokenizer(text []byte) *tokenizer {
	t := tokenizers.Get().(*tokenizer)
	t.buffer = *bytes.NewBuffer(text)
	t.decoder.Reset(&t.buffer)
	return t
}

func (t *tokenizer) release() {
	t.buffer = bytes.Buffer{}
	t.decoder.Reset(&t.buffer)
	tokenizers.Put(t)
}

func (d *JSON) parse() error {
	t := newTokenizer(d.text)
	defer t.release()
	if err := d.value(t.decoder, span{}, 0); err != nil {
		return NewSyntaxError(err, t.decoder.InputOffset())
	}
	if _, err := t.decoder.ReadToken(); err == nil {
		return &SyntaxError{Offset: t.decoder.InputOffset(), Message: "data after the document"}
	} else if !errors.Is(err, io.EOF) {
		return NewSyntaxError(err, t.decoder.InputOffset())
	}
	return nil
}

func (d *JSON) value(json *jsontext.Decoder, name span, depth int) error {
	kind := json.PeekKind()
	here := len(d.nodes)
	switch kind {
	case '{', '[':
		if depth >= maxDepth {
			return refuse(json, fmt.Sprintf("nested deeper than %d levels", maxDepth))
		}
		if _, err := json.ReadToken(); err != nil {
			return err
		}
		start := uint32(json.InputOffset() - 1)                                      //nolint:gosec // bounded by maxDocument
		d.nodes = append(d.nodes, node{kind: kind, depth: uint8(depth), name: name}) //nolint:gosec // bounded by maxDepth
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
			if err := d.value(json, member, depth+1); err != nil {
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
			kind: kind, depth: uint8(depth), name: name, //nolint:gosec // bounded by maxDepth
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
	return span{start: uint32(start), end: uint32(len(d.extra)), extra: true} //nolint:gosec // names and edits are shorter than the text
}

func refuse(json *jsontext.Decoder, message string) error {
	return &SyntaxError{Pointer: string(json.StackPointer()), Offset: json.InputOffset(), Message: message}
}

// checkNumber says what is wrong with a number, "" when nothing is.
func checkNumber(literal []byte) string {
	if len(literal) > maxNumberLength {
		return fmt.Sprintf("number longer than %d bytes", maxNumberLength)
	}
	if len(literal) <= maxPlainNumber && bytes.IndexAny(literal, "eE") < 0 {
		return ""
	}
	_, exponent, _ := strings.Cut(strings.ToLower(string(literal)), "e")
	if _, err := strconv.ParseFloat(string(literal), 64); err != nil || len(exponent) > maxExponentLength {
		return "number out of range"
	}
	return ""
}

// maxPlainNumber is the length up to which a number without an exponent is
// surely a float64.
const maxPlainNumber = 300

func (d *JSON) bytes(s span) []byte {
	if s.extra {
		return d.extra[s.start:s.end]
	}
	return d.text[s.start:s.end]
}

// Root is the whole document.
func (d *JSON) Root() Value { return Value{document: d, index: 0} }

// Value is one value of a JSON document. The zero Value is an absent one.
type Value struct {
	document *JSON
	index    uint32
}

func (v Value) node() *node { return &v.document.nodes[v.index] }

// Absent reports whether there is no value.
func (v Value) Absent() bool { return v.document == nil }

// IsNull reports whether the value is absent or null.
func (v Value) IsNull() bool { return v.document == nil || v.node().kind == 'n' }

// IsObject reports whether the value is an object.
func (v Value) IsObject() bool { return v.document != nil && v.node().kind == '{' }

// Raw is the text of the value as it was written. It must not be changed.
func (v Value) Raw() []byte { return v.document.bytes(v.node().raw) }

// Get returns the member called name; absent where there is none, or where the
// value is no object.
func (v Value) Get(name string) Value {
	if !v.IsObject() {
		return Value{}
	}
	nodes := v.document.nodes
	for i := v.index + 1; i < nodes[v.index].next; i = nodes[i].next {
		if n := &nodes[i]; !n.hidden && string(v.document.bytes(n.name)) == name {
			return Value{document: v.document, index: i}
		}
	}
	return Value{}
}

// each calls visit for every member or item in order, until it returns false.
func (v Value) each(visit func(name []byte, value Value) bool) {
	nodes := v.document.nodes
	for i := v.index + 1; i < nodes[v.index].next; i = nodes[i].next {
		if n := &nodes[i]; !n.hidden && !visit(v.document.bytes(n.name), Value{document: v.document, index: i}) {
			return
		}
	}
}

// Object returns the object at name; absent when it is absent or null.
func (v Value) Object(name string) (Value, error) {
	member := v.Get(name)
	switch {
	case member.IsNull():
		return Value{}, nil
	case member.IsObject():
		return member, nil
	}
	return Value{}, fmt.Errorf("%s: must be an object, not %s", name, member.kind())
}

// String returns the string at name, "" when it is absent or null.
func (v Value) String(name string) (string, error) {
	raw, err := v.text(name)
	if err != nil || raw == nil {
		return "", err
	}
	return unquote(raw), nil
}

// CheckString is String without a result.
func (v Value) CheckString(name string) error {
	_, err := v.text(name)
	return err
}

// text returns the raw text of the string at name, nil when it is absent or null.
func (v Value) text(name string) ([]byte, error) {
	member := v.Get(name)
	switch {
	case member.IsNull():
		return nil, nil
	case member.node().kind == '"':
		return member.Raw(), nil
	}
	return nil, fmt.Errorf("%s: must be a string, not %s", name, member.kind())
}

// Is reports whether the member called name is the string want.
func (v Value) Is(name, want string) bool {
	member := v.Get(name)
	if member.Absent() || member.node().kind != '"' {
		return false
	}
	raw := member.Raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1:len(raw)-1]) == want
	}
	return unquote(raw) == want
}

// Strings returns the list of strings at name, nil when it is absent or null.
func (v Value) Strings(name string) ([]string, error) {
	var out []string
	_, err := v.strings(name, func(raw []byte) { out = append(out, unquote(raw)) })
	return out, err
}

// CheckStrings is Strings with only the number of strings as its result.
func (v Value) CheckStrings(name string) (int, error) {
	return v.strings(name, func([]byte) {})
}

func (v Value) strings(name string, visit func(raw []byte)) (count int, err error) {
	if count, err = v.Get(name).listOfStrings(visit); err != nil {
		err = fmt.Errorf("%s%w", name, err)
	}
	return count, err
}

// listOfStrings visits the raw texts of a list of strings. What an error says
// goes on from the name of the list.
func (v Value) listOfStrings(visit func(raw []byte)) (count int, err error) {
	if v.IsNull() {
		return 0, nil
	}
	if v.node().kind != '[' {
		return 0, fmt.Errorf(": must be a list of strings, not %s", v.kind())
	}
	v.each(func(_ []byte, item Value) bool {
		if item.node().kind != '"' {
			err = fmt.Errorf("[%d]: must be a string, not %s", count, item.kind())
			return false
		}
		visit(item.Raw())
		count++
		return true
	})
	return count, err
}

// CheckStringLists checks that name, when present, maps names to lists of
// strings, as the `extra` of a Kubernetes user does.
func (v Value) CheckStringLists(name string) error {
	lists, err := v.Object(name)
	if err != nil || lists.Absent() {
		return err
	}
	lists.each(func(key []byte, list Value) bool {
		if _, err = list.listOfStrings(func([]byte) {}); err != nil {
			err = fmt.Errorf("%s.%s%w", name, key, err)
		}
		return err == nil
	})
	return err
}

// Objects checks that name, when present, is a list of objects, and returns them.
func (v Value) Objects(name string) ([]Value, error) {
	member := v.Get(name)
	if member.IsNull() {
		return nil, nil
	}
	if member.node().kind != '[' {
		return nil, fmt.Errorf("%s: must be a list of objects, not %s", name, member.kind())
	}
	var out []Value
	var err error
	member.each(func(_ []byte, item Value) bool {
		if !item.IsObject() {
			err = fmt.Errorf("%s[%d]: must be an object, not %s", name, len(out), item.kind())
			return false
		}
		out = append(out, item)
		return true
	})
	return out, err
}

// Hide takes the member called name away: nobody who reads the document finds
// it, and no text or key made of it holds it.
func (v Value) Hide(name string) {
	if member := v.Get(name); !member.Absent() {
		member.node().hidden = true
		v.markEdited()
	}
}

// Rename calls the member from by another name, to. Nothing changes where it is absent.
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

// markEdited marks v and everything it is in.
func (v Value) markEdited() {
	nodes := v.document.nodes
	for i := range nodes[:v.index+1] {
		if nodes[i].next > v.index {
			nodes[i].edited = true
		}
	}
}

// kind names the JSON type for messages.
func (v Value) kind() string {
	if v.document == nil {
		return "undefined"
	}
	switch v.node().kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '0':
		return "a number"
	case '"':
		return "a string"
	case '[':
		return "a list"
	}
	return "an object"
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

// decode builds the form OPA evaluates. It does not alias the document.
func (v Value) decode() ast.Value {
	n := v.node()
	switch n.kind {
	case 'n':
		return ast.Null{}
	case 't':
		return ast.Boolean(true)
	case 'f':
		return ast.Boolean(false)
	case '"':
		return ast.String(unquote(v.Raw()))
	case '0':
		return ast.Number(v.Raw())
	case '[':
		items := make([]*ast.Term, 0, 8)
		v.each(func(_ []byte, item Value) bool {
			items = append(items, ast.NewTerm(item.decode()))
			return true
		})
		return ast.NewArray(items...)
	}
	pairs := make([][2]*ast.Term, 0, 8)
	v.each(func(name []byte, value Value) bool {
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(string(name)), ast.NewTerm(value.decode())})
		return true
	})
	return ast.NewObject(pairs...)
}

// unquote decodes a JSON string that was checked before.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}
