package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reference decodes with the standard library and OPA's own conversion.
func reference(content []byte) (ast.Value, error) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("after the document: %w", err)
	}
	return ast.InterfaceToValue(v)
}

func nested(levels int, inner string) string {
	return strings.Repeat("[", levels) + inner + strings.Repeat("]", levels)
}

var accepted = map[string]string{
	"null":                      `null`,
	"true":                      `true`,
	"false":                     `false`,
	"string":                    `"a"`,
	"empty string":              `""`,
	"zero":                      `0`,
	"negative zero":             `-0`,
	"integer":                   `42`,
	"fraction":                  `1.50`,
	"exponent":                  `1E+2`,
	"largest float64":           `1.7976931348623157e308`,
	"underflow":                 `1e-400`,
	"integer beyond int64":      `18446744073709551616`,
	"number of 128 bytes":       strings.Repeat("1", 128),
	"empty list":                `[]`,
	"empty object":              `{}`,
	"empty name":                `{"":1}`,
	"list":                      `[1,"a",null,[true],{"b":[]}]`,
	"object":                    `{"b":1,"a":{"c":null}}`,
	"one name at two depths":    `{"a":{"a":{"a":1}}}`,
	"names that differ by case": `{"a":1,"A":2}`,
	"escapes":                   `"\u0026\n\"\\\/\ud83d\ude00"`,
	"escaped name":              `{"\u0061b":1}`,
	"NUL in a string":           `"\u0000"`,
	"space around":              " \t\r\n{ \"a\" : [ 1 , 2 ] }\n",
	"128 levels":                nested(128, "1"),
	"SubjectAccessReview": `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{"creationTimestamp":null},` +
		`"spec":{"resourceAttributes":{"namespace":"a","verb":"list"},"user":"x","groups":["y"],"extra":{"k":["v"]}},"status":{"allowed":false}}`,
}

