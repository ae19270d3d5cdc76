package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/verdict-dev/verdict/policy/document"
)

// InvalidJSON says what keeps an answer from being read, without anything that
// the answer holds.
func InvalidJSON(err error) error { return fmt.Errorf("the answer %w", notAccepted(err)) }

// OddJSON is invalidJSON of what a token says of itself.
func OddJSON(err error) error { return fmt.Errorf("the text %w", notAccepted(err)) }

// notAccepted says what is wrong with JSON without the names on the way, or any
// character of it.
func notAccepted(err error) error {
	syntax, ok := errors.AsType[*document.SyntaxError](err)
	if !ok {
		return errors.New("is not JSON that is accepted")
	}
	if strings.ContainsAny(syntax.Message, `'"`) {
		return fmt.Errorf("is not valid JSON at byte %d", syntax.Offset)
	}
	return fmt.Errorf("is not JSON that is accepted: %s (at byte %d)", syntax.Message, syntax.Offset)
}

// IsJSONObject reports whether text is an object by RFC 8259, whose names may
// come twice, and whose strings may be no UTF-8.
func IsJSONObject(text []byte) bool {
	return json.Valid(text) && bytes.TrimLeft(text, " \t\r\n")[0] == '{'
}
