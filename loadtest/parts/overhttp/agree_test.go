package overhttp

import (
	"maps"
	"testing"
)

func TestAgree(t *testing.T) {
	for name, c := range map[string]struct {
		path, answer, decision string
		want                   map[string]int // nil where they disagree
	}{
		"known token": {
			"/authenticate", `{"status":{"authenticated":true,"user":{"username":"alice","groups":["a"]}}}`,
			`{"result":{"user":{"username":"alice","groups":["a"]},"deny":[]}}`,
			map[string]int{"authenticated": 1},
		},
		"unknown token": {"/authenticate", `{"status":{}}`, `{}`, map[string]int{"not authenticated": 1}},
		"another user": {
			"/authenticate", `{"status":{"authenticated":true,"user":{"username":"bob"}}}`,
			`{"result":{"user":{"username":"alice"},"deny":[]}}`, nil,
		},
		"denied user let in": {
			"/authenticate", `{"status":{"authenticated":true,"user":{"username":"alice"}}}`,
			`{"result":{"user":{"username":"alice"},"deny":["no"]}}`, nil,
		},
		"allowed":    {"/authorize", `{"status":{"allowed":true,"reason":"x"}}`, `{"result":{"allow":["x"],"deny":[]}}`, map[string]int{"allowed": 1}},
		"deny wins":  {"/authorize", `{"status":{"allowed":false,"denied":true,"reason":"y"}}`, `{"result":{"allow":["x"],"deny":["y"]}}`, map[string]int{"denied": 1}},
		"no opinion": {"/authorize", `{"status":{"allowed":false}}`, `{"result":{"allow":[],"deny":[]}}`, map[string]int{"no opinion": 1}},
		"allowed by one alone": {
			"/authorize", `{"status":{"allowed":true}}`, `{"result":{"allow":[],"deny":[]}}`, nil,
		},
		"another reason": {"/authorize", `{"status":{"allowed":true,"reason":"z"}}`, `{"result":{"allow":["x"],"deny":[]}}`, nil},
		"filtered": {
			"/scheduler/filter",
			`{"Nodes":{"items":[{"metadata":{"name":"a"}}]},"FailedNodes":{"b":"r"},"FailedAndUnresolvableNodes":{"c":"u"}}`,
			`{"result":{"a":{"reject":[],"unresolvable":[]},"b":{"reject":["r"],"unresolvable":[]},"c":{"reject":["r"],"unresolvable":["u"]}}}`,
			map[string]int{"accepted": 1, "rejected": 1, "unresolvable": 1},
		},
		"a refused node accepted": {
			"/scheduler/filter", `{"Nodes":{"items":[{"metadata":{"name":"a"}}]}}`,
			`{"result":{"a":{"reject":["r"],"unresolvable":[]}}}`, nil,
		},
		"a node forgotten": {
			"/scheduler/filter", `{"Nodes":{"items":[]}}`, `{"result":{"a":{"reject":[],"unresolvable":[]}}}`, nil,
		},
		"scored": {
			"/scheduler/prioritize", `[{"Host":"a","Score":5},{"Host":"b","Score":10},{"Host":"c","Score":0}]`,
			`{"result":{"a":{"zone":3,"images":1.6},"b":{"zone":30},"c":{}}}`,
			map[string]int{"scored": 2, "zero": 1},
		},
		"another score": {"/scheduler/prioritize", `[{"Host":"a","Score":6}]`, `{"result":{"a":{"zone":3}}}`, nil},
		"unknown path":  {"/elsewhere", `{}`, `{}`, nil},
		"no JSON":       {"/authorize", `<html>`, `{}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := agree(c.path, []byte(c.answer), []byte(c.decision))
			if (err != nil) != (c.want == nil) || !maps.Equal(got, c.want) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}
