package document

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// walked is the texts of the members that a walk found, by name.
type walked map[string]string

// walkObject goes past the object that text begins with, and returns the texts of
// the wanted members and where the walker is afterwards.
func walkObject(text string, wanted ...string) (found walked, next int, err error) {
	w := &Walker{Text: []byte(text)}
	found = walked{}
	err = w.Object(wanted, func(name string) error {
		part, err := w.Value()
		found[name] = string(part.Of(w.Text))
		return err
	})
	return found, w.Next, err
}

func TestWalkerObject(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		found walked
		next  int // 0 for the whole text
	}{
		"empty":                  {text: `{}`, found: walked{}},
		"white space":            {text: "\t{ \"pod\" :\r\n{ \"a\" : 1 } , \"x\" : 2 } ", found: walked{"pod": `{ "a" : 1 }`}, next: 35},
		"none of them":           {text: `{"a":1,"b":[{}]}`, found: walked{}},
		"without regard to case": {text: `{"Pod":1,"NODENAMES":["a"]}`, found: walked{"pod": "1", "nodenames": `["a"]`}},
		"a case beyond ASCII":    {text: `{"nodename` + "\u017f" + `":1}`, found: walked{"nodenames": "1"}},
		"with escapes":           {text: `{"p\u006fd":true}`, found: walked{"pod": "true"}},
		"inner members":          {text: `{"x":{"pod":1},"pod":2}`, found: walked{"pod": "2"}},
		"a null":                 {text: `{"pod":null}`, found: walked{"pod": "null"}},
		"names that only differ in case, of no interest": {text: `{"x":1,"X":2}`, found: walked{}},
		"more after the object":                          {text: `{"pod":1} x`, found: walked{"pod": "1"}, next: 9},
	} {
		t.Run(name, func(t *testing.T) {
			if test.next == 0 {
				test.next = len(test.text)
			}
			found, next, err := walkObject(test.text, "pod", "nodenames")
			if err != nil || !reflect.DeepEqual(found, test.found) || next != test.next {
				t.Errorf("got %v up to %d, error %v, want %v up to %d", found, next, err, test.found, test.next)
			}
		})
	}
}

func TestWalkerObjectRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, message string }{
		"a wanted name twice":                 {`{"pod":1,"pod":2}`, `duplicate name in object (/"pod")`},
		"a wanted name twice, in other cases": {`{"pod":1,"x":0,"POD":2}`, `duplicate name in object (/"POD")`},
		"any name twice":                      {`{"x":1,"x":2}`, `duplicate name in object (/"x")`},
		"a name twice, once with escapes":     {`{"x":1,"\u0078":2}`, `duplicate name in object (/"x")`},
		"a long name twice":                   {`{"` + strings.Repeat("x", 99) + `":1,"` + strings.Repeat("x", 99) + `":1}`, strings.Repeat("x", 64) + `\u2026")`},
		"a name twice below":                  {`{"pod":{"x":1,"x":2}}`, "duplicate name in object (/x, at byte 14)"},
		"a comma too many":                    {`{"pod":1,}`, "expected the name of a member (at byte 9)"},
		"no comma":                            {`{"pod":1 "x":2}`, "expected ',' (at byte 9)"},
		"no colon":                            {`{"pod" 1}`, "expected ':' (at byte 7)"},
		"no name":                             {`{1:2}`, "expected the name of a member (at byte 1)"},
		"no value":                            {`{"pod":}`, "at byte 7"},
		"no number":                           {`{"pod":1x}`, "expected ',' (at byte 8)"},
		"no end of another":                   {`{"x":[1}`, "at byte 7"},
		"nothing":                             {``, "the document ends too early (at byte 0)"},
		"only white space":                    {"\n ", "the document ends too early (at byte 2)"},
		"nested too deep":                     {`{"x":` + strings.Repeat("[", 129), "nested deeper than 128 levels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := walkObject(test.text, "pod", "nodenames")
			if err == nil || !strings.HasPrefix(err.Error(), "invalid JSON: ") {
				t.Fatalf("got error %v, want one about the JSON", err)
			}
			contains(t, err.Error(), test.message)
		})
	}
	for _, text := range []string{`[]`, `null`, `"a"`, `1`, ` true`, `}`} {
		if _, _, err := walkObject(text); !errors.Is(err, ErrNotObject) {
			t.Errorf("%s: got error %v, want ErrNotObject", text, err)
		}
	}
}

// TestWalkerOfPartsOfAText walks through each beginning of a text.
func TestWalkerOfPartsOfAText(t *testing.T) {
	const text = `{"pod":{"a":[1,"b\""]},"x":null,"nodenames":["c",true]}`
	for length := range len(text) {
		_, next, err := walkObject(text[:length], "pod", "nodenames")
		syntax, ok := errors.AsType[*SyntaxError](err)
		if !ok || syntax.Offset > int64(length) || next > length {
			t.Fatalf("%s: got error %v up to %d, want a *SyntaxError", text[:length], err, next)
		}
		contains(t, err.Error(), "the document ends too early")
	}
}

