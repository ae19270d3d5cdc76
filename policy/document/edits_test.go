package document

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// FuzzEdits hides, renames and replaces members of small documents, and
// compares what is left with a map that the same was done to.
func FuzzEdits(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := smallDocuments{rand.New(rand.NewPCG(seed, 3))}
		want := r.object(3)
		document := text(t, want)
		v := object(t, respelled(r.Rand, document))
		for range r.IntN(6) {
			here, model := v, want
			for _, name := range fewNames {
				if below, ok := model[name].(map[string]any); ok && r.IntN(2) == 0 {
					here, model = here.Get(name), below
				}
			}
			name := fewNames[r.IntN(len(fewNames))]
			switch r.IntN(3) {
			case 0:
				here.Hide(name)
				delete(model, name)
			case 1:
				if old, is := model[name]; is {
					if _, isString := old.(string); isString {
						value := fmt.Sprintf("new \"%d\"\n", r.IntN(3))
						here.Replace(name, value)
						model[name] = value
					}
				}
			case 2:
				to := fmt.Sprintf("to \\%d", r.IntN(3))
				if _, taken := model[to]; taken {
					break
				}
				here.Rename(name, to)
				if old, is := model[name]; is {
					delete(model, name)
					model[to] = old
				}
			}
		}
		expected, err := ast.InterfaceToValue(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Decode(); got.Compare(expected) != 0 {
			t.Errorf("%s is decoded to %v, want %v", document, got, expected)
		}
		written := v.appendText(nil)
		again, err := Decode(written, nil)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", document, written, err)
		}
		if again.Compare(expected) != 0 {
			t.Errorf("%s is written as %s, want %v", document, written, expected)
		}
	})
}

// respelled is document with spaces and with letters of names escaped.
func respelled(r *rand.Rand, document string) string {
	if r.IntN(2) == 0 {
		return document
	}
	document = strings.ReplaceAll(document, `"a":`, `"\u0061" : `)
	document = strings.ReplaceAll(document, `,`, " ,\n")
	return strings.ReplaceAll(document, `{`, `{ `)
}

func TestNamesWithEscapes(t *testing.T) {
	v := object(t, `{"\u0061\/\"\\": 1, "plain": 2, "\ud83d\ude00": {"\n": "\u0041"}, "": 3}`)
	for name, want := range map[string]string{`a/"\`: "1", "plain": "2", "": "3", "😀": `{"\n": "\u0041"}`} {
		if got := v.Get(name); got.Absent() || string(got.Raw()) != want {
			t.Errorf("%q: got %v, want %s", name, got, want)
		}
	}
	if !v.Get("😀").Is("\n", "A") {
		t.Error(`the value with an escape is not "A"`)
	}
	for _, name := range []string{`\u0061\/\"\\`, "a", "\x00"} {
		if !v.Get(name).Absent() {
			t.Errorf("%q is found", name)
		}
	}
}

// TestReleasedDocumentsLeaveNothing parses a document with a secret, and then
// others that get its memory.
func TestReleasedDocumentsLeaveNothing(t *testing.T) {
	const secret = "hunter2"
	for range 100 {
		first, err := Parse([]byte(`{"\u0068unter2":"hunter2","spec":{"a":[1,2,3]}}`))
		if err != nil {
			t.Fatal(err)
		}
		first.Root().Rename("spec", secret+"!")
		extra := first.extra
		first.Release()
		if got := string(extra[:cap(extra)]); strings.Contains(got, secret) {
			t.Fatalf("the memory of a released document holds %q", got)
		}
		second, err := Parse([]byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(second.Root().appendText(nil)); got != `{"a":1}` {
			t.Fatalf("got %s", got)
		}
		if second.Root().Get("spec") != (Value{}) || len(second.nodes) != 2 {
			t.Fatal("a document holds something of the one before")
		}
		second.Release()
	}
}

// TestExtraWithManyNames: checking the lists by looking each up again would
// take minutes here.
func TestExtraWithManyNames(t *testing.T) {
	const names = 200_000
	extra := make(map[string][]string, names)
	for i := range names {
		extra[fmt.Sprintf("k%d", i)] = nil
	}
	document, err := json.Marshal(map[string]any{"extra": extra})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := parsed.Root().CheckStringLists("extra"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("checking %d names took %s", names, took)
	}
}
