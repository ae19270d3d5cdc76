package policy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-dev/verdict/policy/evaluator"
)

// bytesSource makes choices of bytes, so that a fuzzer has a say in each; when
// they are at an end, others follow from them.
type bytesSource struct {
	bytes []byte
	rest  *rand.PCG
}

func newBytesSource(content []byte) *bytesSource {
	sum := uint64(len(content))
	for _, b := range content {
		sum = sum*31 + uint64(b)
	}
	return &bytesSource{bytes: content, rest: rand.NewPCG(sum, 1)}
}

// Uint64 implements rand.Source.
func (s *bytesSource) Uint64() uint64 {
	if len(s.bytes) == 0 {
		return s.rest.Uint64()
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	// Choices are made by the high bits as well as by the low ones.
	return binary.LittleEndian.Uint64([]byte{b, b, b, b, b, b, b, b})
}

// FuzzEvaluators makes of bytes a policy, data and an input, and compares the
// compiled rules with OPA's interpreter, the codes of errors included.
func FuzzEvaluators(f *testing.F) {
	for i := range 64 {
		seed := make([]byte, 16+4*i)
		random := rand.NewChaCha8([32]byte{byte(i)})
		_, _ = random.Read(seed)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		r := rand.New(newBytesSource(content))
		p := points[r.IntN(len(points))]
		written := writePolicy(r, p, "")
		compiler, err := compileModules(written.files)
		if err != nil {
			return // the generator is allowed a mistake now and then
		}
		random := p.data(r)
		data := decodedAST(t, literal(map[string]any{"static": random.static, "access": random.access, "cluster": random.cluster})).(ast.Object)
		input := decodedAST(t, literal(p.document(r)))
		for _, name := range entryRules[p.name] {
			ref := ast.MustParseRef("data." + p.pkg + "." + name)
			compiled, err := evaluator.NewCompiled(t.Context(), compiler, ref, nil, nil)
			if err != nil {
				continue // it is left to the interpreter
			}
			query := evaluator.Query{Input: input, Data: data, Now: time.Unix(1_700_000_000, 0)}
			want, wantErr := compiled.Interpreter().Evaluate(t.Context(), query)
			got, gotErr := compiled.Evaluate(t.Context(), query)
			if codeOf(gotErr) != codeOf(wantErr) || gotErr == nil && !sameTerms(got.Value, want.Value) {
				t.Errorf("%s: compiled %v and error %v, interpreted %v and error %v\ninput %v\ndata %v\n%s", name, got.Value, gotErr, want.Value, wantErr, input, data, written.files)
			}
		}
	})
}

func decodedAST(t *testing.T, text []byte) ast.Value {
	t.Helper()
	value, err := ast.ValueFromReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func codeOf(err error) string {
	if te, ok := errors.AsType[*topdown.Error](err); ok {
		return te.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func sameTerms(a, b ast.Value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Compare(b) == 0
}
