package policy

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/evaluator"
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

// tooDeep says what is wrong with a document that nests deeper than maxDepth.
var tooDeep = fmt.Sprintf("nested deeper than %d levels", maxDepth)

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
	return decodeValue(content, nil)
}

// decodeValue is DecodeValue, with these terms for members of their names.
func decodeValue(content []byte, known evaluator.Names) (ast.Value, error) {
	parsed, err := ParseJSON(content)
	if err != nil {
		return nil, err
	}
	defer parsed.Release()
	parsed.names = known
	return parsed.Root().decode(), nil
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
