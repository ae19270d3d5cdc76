package document

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

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