func TestDecodeAcceptsWhatTheStandardLibraryReads(t *testing.T) {
	for name, document := range accepted {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(document), nil)
			if err != nil {
				t.Fatal(err)
			}
			want, err := reference([]byte(document))
			if err != nil {
				t.Fatal(err)
			}
			if got.Compare(want) != 0 {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

var unacceptable = []struct {
	name, document string
	pointer        string
	offset         int64 // -1: not checked
	message        string
}{
	{"empty", ``, "", 0, "the document ends too early"},
	{"only space", "  \n", "", -1, "the document ends too early"},
	{"truncated string", `{"a":"b`, "/a", 7, "the document ends too early"},
	{"truncated object", `{"a":1`, "", 6, "the document ends too early"},
	{"truncated list", `{"a":[1,`, "/a", 8, "the document ends too early"},
	{"duplicate name", `{"a":1,"a":2}`, "/a", 7, "duplicate name in object"},
	{"duplicate name at depth", `{"spec":{"user":"x","user":"y"}}`, "/spec/user", 20, "duplicate name in object"},
	{"duplicate name in a list", `[0,{"a":1,"a":1}]`, "/1/a", 10, "duplicate name in object"},
	{"duplicate name after unescaping", `{"a":1,"\u0061":2}`, "/a", 7, "duplicate name in object"},
	{"invalid UTF-8 in a string", "{\"a\":\"\xff\"}", "/a", 6, "invalid UTF-8"},
	{"invalid UTF-8 in a name", "{\"\xc3\":1}", "", 2, "invalid UTF-8"},
	{"lone surrogate", `{"a":"\ud800"}`, "/a", 6, "surrogate"},
	{"second value", `{} {}`, "", -1, "data after the document"},
	{"second number", `1 2`, "", -1, "data after the document"},
	{"text after the value", `{}x`, "", 2, "invalid character"},
	{"number out of range", `{"a":[1e309]}`, "/a/0", 11, "number out of range"},
	{"negative number out of range", `-1e309`, "", 6, "number out of range"},
	{"number of 129 bytes", strings.Repeat("1", 129), "", 129, "number longer than 128 bytes"},
	{"leading zero", `01`, "", -1, "data after the document"},
	{"plus sign", `+1`, "", 0, "invalid character"},
	{"NaN", `NaN`, "", 0, "invalid character"},
	{"single quotes", `{'a':1}`, "", 1, "invalid character"},
	{"trailing comma in an object", `{"a":1,}`, "", 6, "invalid character"},
	{"trailing comma in a list", `[1,]`, "", 2, "invalid character"},
	{"missing colon", `{"a" 1}`, "/a", 5, "invalid character"},
	{"name that is a number", `{1:2}`, "", 1, "must be a string"},
	{"wrong closing bracket", `{"a":1]`, "", 6, "invalid character"},
	{"comment", `/* */{}`, "", 0, "invalid character"},
	{"byte order mark", "\ufeff{}", "", 0, "invalid character"},
	{"control character in a string", "\"\x01\"", "", 1, "invalid character"},
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range unacceptable {
		t.Run(c.name, func(t *testing.T) {
			v, err := Decode([]byte(c.document), nil)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got value %v and error %v, want a *SyntaxError", v, err)
			}
			if syntax.Pointer != c.pointer {
				t.Errorf("got pointer %q, want %q (%v)", syntax.Pointer, c.pointer, err)
			}
			if c.offset >= 0 && syntax.Offset != c.offset {
				t.Errorf("got offset %d, want %d (%v)", syntax.Offset, c.offset, err)
			}
			contains(t, syntax.Message, c.message)
			contains(t, err.Error(), "invalid JSON: ", c.pointer, fmt.Sprintf("at byte %d", syntax.Offset))
		})
	}
}

func TestDecodeRefusesDeepNesting(t *testing.T) {
	for name, document := range map[string]string{
		"lists":           nested(130, ""),
		"around a value":  nested(129, "1"),
		"objects":         strings.Repeat(`{"a":`, 130) + "1" + strings.Repeat("}", 130),
		"and unbalanced":  strings.Repeat("[", 130),
		"lists in object": `{"a":` + nested(129, "1") + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(document), nil)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got error %v, want a *SyntaxError", err)
			}
			contains(t, syntax.Message, "nested deeper than 128 levels")
			if strings.Count(syntax.Pointer, "/") < 126 {
				t.Errorf("got pointer %q, want that of the level", syntax.Pointer)
			}
		})
	}
}

func TestDecodeRefuses129EmptyLists(t *testing.T) {
	if _, err := Decode([]byte(nested(129, "")), nil); err == nil {
		t.Error("accepted")
	}
	if _, err := Decode([]byte(nested(128, "")), nil); err != nil {
		t.Error(err)
	}
}

func TestDecodeRefusesMegabytesOfBrackets(t *testing.T) {
	for _, open := range []string{"[", `{"a":`} {
		_, err := Decode(bytes.Repeat([]byte(open), 2<<20), nil)
		if err == nil {
			t.Fatalf("a document of %q was accepted", open)
		}
		contains(t, err.Error(), "nested deeper than 128 levels")
		if len(err.Error()) > 1000 {
			t.Errorf("the message has %d bytes", len(err.Error()))
		}
	}
}

func TestDecodeDoesNotAliasItsContent(t *testing.T) {
	content := []byte(`{"user":"alice","groups":["a","b"],"n":123}`)
	v, err := Decode(content, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := v.String()
	for i := range content {
		content[i] = 'x'
	}
	if got := v.String(); got != want {
		t.Errorf("after the content was overwritten: got %s, want %s", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	for _, document := range accepted {
		f.Add([]byte(document))
	}
	for _, c := range unacceptable {
		f.Add([]byte(c.document))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := Decode(content, nil)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("error %v is a %T, want a *SyntaxError", err, err)
			}
			if syntax.Offset < 0 || syntax.Offset > int64(len(content)) {
				t.Fatalf("offset %d outside a document of %d bytes", syntax.Offset, len(content))
			}
			return
		}
		want, err := reference(content)
		if err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", content, err)
		}
		if got.Compare(want) != 0 {
			t.Fatalf("%q: got %v, want %v", content, got, want)
		}
	})
}
