package document

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// newSelectionOf selects the dotted paths; "" is the whole document.
func newSelectionOf(tb testing.TB, paths ...string) *Selection {
	tb.Helper()
	var p footprint.Paths
	for _, path := range paths {
		if path == "" {
			p.Add()
			continue
		}
		p.Add(strings.Split(path, ".")...)
	}
	return NewSelection(&p)
}

func keyOf(s Source, selected *Selection) string { return string(s.AppendKey(nil, selected)) }

// TestKeysTellApart: each document differs from all others in what is selected
// of it.
func TestKeysTellApart(t *testing.T) {
	for name, test := range map[string]struct {
		paths     []string
		documents []string
	}{
		"a leaf": {[]string{"a"}, []string{
			`{}`, `{"a":null}`, `{"a":false}`, `{"a":true}`, `{"a":{}}`, `{"a":[]}`, `{"a":""}`, `{"a":0}`, `{"a":"0"}`,
			`{"a":"null"}`, `{"a":"{}"}`, `{"a":[null]}`, `{"a":[[]]}`, `{"a":{"":null}}`, `{"a":" "}`,
		}},
		"an inner node": {[]string{"a.b"}, []string{
			`{}`, `{"a":null}`, `{"a":false}`, `{"a":{}}`, `{"a":[]}`, `{"a":""}`, `{"a":0}`,
			`{"a":[{"b":1}]}`, `{"a":["b"]}`, `{"a":{"b":null}}`, `{"a":{"b":{}}}`, `{"a":{"b":""}}`, `{"a":{"b":0}}`, `{"a":"b"}`,
		}},
		"two inner nodes": {[]string{"a.b.c"}, []string{
			`{}`, `{"a":{}}`, `{"a":{"b":{}}}`, `{"a":{"b":{"c":{}}}}`, `{"a":{"b":null}}`, `{"a":{"b":[]}}`, `{"a":[[]]}`, `{"a":{"b":{"c":null}}}`,
		}},
		"fields side by side": {[]string{"a", "b"}, []string{
			`{"a":"x"}`, `{"b":"x"}`, `{"a":"x","b":""}`, `{"a":"","b":"x"}`, `{"a":"xy"}`, `{"a":"x","b":"y"}`, `{"a":"y","b":"x"}`,
			`{"a":"x\",\"y"}`, `{"a":["x","y"]}`, `{"a":["x"],"b":"y"}`, `{"a":null,"b":"x"}`,
		}},
		"fields at two levels": {[]string{"a.b", "a.c", "d"}, []string{
			`{"a":{"b":1},"d":2}`, `{"a":{"c":1},"d":2}`, `{"a":{"b":1,"c":2}}`, `{"a":{"b":2,"c":1}}`, `{"d":{"b":1,"c":2}}`,
			`{"a":{"b":{"c":1}}}`, `{"a":{"c":{"b":1}}}`, `{"a":[],"d":2}`,
		}},
		"long and short": {[]string{"a", "b"}, []string{
			`{"a":"` + strings.Repeat("x", 127) + `"}`, `{"a":"` + strings.Repeat("x", 128) + `"}`,
			`{"a":"` + strings.Repeat("x", 128) + `","b":"x"}`, `{"a":"` + strings.Repeat("x", 16384) + `"}`,
		}},
		"no document that is no object": {[]string{"a"}, []string{`null`, `{}`, `[]`, `""`, `0`, `false`}},
	} {
		t.Run(name, func(t *testing.T) {
			selected := newSelectionOf(t, test.paths...)
			seen, seenDecoded := map[string]string{}, map[string]string{}
			for _, document := range test.documents {
				v := object(t, document)
				if key := keyOf(v, selected); seen[key] != "" {
					t.Errorf("%s and %s have one key, %q", document, seen[key], key)
				} else {
					seen[key] = document
				}
				if key := keyOf(Decoded{v.Decode()}, selected); seenDecoded[key] != "" {
					t.Errorf("decoded, %s and %s have one key, %q", document, seenDecoded[key], key)
				} else {
					seenDecoded[key] = document
				}
			}
		})
	}
}

func TestKeysLeaveOut(t *testing.T) {
	for name, test := range map[string]struct {
		paths     []string
		documents []string
	}{
		"what is not selected":    {[]string{"a.b"}, []string{`{"a":{"b":1}}`, `{"a":{"b":1,"c":2},"d":3}`, `{"d":null,"a":{"c":{"b":2},"b":1}}`}},
		"the order of members":    {[]string{"a", "b"}, []string{`{"a":1,"b":2}`, `{"b":2,"a":1}`}},
		"spaces between":          {[]string{"a.b"}, []string{`{"a":{"b":1}}`, "{ \"a\" :\n{\t\"b\" : 1 } }"}},
		"the spelling of names":   {[]string{"a.b"}, []string{`{"a":{"b":1}}`, `{"\u0061":{"\u0062":1}}`}},
		"all where nothing is":    {nil, []string{`{}`, `{"a":1}`, `{"b":[]}`}},
		"names that differ a bit": {[]string{"a"}, []string{`{}`, `{"A":1}`, `{"a ":1}`, `{"aa":1}`, `{"":1}`}},
	} {
		t.Run(name, func(t *testing.T) {
			selected := newSelectionOf(t, test.paths...)
			first := object(t, test.documents[0])
			for _, document := range test.documents[1:] {
				v := object(t, document)
				if got, want := keyOf(v, selected), keyOf(first, selected); got != want {
					t.Errorf("%s has key %q, and %s has %q", document, got, test.documents[0], want)
				}
				if got, want := v.Project(selected), first.Project(selected); got.Compare(want) != 0 {
					t.Errorf("%s is projected to %v, want %v", document, got, want)
				}
			}
		})
	}
}

