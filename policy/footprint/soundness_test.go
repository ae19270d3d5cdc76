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
	const documents = 40
	for i, test := range constructs {
		t.Run(test.name, func(t *testing.T) {
			source := "package p\n" + test.source
			compiler := compile(t, source)
			a := analyse(compiler, ast.MustParseRef("data.p.r"))
			// What is only glanced at is emptied, as if a field of it were read
			// that no document has.
			a.inputGlances.each(func(path []string, _ *ast.Location) { a.out.Input.Add(append(path, "none")...) })
			a.dataGlances.each(func(path []string, _ *ast.Location) { a.out.Data.Add(append(path, "none")...) })
			f := a.finish()
			random := documentsFor(source, uint64(i))
			for range documents {
				input := random.object(3)
				data := map[string]any{"t": random.object(2)}
				ask := func(input, data any) string {
					store := inmem.NewFromObject(data.(map[string]any))
					result, err := rego.New(rego.Query("data.p.r"), rego.Compiler(compiler), rego.Store(store), rego.StrictBuiltinErrors(true), rego.Input(input)).Eval(t.Context())
					if err != nil {
						return "error"
					}
					return fmt.Sprint(result)
				}
				whole, kept := ask(input, data), ask(keep(input, &f.Input), keep(data, &f.Data))
				if whole != kept {
					t.Fatalf("gives %s, and %s for what is read\nof input %v\nand data %v", whole, kept, input, data)
				}
			}
		})
	}
}

// keep is what paths read of v. What is no object is kept as it is, and an
// object is there even if nothing in it is.
func keep(v any, paths *Paths) any {
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