func TestWalkerNulls(t *testing.T) {
	for text, want := range map[string]struct {
		null         bool
		part         Part
		values, next int
	}{
		`null`:      {null: true, values: 1, next: 4},
		` null,`:    {null: true, values: 1, next: 5},
		`{"a":[1]}`: {part: Part{0, 9}, values: 3, next: 9},
		` [ ]`:      {part: Part{1, 4}, values: 1, next: 4},
		`"null"`:    {part: Part{0, 6}, values: 1, next: 6},
	} {
		w := &Walker{Text: []byte(text)}
		if got := w.Null(); got != want.null {
			t.Errorf("%s: null is %t", text, got)
		}
		part, values, err := w.Nullable()
		if part != want.part || values != want.values || w.Next != want.next || err != nil || part.Absent() != want.null {
			t.Errorf("%s: got %v with %d values up to %d, error %v, want %+v", text, part, values, w.Next, err, want)
		}
	}
	for _, text := range []string{`nil`, `nul`, `n`, ``} {
		if _, _, err := (&Walker{Text: []byte(text)}).Nullable(); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestWalkerBoundsValues(t *testing.T) {
	errTooMany := errors.New("too many")
	const text = `[1,{"a":[]},3]` // 5 values
	for most, want := range map[int]error{4: errTooMany, 5: nil, 6: nil} {
		for name, past := range map[string]func(*Walker) error{
			"Value":    func(w *Walker) error { _, err := w.Value(); return err },
			"Nullable": func(w *Walker) error { _, _, err := w.Nullable(); return err },
			"Skip":     (*Walker).Skip,
		} {
			w := &Walker{Text: []byte(text), Most: most, TooMany: func() error { return errTooMany }}
			if err := past(w); !errors.Is(err, want) {
				t.Errorf("%s of at most %d: got error %v, want %v", name, most, err, want)
			}
		}
		w := &Walker{Text: []byte(text), Most: most, TooMany: func() error { return errTooMany }}
		if _, values, err := w.Counted(); values != 5 || err != nil {
			t.Errorf("Counted with at most %d: %d values, error %v, want 5", most, values, err)
		}
	}
	// Without an error for more there is no bound.
	if part, err := (&Walker{Text: []byte(text), Most: 1}).Value(); err != nil || part.End != len(text) {
		t.Errorf("got %v, error %v", part, err)
	}
}

func TestWalkerReportsMembers(t *testing.T) {
	var members []string
	w := &Walker{Text: []byte(`{"Pod":1,"x":{"y":2},"z":3}`)}
	w.Member = func(before int, name string) error {
		members = append(members, fmt.Sprint(before, name))
		return nil
	}
	if err := w.Object([]string{"pod"}, func(string) error { return w.Skip() }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0pod", "1x", "2z"}; !reflect.DeepEqual(members, want) {
		t.Errorf("got %v, want %v", members, want)
	}
	// What the functions of the caller return ends the walk.
	errEnough := errors.New("enough")
	w = &Walker{Text: w.Text, Member: func(int, string) error { return errEnough }}
	if err := w.Object(nil, nil); !errors.Is(err, errEnough) {
		t.Errorf("Member: got error %v", err)
	}
	w = &Walker{Text: w.Text}
	if err := w.Object([]string{"x"}, func(string) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Errorf("visit: got error %v", err)
	}
}

// TestWalkingEnds walks through texts for callers that wait no longer.
func TestWalkingEnds(t *testing.T) {
	over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	text := []byte(`["` + strings.Repeat(`a`, 3*blockSize) + `"]`)
	if _, err := (&Walker{Text: text, Until: over}).Value(); !errors.Is(err, ErrTimeout) {
		t.Errorf("got error %v, want ErrTimeout", err)
	}
	if part, err := (&Walker{Text: text, Until: t.Context()}).Value(); err != nil || part.End != len(text) {
		t.Errorf("for a caller that waits: %v, error %v", part, err)
	}
}

func TestMembersOf(t *testing.T) {
	found, err := MembersOf(object(t, `{"Pod":{"a":1},"nodes":null,"x":1,"X":2}`), "pod", "nodes", "nodenames")
	if err != nil {
		t.Fatal(err)
	}
	if string(found[0].Raw()) != `{"a":1}` || !found[1].IsNull() || found[1].Absent() || !found[2].Absent() {
		t.Errorf("got %v", found)
	}
	if _, err := MembersOf(object(t, `{"Pod":1,"pOD":2}`), "pod"); err == nil || !strings.Contains(err.Error(), `duplicate name in object (/"pOD")`) {
		t.Errorf("got error %v", err)
	}
}

func TestUnquoted(t *testing.T) {
	for raw, want := range map[string]string{`""`: "", `"a"`: "a", `"\u0061\"\n"`: "a\"\n"} {
		if got := string(Unquoted([]byte(raw))); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}
