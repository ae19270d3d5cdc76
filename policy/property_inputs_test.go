package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// kind is what a field holds when nothing about it is odd.
type kind int

const (
	text kind = iota
	number
	boolean
	texts   // a list of strings
	objects // a list of objects with the fields of leaf.fields
)

// leaf is a field of an input, and the few values it takes: a small pool makes
// caches hit, and two inputs often differ in one field.
type leaf struct {
	path   []string
	kind   kind
	pool   []any
	fields []leaf
	// strict fields are checked on the wire: they are of their kind or null.
	strict bool
}

// name is that of the field.
func (l leaf) name() string { return l.path[len(l.path)-1] }

// point is what the generators know of one extension point.
type point struct {
	name   string
	pkg    string
	leaves []leaf
	// finish makes of random fields an input that the wire would let through.
	finish func(r *rand.Rand, document map[string]any)
	// split gives the documents that travel apart.
	split func(document map[string]any) [3]any
	// join is how they become `input` again.
	join      func(parts [3][]byte) any
	questions []string
}

// universe are the names that inputs, policies and data have in common.
var universe = []string{
	"alice", "bob", "mallory", "ünï", "get", "list", "delete", "pods", "secrets", "nodes",
	"dev-a", "prod", "kube-system", "devs", "admins", "ops", "7", "60", "0x1f", "gold", "iron", "😀",
}

func values(names ...string) []any {
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = name
	}
	return out
}

// numbers holds equal numbers that are written differently: they compare
// equal and print apart.
var numbers = []any{
	json.Number("1"), json.Number("1.0"), json.Number("7"), json.Number("7e0"), json.Number("60"),
	json.Number("0"), json.Number("-0"), json.Number("-3"), json.Number("2.5"), json.Number("9007199254740993"),
}

// claimNumbers are those a token may claim.
func claimNumbers() []any {
	return append([]any{json.Number("1234567")}, numbers[:len(numbers)-1]...)
}

func decodeNumbers(content []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var out any
	if err := decoder.Decode(&out); err != nil {
		panic(fmt.Sprintf("%v: %s", err, content))
	}
	return out
}

// object returns the object at name, put there when something else is.
func object(parent map[string]any, name string) map[string]any {
	child, ok := parent[name].(map[string]any)
	if !ok {
		child = map[string]any{}
		parent[name] = child
	}
	return child
}

func (l leaf) value(r *rand.Rand) any {
	if r.IntN(16) == 0 {
		return nil
	}
	if !l.strict && r.IntN(12) == 0 {
		odd := []any{"", true, json.Number("7"), []any{"alice"}, map[string]any{"alice": "bob"}, map[string]any{}, []any{}}
		return odd[r.IntN(len(odd))]
	}
	switch l.kind {
	case texts:
		out := []any{}
		for range r.IntN(4) {
			out = append(out, l.pool[r.IntN(len(l.pool))])
		}
		return out
	case objects:
		out := []any{}
		for range r.IntN(3) {
			item := map[string]any{}
			for _, field := range l.fields {
				if r.IntN(6) > 0 {
					item[field.path[0]] = field.value(r)
				}
			}
			out = append(out, item)
		}
		return out
	default:
		return l.pool[r.IntN(len(l.pool))]
	}
}

// document is a random input.
func (p *point) document(r *rand.Rand) map[string]any {
	out := map[string]any{}
	for _, l := range p.leaves {
		if r.IntN(7) > 0 {
			put(out, l.path, l.value(r))
		}
	}
	if p == authorizationPoint && r.IntN(6) == 0 {
		object(out, "metadata")["labels"] = nil
	}
	p.finish(r, out)
	return out
}

// near is a copy of document that differs in one field.
func (p *point) near(r *rand.Rand, document map[string]any) map[string]any {
	out := clone(document).(map[string]any)
	l := p.leaves[r.IntN(len(p.leaves))]
	if r.IntN(4) == 0 {
		remove(out, l.path)
	} else {
		put(out, l.path, l.value(r))
	}
	p.finish(rand.New(rand.NewPCG(4, 2)), out)
	return out
}

// gaps are copies of document in which one field is absent and null.
func (p *point) gaps(r *rand.Rand, document map[string]any) []map[string]any {
	var out []map[string]any
	l := p.leaves[r.IntN(len(p.leaves))]
	absent := clone(document).(map[string]any)
	remove(absent, l.path)
	null := clone(document).(map[string]any)
	put(null, l.path, nil)
	for _, each := range []map[string]any{absent, null} {
		if p.valid(each) {
			out = append(out, each)
		}
	}
	return out
}

// valid reports whether the wire lets document through.
func (p *point) valid(document map[string]any) bool {
	finished := clone(document).(map[string]any)
	p.finish(rand.New(rand.NewPCG(4, 2)), finished)
	return canonical(finished) == canonical(document)
}

// twin is document with its numbers written otherwise: it compares equal, and
// a policy that prints a number tells it apart.
func twin(document any) any {
	switch v := document.(type) {
	case map[string]any:
		for name, item := range v {
			v[name] = twin(item)
		}
	case []any:
		for i, item := range v {
			v[i] = twin(item)
		}
	case json.Number:
		if other, ok := otherForms[v]; ok {
			return other
		}
	}
	return document
}

var otherForms = map[json.Number]json.Number{
	"1": "1.0", "1.0": "1", "7": "7e0", "7e0": "7", "60": "6e1", "0": "-0", "-0": "0", "-3": "-3.0", "2.5": "25e-1",
}

func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, item := range v {
			out[name] = clone(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = clone(item)
		}
		return out
	}
	return value
}

// put sets the value at path, unless something that is no object is in the way.
func put(document map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		if taken, ok := document[name]; ok {
			if _, isObject := taken.(map[string]any); !isObject {
				return
			}
		}
		document = object(document, name)
	}
	document[path[len(path)-1]] = value
}

func remove(document map[string]any, path []string) {
	if parent, ok := lookup(document, path[:len(path)-1]); ok {
		if parent, ok := parent.(map[string]any); ok {
			delete(parent, path[len(path)-1])
		}
	}
}

func lookup(value any, path []string) (any, bool) {
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// canonical is equal for equal documents; numbers keep the form they are
// written in.
func canonical(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(out)
}
