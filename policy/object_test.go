package policy

import (
	"errors"
	"slices"
	"testing"
)

func TestDecodeObject(t *testing.T) {
	for name, c := range map[string]struct{ document, message string }{
		"list":    {`[1]`, "the document is a list, not an object"},
		"string":  {`"a"`, "the document is a string, not an object"},
		"number":  {`1`, "the document is a number, not an object"},
		"boolean": {`true`, "the document is a boolean, not an object"},
		"null":    {`null`, "the document is null, not an object"},
		"nothing": {``, "ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := DecodeObject([]byte(c.document))
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Fatalf("got error %v, want a *SyntaxError", err)
			}
			contains(t, err.Error(), c.message)
			if !o.IsZero() {
				t.Errorf("got an object beside the error")
			}
		})
	}
	if o, err := DecodeObject([]byte(`{}`)); err != nil || o.IsZero() {
		t.Error("an empty object is absent")
	}
}

// A Value and an Object of the same text say the same of a member.
func TestValueAndObjectReadAlike(t *testing.T) {
	for _, member := range []string{`null`, `"a"`, `""`, `7`, `-1.5e3`, `true`, `["a","b"]`, `[]`, `[1]`, `{}`} {
		text := `{"m":` + member + `}`
		parsed, err := ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		value, decoded := parsed.Root(), decodedObject(t, text)
		for _, name := range []string{"m", "absent"} {
			number, found, err := value.Number(name)
			number2, found2, err2 := decoded.Number(name)
			if number != number2 || found != found2 || (err == nil) != (err2 == nil) {
				t.Errorf("%s: number %v, %t, %v and %v, %t, %v", text, number, found, err, number2, found2, err2)
			}
			texts, err := value.StringOrStrings(name)
			texts2, err2 := decoded.StringOrStrings(name)
			if !slices.Equal(texts, texts2) || (err == nil) != (err2 == nil) {
				t.Errorf("%s: texts %q, %v and %q, %v", text, texts, err, texts2, err2)
			}
		}
		parsed.Release()
	}
}
