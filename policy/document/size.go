package document

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache"
)

// What values take in memory, in bytes; TestSizes compares it with the heap.
const (
	sizeOfTerm   = 48  // a term, the interface value that it holds, and its entry in a list
	sizeOfArray  = 112 // beside its items
	sizeOfObject = 152 // beside its members
	sizeOfMember = 144 // of an object or a set, beside its terms
	sizeOfString = 16  // beside its text
)

// SizeOf is about how many bytes a value takes in memory.
func SizeOf(value ast.Value) int {
	size := sizeOfTerm
	switch v := value.(type) {
	case ast.String:
		size += cache.SizeOf(len(v))
	case ast.Number:
		size += cache.SizeOf(len(v))
	case *ast.Array:
		size += sizeOfArray
		v.Foreach(func(t *ast.Term) { size += SizeOf(t.Value) })
	case ast.Set:
		size += sizeOfObject
		v.Foreach(func(t *ast.Term) { size += sizeOfMember + SizeOf(t.Value) })
	case ast.Object:
		size += sizeOfObject
		v.Foreach(func(key, item *ast.Term) { size += sizeOfMember + SizeOf(key.Value) + SizeOf(item.Value) })
	}
	return size
}

// DecodedSizeOf is about how many bytes the value takes that is decoded from text:
// it depends on how many values are in it rather than on its length.
func DecodedSizeOf(text string) int {
	// A string that holds one of these counts for more than it takes.
	size := sizeOfTerm + cache.SizeOf(len(text))
	for _, part := range [...]struct {
		of   string
		size int
	}{{",", sizeOfTerm + sizeOfString}, {":", sizeOfTerm + sizeOfMember}, {"{", sizeOfObject}, {"[", sizeOfArray}} {
		size += part.size * strings.Count(text, part.of)
	}
	return size
}

// DecodedSize is about how many bytes v takes once it is decoded.
func (v Value) DecodedSize() int {
	n := v.node()
	size := cache.SizeOf(int(n.raw.end - n.raw.start))
	for _, part := range v.document.nodes[v.index:n.next] {
		size += sizeOfTerm
		switch part.kind {
		case '{':
			size += sizeOfObject
		case '[':
			size += sizeOfArray
		}
		if part.name != (span{}) {
			size += sizeOfMember + sizeOfTerm
		}
	}
	return size
}
