package document

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/cache/cachetest"
)

// TestSizes compares the computed sizes of values with the growth of the heap.
func TestSizes(t *testing.T) {
	list := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	members := func(n int, value string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"member-%d":%s`, i, value)
		}
		return "{" + b.String()[1:] + "}"
	}
	for name, text := range map[string]string{
		"small numbers":    list("1", 1000),
		"empty strings":    list(`""`, 1000),
		"empty lists":      list("[]", 1000),
		"empty objects":    list("{}", 1000),
		"true":             list("true", 1000),
		"strings":          list(`"a string of some length"`, 1000),
		"a long string":    list(`"`+strings.Repeat("x", 10_000)+`"`, 3),
		"labels":           list(members(5, `"value"`), 100),
		"a large object":   list(members(1000, `""`), 1),
		"nested objects":   list(`{"a":{"b":{"c":{"d":1}}}}`, 200),
		"a node's address": list(`{"address":"10.0.0.1","type":"InternalIP"}`, 300),
	} {
		t.Run(name, func(t *testing.T) {
			const copies = 40
			values := make([]ast.Value, copies)
			before := cachetest.Heap()
			for i := range values {
				value, err := Decode([]byte(text), nil)
				if err != nil {
					t.Fatal(err)
				}
				values[i] = value
			}
			held := float64(cachetest.Heap()-before) / copies
			counted := map[string]int{"SizeOf": SizeOf(values[0]), "DecodedSizeOf": DecodedSizeOf(text)}
			document, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			counted["DecodedSize"] = document.Root().DecodedSize()
			document.Release()
			runtime.KeepAlive(values)
			for how, size := range counted {
				t.Logf("%s: %d of %.0f, %.2f", how, size, held, float64(size)/held)
				if ratio := float64(size) / held; ratio < 0.85 || ratio > 4 || how == "SizeOf" && ratio > 1.8 {
					t.Errorf("%s says %d bytes, and the heap grew by %.0f", how, size, held)
				}
			}
		})
	}
}
