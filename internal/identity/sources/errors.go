package sources

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/verdict-dev/verdict/policy/identity"
)

// ErrBusy says that as many tokens are being verified as may be.
var ErrBusy = errors.New("too many tokens are being verified at once")

// Refused is a definite no with a reason.
func Refused(format string, args ...any) error { return &refusal{fmt.Errorf(format, args...)} }

// refusal is identity.ErrUnknownToken with a reason in its place.
type refusal struct{ error }

// Unwrap implements what errors.As looks for.
func (r *refusal) Unwrap() error { return r.error }

// Is implements what errors.Is looks for.
func (r *refusal) Is(target error) bool { return target == identity.ErrUnknownToken }

// IsEarly reports whether a token is not valid yet.
func IsEarly(err error) bool {
	_, early := errors.AsType[*identity.NotYetValidError](err)
	return early
}

// QuoteShort is text of a token as it may be shown: not too long, and printable.
func QuoteShort(text string) string {
	const limit = 64
	if len(text) <= limit {
		return strconv.QuoteToASCII(text)
	}
	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strconv.QuoteToASCII(text[:end]) + "…"
}
