package document

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrTimeout says that the caller's deadline passed.
var ErrTimeout = errors.New("the deadline passed before the policy had an answer")

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