func TestHiddenMembersAreInNoKey(t *testing.T) {
	const secret = "hunter2"
	for name, test := range map[string]struct {
		document string
		hide     func(Value)
		visible  string
	}{
		"at the top":      {`{"token":"hunter2","a":1}`, func(v Value) { v.Hide("token") }, `{"a":1}`},
		"the only one":    {`{"token":"hunter2"}`, func(v Value) { v.Hide("token") }, `{}`},
		"below":           {`{"spec":{"token":"hunter2","x":[1, 2]},"a":1}`, func(v Value) { v.Get("spec").Hide("token") }, `{"spec":{"x":[1, 2]},"a":1}`},
		"an object":       {`{"spec":{"token":{"x":"hunter2"}},"a":1}`, func(v Value) { v.Get("spec").Hide("token") }, `{"spec":{},"a":1}`},
		"with an escape":  {`{"t\u006fken":"hunter2","a":1}`, func(v Value) { v.Hide("token") }, `{"a":1}`},
		"hidden, renamed": {`{"token":"hunter2","other":1}`, func(v Value) { v.Hide("token"); v.Rename("other", "token") }, `{"token":1}`},
		"replaced":        {`{"token":"hunter2","a":1}`, func(v Value) { v.Replace("token", "x") }, `{"token":"x","a":1}`},
		"parent hidden":   {`{"spec":{"token":"hunter2"},"a":1}`, func(v Value) { v.Get("spec").Hide("token"); v.Hide("spec") }, `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			v := object(t, test.document)
			test.hide(v)
			want := object(t, test.visible)
			for _, paths := range [][]string{{""}, {"token"}, {"spec"}, {"spec.token"}, {"spec.token.x", "token", "a"}, nil} {
				selected := newSelectionOf(t, paths...)
				if key := keyOf(v, selected); strings.Contains(key, secret) {
					t.Errorf("the key of %v holds what is hidden: %q", paths, key)
				}
				got, ok := v.Project(selected), want.Project(selected)
				if fmt.Sprint(got) != fmt.Sprint(ok) {
					t.Errorf("%v is projected to %v, want %v", paths, got, ok)
				}
			}
			if got := v.Decode(); got.Compare(want.Decode()) != 0 {
				t.Errorf("got %v, want %v", got, want.Decode())
			}
		})
	}
}

// smallDocuments makes random documents over few names and values, in one spelling: names
// sorted and no spaces.
type smallDocuments struct{ *rand.Rand }

var fewNames = []string{"a", "b", "c"}

func (r smallDocuments) value(depth int) any {
	if depth > 0 && r.IntN(3) > 0 {
		o := map[string]any{}
		for _, name := range fewNames {
			if r.IntN(2) == 0 {
				o[name] = r.value(depth - 1)
			}
		}
		return o
	}
	if depth > 0 && r.IntN(2) == 0 {
		list := []any{}
		for range r.IntN(3) {
			list = append(list, r.value(depth-1))
		}
		return list
	}
	switch r.IntN(8) {
	case 0:
		return nil
	case 1:
		return false
	case 2:
		return json.Number("0")
	case 3:
		return ""
	case 4:
		return []any{}
	case 5:
		return []any{map[string]any{"a": "x"}}
	case 6:
		return map[string]any{}
	}
	return "x"
}

func (r smallDocuments) object(depth int) map[string]any {
	for {
		if o, ok := r.value(depth).(map[string]any); ok {
			return o
		}
	}
}

func (r smallDocuments) paths() [][]string {
	var out [][]string
	for range r.IntN(4) {
		var path []string
		for range 1 + r.IntN(3) {
			if r.IntN(4) == 0 {
				path = append(path, footprint.Items)
			}
			path = append(path, fewNames[r.IntN(len(fewNames))])
		}
		out = append(out, path)
	}
	if r.IntN(20) == 0 {
		out = append(out, nil)
	}
	return out
}

// taken is what the paths select of a value: the specification of project.
func taken(value any, paths [][]string) any {
	if slices.ContainsFunc(paths, func(p []string) bool { return len(p) == 0 }) {
		return value
	}
	ofItems := 0
	var below [][]string
	for _, path := range paths {
		if path[0] == footprint.Items {
			ofItems++
			below = append(below, path[1:])
		}
	}
	list, isList := value.([]any)
	o, ok := value.(map[string]any)
	switch {
	case ofItems > 0 && ofItems < len(paths), !ok && (!isList || ofItems == 0):
		return value
	case isList:
		items := []any{}
		for _, item := range list {
			items = append(items, taken(item, below))
		}
		return items
	case ofItems > 0:
		out := map[string]any{}
		for name, member := range o {
			out[name] = taken(member, below)
		}
		return out
	}
	out := map[string]any{}
	for name, member := range o {
		var below [][]string
		for _, path := range paths {
			if path[0] == name {
				below = append(below, path[1:])
			}
		}
		if below != nil {
			out[name] = taken(member, below)
		}
	}
	return out
}

// found is what lies below names in a projection, of members of objects.
func found(projected ast.Value, names []string) ast.Value {
	for _, name := range names {
		object, ok := projected.(ast.Object)
		if !ok {
			return nil
		}
		projected = member(object, ast.StringTerm(name))
	}
	return projected
}

// checkPlaces compares what s gives at a few places with its projection.
func (r smallDocuments) checkPlaces(t *testing.T, s Source, selected *Selection, projected ast.Value) {
	t.Helper()
	for range 3 {
		var names []string
		for range r.IntN(4) {
			names = append(names, fewNames[r.IntN(len(fewNames))])
		}
		got, want := s.At(names, selected), found(projected, names)
		if (got == nil) != (want == nil) || got != nil && got.Compare(want) != 0 {
			t.Fatalf("at %v is %v, want %v, as in %v", names, got, want, projected)
		}
	}
}

func text(tb testing.TB, value any) string {
	tb.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// FuzzKeys compares keys and projections of two small documents with a
// specification: keys are equal exactly where projections are, and a projection
// is that of the decoded document.
func FuzzKeys(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := smallDocuments{rand.New(rand.NewPCG(seed, 1))}
		for range 20 {
			paths := r.paths()
			var p footprint.Paths
			for _, path := range paths {
				p.Add(path...)
			}
			selected := NewSelection(&p)
			values := [2]map[string]any{r.object(3), r.object(3)}
			if r.IntN(2) == 0 {
				// Like the other but for one member.
				values[1] = map[string]any{}
				maps.Copy(values[1], values[0])
				values[1][fewNames[r.IntN(len(fewNames))]] = r.value(2)
			}
			var keys, decodedKeys, want [2]string
			for i, value := range values {
				v := object(t, text(t, value))
				if r.IntN(3) == 0 {
					name := fewNames[r.IntN(len(fewNames))]
					v.Hide(name)
					delete(value, name)
				}
				keys[i], decodedKeys[i] = keyOf(v, selected), keyOf(Decoded{v.Decode()}, selected)
				expected, err := ast.InterfaceToValue(taken(value, paths))
				if err != nil {
					t.Fatal(err)
				}
				want[i] = expected.String()
				if got := v.Project(selected); got.Compare(expected) != 0 {
					t.Fatalf("%v of %s is %v, want %v", paths, text(t, value), got, expected)
				}
				if got := (Decoded{v.Decode()}).Project(selected); got.Compare(expected) != 0 {
					t.Fatalf("decoded, %v of %s is %v, want %v", paths, text(t, value), got, expected)
				}
				r.checkPlaces(t, v, selected, expected)
				r.checkPlaces(t, Decoded{v.Decode()}, selected, expected)
			}
			for _, k := range [][2]string{keys, decodedKeys} {
				if same := want[0] == want[1]; (k[0] == k[1]) != same {
					t.Fatalf("%v selects %s and %s; the keys are equal: %t\n%q\n%q", paths, want[0], want[1], k[0] == k[1], k[0], k[1])
				}
			}
		}
	})
}

// FuzzJoinedKeys is FuzzKeys for an object that gets one more member.
func FuzzJoinedKeys(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := smallDocuments{rand.New(rand.NewPCG(seed, 2))}
		name := ast.StringTerm("b")
		for range 20 {
			paths := r.paths()
			var p footprint.Paths
			for _, path := range paths {
				p.Add(path...)
			}
			selected := NewSelection(&p)
			var keys, want [2]string
			for i := range keys {
				rest, more := r.object(2), r.value(2)
				v := object(t, text(t, rest))
				v.Hide("b") // as Authenticate does
				value, err := ast.InterfaceToValue(more)
				if err != nil {
					t.Fatal(err)
				}
				j := WithMember{Object: v, Name: name, Value: Decoded{value}}
				rest["b"] = more
				expected, err := ast.InterfaceToValue(taken(rest, paths))
				if err != nil {
					t.Fatal(err)
				}
				if got := j.Project(selected); got.Compare(expected) != 0 {
					t.Fatalf("%v of %s is %v, want %v", paths, text(t, rest), got, expected)
				}
				r.checkPlaces(t, j, selected, expected)
				keys[i], want[i] = keyOf(j, selected), expected.String()
			}
			if (keys[0] == keys[1]) != (want[0] == want[1]) {
				t.Fatalf("%v selects %s and %s; the keys are equal: %t\n%q\n%q", paths, want[0], want[1], keys[0] == keys[1], keys[0], keys[1])
			}
		}
	})
}
