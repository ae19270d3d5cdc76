package evaluator

import "github.com/open-policy-agent/opa/v1/ast"

// frameChunk is how many variables are allocated at once.
const frameChunk = 1024

// frame holds the variables of one function call, by their number in the plan. A
// variable without value is nil.
type frame = []*ast.Term

// frames hold the variables of all function calls of one evaluation.
type frames struct {
	chunks [][]*ast.Term
	chunk  int
	top    int
}

func newFrames() frames { return frames{chunks: [][]*ast.Term{make([]*ast.Term, frameChunk)}} }

// push makes room for a call and says where to return to.
func (s *frames) push(size int) (f frame, chunk, top int) {
	chunk, top = s.chunk, s.top
	if s.top+size > len(s.chunks[s.chunk]) {
		s.grow(size)
	}
	f = s.chunks[s.chunk][s.top : s.top+size : s.top+size]
	s.top += size
	return f, chunk, top
}

// grow goes on in the next chunk: those in use stay where they are.
func (s *frames) grow(size int) {
	s.chunk, s.top = s.chunk+1, 0
	if s.chunk == len(s.chunks) {
		s.chunks = append(s.chunks, make([]*ast.Term, max(size, frameChunk)))
	} else if len(s.chunks[s.chunk]) < size {
		s.chunks[s.chunk] = make([]*ast.Term, size)
	}
}

func (s *frames) pop(f frame, chunk, top int) {
	clear(f)
	s.chunk, s.top = chunk, top
}
