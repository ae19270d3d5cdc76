package policy

import (
	"errors"
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
