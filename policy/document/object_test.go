package document

import (
	"errors"
	"testing"
)

func TestParseObject(t *testing.T) {
	for name, c := range map[string]struct{ document, message string }{
		"list":    {`[1]`, "the document is a list, not an object"},
		"string":  {`"a"`, "the document is a string, not an object"},
		"number":  {`1`, "the document is a number, not an object"},
		"boolean": {`true`, "the document is a boolean, not an object"},
		"null":    {`null`, "the document is null, not an object"},
		"nothing": {``, "ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := ParseObject([]byte(c.document))
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Fatalf("got error %v, want a *SyntaxError", err)
			}
			contains(t, err.Error(), c.message)
			if parsed != nil {
				t.Errorf("got a document beside the error")
			}
			if object, err := DecodeObject(c.document); err == nil || object != nil {
				t.Errorf("decoded as %v, error %v", object, err)
			}
		})
	}
	if parsed, err := ParseObject([]byte(`{}`)); err != nil || !parsed.Root().IsObject() {
		t.Error("an empty object is refused")
	}
}

// What an object says of a member is what it decodes to.
func TestDecodeObject(t *testing.T) {
	for _, member := range []string{`null`, `"a"`, `""`, `7`, `-1.5e3`, `true`, `["a","b"]`, `[]`, `[1]`, `{}`, `{"b":"\u0061"}`} {
		text := `{"m":` + member + `,"\u006d2":0}`
		got, err := DecodeObject(text)
		if err != nil {
			t.Fatal(err)
		}
		if want := object(t, text).Decode(); got.Compare(want) != 0 {
			t.Errorf("%s: decoded as %v, want %v", text, got, want)
		}
	}
}
