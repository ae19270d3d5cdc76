package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"
)

// Limits on what a caller may make us decode. Kubernetes objects nest less
// than 30 levels and write numbers in less than 20 bytes.
const (
	maxDepth        = 128
	maxNumberLength = 128
	// maxExponentLength leaves room for the sign: OPA computes with big floats,
	// and does not take 0e1000000000 for the zero it is.
	maxExponentLength = 4
)

// SyntaxError says where a JSON document stops being one that is accepted.
type SyntaxError struct {
	// Pointer is the RFC 6901 JSON Pointer of the value; empty for the whole document.
	Pointer string
	// Offset is the position in bytes from the start of the document.
	Offset int64
	// Message says what is wrong, without quoting the document.
	Message string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	where := "at byte " + strconv.FormatInt(e.Offset, 10)
	if e.Pointer != "" {
		where = e.Pointer + ", " + where
	}
	return "invalid JSON: " + e.Message + " (" + where + ")"
}

// DecodeValue reads exactly one JSON value (RFC 8259) into the form OPA
// evaluates. It refuses what two readers could understand differently:
// duplicate names in an object, invalid UTF-8, data after the value; and what
// could exhaust us: nesting deeper than 128, numbers outside float64. Every
// such error is a *SyntaxError.
//
// The value does not alias content.
func DecodeValue(content []byte) (ast.Value, error) {
	d := decoder{json: jsontext.NewDecoder(bytes.NewBuffer(content))}
	v, err := d.value(0)
	if err != nil {
		return nil, d.syntaxError(err)
	}
	if _, err := d.json.ReadToken(); err == nil {
		return nil, &SyntaxError{Offset: d.json.InputOffset(), Message: "data after the document"}
	} else if !errors.Is(err, io.EOF) {
		return nil, d.syntaxError(err)
	}
	return v, nil
}

type decoder struct {
	json *jsontext.Decoder
}

func (d *decoder) value(depth int) (ast.Value, error) {
	if kind := d.json.PeekKind(); depth >= maxDepth && (kind == '[' || kind == '{') {
		return nil, d.refuse(fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	token, err := d.json.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 'n':
		return ast.Null{}, nil
	case 't', 'f':
		return ast.Boolean(token.Bool()), nil
	case '"':
		return ast.String(token.String()), nil
	case '0':
		return d.number(token.String())
	case '[':
		return d.array(depth)
	case '{':
		return d.object(depth)
	}
	return nil, d.refuse("unexpected " + token.Kind().String())
}

func (d *decoder) number(literal string) (ast.Value, error) {
	if len(literal) > maxNumberLength {
		return nil, d.refuse(fmt.Sprintf("number longer than %d bytes", maxNumberLength))
	}
	_, exponent, _ := strings.Cut(strings.ToLower(literal), "e")
	if _, err := strconv.ParseFloat(literal, 64); err != nil || len(exponent) > maxExponentLength {
		return nil, d.refuse("number out of range")
	}
	return ast.Number(literal), nil
}

func (d *decoder) array(depth int) (ast.Value, error) {
	var items []*ast.Term
	for d.json.PeekKind() != ']' {
		item, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, ast.NewTerm(item))
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, err
	}
	return ast.NewArray(items...), nil
}

func (d *decoder) object(depth int) (ast.Value, error) {
	var pairs [][2]*ast.Term
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadToken()
		if err != nil {
			return nil, err
		}
		key := ast.StringTerm(name.String())
		value, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, [2]*ast.Term{key, ast.NewTerm(value)})
	}
	if _, err := d.json.ReadToken(); err != nil {
		return nil, err
	}
	return ast.NewObject(pairs...), nil
}

func (d *decoder) refuse(message string) error {
	return &SyntaxError{
		Pointer: string(d.json.StackPointer()),
		Offset:  d.json.InputOffset(),
		Message: message,
	}
}

func (d *decoder) syntaxError(err error) error {
	return NewSyntaxError(err, d.json.InputOffset())
}

// NewSyntaxError gives every failure of the tokenizer the one form callers
// see. offset, in bytes, is used where err knows of none.
func NewSyntaxError(err error, offset int64) error {
	if own, ok := errors.AsType[*SyntaxError](err); ok {
		return own
	}
	out := &SyntaxError{Offset: offset, Message: err.Error()}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		out.Pointer = string(syntactic.JSONPointer)
		out.Offset = syntactic.ByteOffset
		out.Message = syntactic.Err.Error()
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		out.Message = "duplicate name in object"
	case strings.HasPrefix(out.Message, "invalid escape sequence"):
		// The tokenizer quotes it, and it may be part of a token.
		out.Message = "invalid escape sequence in string"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		out.Message = "the document ends too early"
	}
	return out
}
