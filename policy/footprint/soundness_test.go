package footprint

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// TestNeverTooSmall asks stock OPA about whole documents and about what the
// footprint keeps of them: there must be no difference, errors included.
func TestNeverTooSmall(t *testing.T) {
	for i, test := range constructs {
		t.Run(test.name, func(t *testing.T) {
			source := "package p\n" + test.source
			compareReads(t, source, compile(t, source), ast.MustParseRef("data.p.r"), documentsFor(source, uint64(i)), 40)
		})
	}
}

// compareReads makes up n pairs of input and data.t, and reports the first that
// shows that the footprint is too small.
func compareReads(t *testing.T, source string, compiler *ast.Compiler, entry ast.Ref, random documents, n int) {
	t.Helper()
	compareReadsOf(t, source, compiler, entry, n, func() (input, data map[string]any) {
		return random.object(3), map[string]any{"t": random.object(2)}
	})
}

// compareReadsOf does so for given pairs.
func compareReadsOf(t *testing.T, source string, compiler *ast.Compiler, entry ast.Ref, n int, documents func() (input, data map[string]any)) {
	t.Helper()
	a := analyse(compiler, entry)
	// What is only checked for presence is emptied, as if a field of it were read that no
	// document has.
	a.inputChecks.each(func(path []string, _ *ast.Location) { a.out.Input.Add(append(path, "none")...) })
	a.dataChecks.each(func(path []string, _ *ast.Location) { a.out.Data.Add(append(path, "none")...) })
	f := a.finish()
	ask := func(input, data any) string {
		result, err := rego.New(
			rego.Query(entry.String()), rego.Compiler(compiler), rego.StrictBuiltinErrors(true),
			rego.Input(input), rego.Store(inmem.NewFromObject(data.(map[string]any))),
		).Eval(t.Context())
		if err != nil {
			return "an error"
		}
		return fmt.Sprint(result)
	}
	for range n {
		input, data := documents()
		whole, kept := ask(input, data), ask(keep(input, &f.Input), keep(data, &f.Data))
		if whole != kept {
			t.Errorf("%s\ngives %s, and %s for what is read\nof input %v\nand data %v\nwhich is %s", source, whole, kept, input, data, reads(f))
			return
		}
	}
}

// keep is what paths read of v. What is no object is kept as it is, and an
// object is there even if nothing in it is. Where items are read, a list or an
// object is kept with what is read of them.
func keep(v any, paths *Paths) any {
	if items := paths.Fields[Items]; items != nil {
		switch v := v.(type) {
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = keep(v[i], items)
			}
			return out
		case map[string]any:
			out := map[string]any{}
			for name, member := range v {
				out[name] = keep(member, items)
			}
			return out
		}
		return v
	}
	object, ok := v.(map[string]any)
	if paths.Whole || !ok {
		return v
	}
	out := map[string]any{}
	for name, below := range paths.Fields {
		if field, ok := object[name]; ok {
			out[name] = keep(field, below)
		}
	}
	return out
}

// documents makes up documents of the names that a policy uses.
type documents struct {
	*rand.Rand
	names []string
}

func documentsFor(source string, seed uint64) documents {
	names := regexp.MustCompile(`[a-z]+`).FindAllString(source, -1)
	names = slices.DeleteFunc(names, func(name string) bool { return len(name) > 4 || len(name) == 2 })
	names = append(names, "a", "b", "c")
	slices.Sort(names)
	return documents{rand.New(rand.NewPCG(seed, 1)), slices.Compact(names)}
}

func (d documents) object(depth int) map[string]any {
	out := map[string]any{}
	for _, name := range d.names {
		if d.IntN(3) > 0 {
			out[name] = d.value(depth - 1)
		}
	}
	return out
}

func (d documents) value(depth int) any {
	switch n := d.IntN(10); {
	case n < 5 && depth > 0:
		return d.object(depth)
	case n < 6 && depth > 0:
		return []any{d.value(depth - 1), d.value(depth - 1)}
	default:
		return []any{1, 1, 1, 2, true, false, nil, "x", d.names[d.IntN(len(d.names))]}[d.IntN(9)]
	}
}
