package evaluator

import (
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// What is read of data while a part of it is replaced, above, at and below that part.
func TestReplacedParts(t *testing.T) {
	data := `{"a": {"b": {"y": 2}, "c": 3, "s": "str", "l": [1, 2]}, "o": {"p": {"q": {"r": 1}, "z": 2}}, "x": 1}`
	nested := []string{"", ` with data.a.b.r as 6`, ` with data.a.b as {"w": 1}`, ` with data.o.p as {"q": {"n": 1}}`}
	n := 0
	for _, read := range []string{
		`data.a`, `data.a.b`, `data.a.b.x`, `data.a.b.y`, `data.a.c`, `data.a.s`, `data.a.s.t`, `data.a.l`, `data.a.l[0]`, `data.a[input.k]`, `data.a[input.k].y`, `data.a[input.k][input.y]`,
		`data.o.p`, `data.o.p.q`, `data.o`, `data.o.p[input.q]`, `data.o[input.p].q.r`,
		`[[k, v] | some k; v := data.a[k]]`, `[[k, v] | some k, v in data.a]`, `[v | some k; v := data.a[k].y]`, `[[k, j, v] | some k, j; v := data.a[k][j]]`, `[[k, v] | some k; v := data.o.p.q[k]]`,
		`[[k, j, v] | some k, j; v := data.o[k][j]]`, `[x.b | x := data.a]`, `[x[input.k] | x := data.a]`, `count(data.a)`, `{k | data.a[k] == 3}`, `"x" in data.a.l`, `all`, `data.a[input.k]`,
	} {
		for _, with := range []string{
			`with data.a.b as {"x": 1}`, `with data.a.b as 1`, `with data.a.b.z as {"x": 1}`, `with data.a.s.t as 1`, `with data.a.l as [5]`, `with data.a.l.x as 1`, `with data.a as {"b": 1}`, `with data.a as 1`,
			`with data.a.b as {"x": 1} with data.a.c as {"x": 1}`, `with data.a as {"b": {"x": 1}} with data.a.b.y as 3`, `with data.a.b as 7 with data.a.b.y as 3`, `with data.a.b.y as 3 with data.a.b as 7`,
			`with data.a.b as 7 with data.a.b as {"x": 1}`, `with data.o.p.q as {"x": 1}`, `with data.o.p.q as {"x": 1} with data.o.p as {"n": 1}`, `with data.o.n.m as {"x": 1}`, `with data.n as 1`, `with data.n.m as input`,
			`with data.a.new as {"y": 5} with data.a.b.new as 1`, `with data.a.b as input.none`, `with input as {"k": "c", "y": "x"} with data.a.c as {"x": 1}`,
		} {
			t.Run(read+" "+with, func(t *testing.T) {
				inner := nested[n%len(nested)]
				n++
				i, c, err := compileBoth(t, "package p\n\nr := x if x := t "+with+"\n\nt := x if x := u"+inner+"\n\nu := "+read+"\n\nall := [data.a, data.o, data.x, data.a.b, data.o.p]\n", data)
				if err != nil {
					t.Fatal(err)
				}
				for _, input := range []string{`{"k": "b", "y": "y", "p": "p", "q": "q"}`, `{"k": "c", "y": "x", "p": "n", "q": "z"}`, `{"k": 0}`} {
					agree(t, i, c, ast.MustParseTerm(input).Value)
				}
			})
		}
	}
}
