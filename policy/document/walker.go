package document

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Part is a part of a text, in bytes: from Start up to End.
type Part struct{ Start, End int }

// Of returns the part of text, which it shares.
func (p Part) Of(text []byte) []byte { return text[p.Start:p.End] }

// Absent reports whether there is no such part.
func (p Part) Absent() bool { return p.End == 0 }

// Walker goes through the outermost levels of a JSON text, for a caller that wants
// to know where some parts are and makes no index of the rest. The values that it goes
// past are checked whole, as Parse checks them. Every error is a *SyntaxError, is
// ErrNotObject, is about a duplicate name, or comes from a function of the caller.
type Walker struct {
	Text []byte
	// Next is where it is, in bytes.
	Next int
	// Until says how long the caller waits; nil for any time.
	Until Until
	// Most bounds the values in one value, and TooMany makes the error for one that
	// has more; nil for no bound.
	Most    int
	TooMany func() error
	// Member is called for each member of an object with how many came before it;
	// nil for nothing to do.
	Member func(before int, name string) error
}

// ErrNotObject says that something else stands where an object has to be.
var ErrNotObject = errors.New("invalid JSON: the document must be an object")

// Peek returns the next character that is not white space, 0 at the end.
func (w *Walker) Peek() byte {
	for ; w.Next < len(w.Text); w.Next++ {
		switch b := w.Text[w.Next]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// Null reports whether a null follows.
func (w *Walker) Null() bool { return w.Peek() == 'n' }

// Take goes past b, the next character that is not white space.
func (w *Walker) Take(b byte) error {
	if w.Peek() != b || b == 0 {
		return w.wrong(fmt.Sprintf("expected %q", b))
	}
	w.Next++
	return nil
}

func (w *Walker) wrong(message string) error {
	if w.Next >= len(w.Text) {
		message = "the document ends too early"
	}
	return &SyntaxError{Offset: int64(w.Next), Message: message}
}

// Value goes past a value, in which are no more values than Most.
func (w *Walker) Value() (Part, error) {
	found, _, err := w.counted(w.most())
	return found, err
}

// Counted is Value without a bound, and returns how many values there are.
func (w *Walker) Counted() (found Part, values int, err error) { return w.counted(math.MaxInt) }

// Nullable is Value with the number of values. The part is absent for a null.
func (w *Walker) Nullable() (found Part, values int, err error) {
	null := w.Null()
	found, values, err = w.counted(w.most())
	if null {
		found = Part{}
	}
	return found, values, err
}

func (w *Walker) most() int {
	if w.TooMany == nil {
		return math.MaxInt
	}
	return w.Most
}

func (w *Walker) counted(most int) (found Part, values int, err error) {
	if w.Peek() == 0 {
		return Part{}, 0, w.wrong("")
	}
	values = 1
	if b := w.Peek(); b == '{' || b == '[' {
		if _, values, err = extent(w.Until, w.Text[w.Next:], most); err != nil {
			return Part{}, 0, Later(err, w.Next)
		}
		if values > most {
			return Part{}, 0, w.TooMany()
		}
	}
	length, err := nextValue(w.Text[w.Next:])
	if err != nil {
		return Part{}, 0, Later(err, w.Next)
	}
	found = Part{Start: w.Next, End: w.Next + length}
	w.Next = found.End
	return found, values, nil
}

// Skip goes past a value.
func (w *Walker) Skip() error {
	_, err := w.Value()
	return err
}

// Object goes past an object. visit is called for each of the wanted members, which
// are in lower case and are found without regard to case, as Kubernetes' decoders do,
// and goes past its value. A name that comes twice is an error.
func (w *Walker) Object(wanted []string, visit func(name string) error) error {
	if w.Peek() != '{' {
		if w.Peek() == 0 {
			return w.wrong("")
		}
		return ErrNotObject
	}
	w.Next++
	seen := map[string]bool{}
	for w.Peek() != '}' {
		name, err := w.member(wanted, seen)
		if err != nil {
			return err
		}
		past := w.Skip
		if slices.Contains(wanted, name) {
			past = func() error { return visit(name) }
		}
		if err := past(); err != nil {
			return err
		}
	}
	w.Next++
	return nil
}

// member goes past the name of the next member of an object, in which are those seen
// before it, up to its value.
func (w *Walker) member(wanted []string, seen map[string]bool) (name string, err error) {
	if len(seen) > 0 {
		if err := w.Take(','); err != nil {
			return "", err
		}
	}
	if w.Peek() != '"' {
		return "", w.wrong("expected the name of a member")
	}
	raw, err := w.Value()
	if err != nil {
		return "", err
	}
	written := string(Unquoted(raw.Of(w.Text)))
	name = written
	if i := slices.IndexFunc(wanted, func(one string) bool { return strings.EqualFold(one, written) }); i >= 0 {
		name = wanted[i]
	}
	if seen[name] {
		return "", duplicate(written)
	}
	if w.Member != nil {
		if err := w.Member(len(seen), name); err != nil {
			return "", err
		}
	}
	seen[name] = true
	return name, w.Take(':')
}

// duplicate is the error for a name that comes twice, which the caller chose: it is
// kept short and on one line.
func duplicate(name string) error {
	const longest = 64
	if len(name) > longest {
		name = name[:longest] + "…"
	}
	return fmt.Errorf("invalid JSON: duplicate name in object (/%s)", strconv.QuoteToASCII(name))
}

// Unquoted is the text of a JSON string that was checked before. It may share raw.
func Unquoted(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return text
}

// MembersOf returns the members of object, which is one, that are called so without
// regard to case, absent where there are none. It is an error when two are.
func MembersOf(object Value, names ...string) ([]Value, error) {
	out := make([]Value, len(names))
	err := object.Members(func(written []byte, value Value) error {
		for i, name := range names {
			if !strings.EqualFold(name, string(written)) {
				continue
			}
			if !out[i].Absent() {
				return duplicate(string(written))
			}
			out[i] = value
		}
		return nil
	})
	return out, err
}
