package document

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse checks and indexes text. Every error is a *SyntaxError. Release
// gives the document back.
func Parse(text []byte) (*Document, error) { return parseUntil(nil, text) }

// parseUntil is Parse for a caller that waits no longer than until, a
// context; nil for any time. An error is a *SyntaxError or ErrTimeout.
func parseUntil(until Until, text []byte) (*Document, error) {
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

// ParseObjectUntil is parseUntil for a document that has to be an object.
func ParseObjectUntil(until Until, text []byte) (*Document, error) {
	d, err := parseUntil(until, text)
	if err != nil {
		return nil, err
	}
	if root := d.Root(); !root.IsObject() {
		defer d.Release()
		return nil, &SyntaxError{Message: "the document is " + string(root.Kind()) + ", not an object"}
	}
	return d, nil
}

func (d *Document) parse(until Until) error {
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

func (d *Document) value(t *tokenizer, name span, depth int) error {
	if err := pause(len(d.nodes), t.until); err != nil {
		return err
	}
	switch kind := t.decoder.PeekKind(); kind {
	case '{', '[':
		return d.composite(t, kind, name, depth)
	default:
		return d.scalar(t.decoder, kind, name)
	}
}

// composite reads an object or array and what is in it.
func (d *Document) composite(t *tokenizer, kind jsontext.Kind, name span, depth int) error {
	json := t.decoder
	if depth >= maxDepth {
		return refuse(json, tooDeep)
	}
	if _, err := json.ReadToken(); err != nil {
		return err
	}
	here, start := len(d.nodes), uint32(json.InputOffset()-1) //nolint:gosec // bounded by maxDocument
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
	d.nodes[here].next = uint32(len(d.nodes))                               //nolint:gosec // no more nodes than bytes
	return nil
}

// scalar reads a string, number, boolean or null.
func (d *Document) scalar(json *jsontext.Decoder, kind jsontext.Kind, name span) error {
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
		raw:  span{start: end - uint32(len(raw)), end: end}, //nolint:gosec // bounded by maxDocument
		next: uint32(len(d.nodes) + 1),                      //nolint:gosec // no more nodes than bytes
	})
	return nil
}

// memberName reads the name of a member. ReadValue refuses duplicates too.
func (d *Document) memberName(json *jsontext.Decoder) (span, error) {
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

func (d *Document) extraSpan(start int) span {
	return span{start: uint32(start) | inExtra, end: uint32(len(d.extra))} //nolint:gosec // names and edits are shorter than the text
}

func refuse(json *jsontext.Decoder, message string) error {
	return &SyntaxError{Pointer: string(json.StackPointer()), Offset: json.InputOffset(), Message: message}
}
