package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

func TestMergeDocuments(t *testing.T) {
	for _, c := range []struct {
		name      string
		documents []Document
		want      string
	}{
		{"none", nil, `{}`},
		{"json", []Document{{Path: "data.json", Content: []byte(`{"a":{"b":[1,null]}}`)}}, `{"a":{"b":[1,null]}}`},
		{"yaml", []Document{{Path: "data.yaml", Content: []byte("a:\n  b: [1, null]\n")}}, `{"a":{"b":[1,null]}}`},
		{"yml", []Document{{Path: "data.yml", Content: []byte("a: {b: x}")}}, `{"a":{"b":"x"}}`},
		{"yaml anchors", []Document{{Path: "data.yaml", Content: []byte("a: &x [1]\nb: *x\n")}}, `{"a":[1],"b":[1]}`},
		{"quoted yaml keys", []Document{{Path: "data.yaml", Content: []byte("\"1\": a\n'true': b\n")}}, `{"1":"a","true":"b"}`},
		{"empty object", []Document{{Path: "data.json", Content: []byte(`{}`)}}, `{}`},
		{"prefix", []Document{{Path: "teams/red/data.json", Prefix: []string{"teams", "red"}, Content: []byte(`{"a":1}`)}}, `{"teams":{"red":{"a":1}}}`},
		{"prefix and empty object", []Document{{Path: "teams/data.json", Prefix: []string{"teams"}, Content: []byte(`{}`)}}, `{"teams":{}}`},
		{"several roots", []Document{
			{Path: "a.json", Content: []byte(`{"a":1}`)},
			{Path: "b.yaml", Content: []byte(`b: 2`)},
		}, `{"a":1,"b":2}`},
		{"one object filled by three files", []Document{
			{Path: "data.json", Content: []byte(`{"teams":{"red":{"a":1}}}`)},
			{Path: "teams/data.json", Prefix: []string{"teams"}, Content: []byte(`{"red":{"b":2},"blue":{}}`)},
			{Path: "teams/red/data.yaml", Prefix: []string{"teams", "red"}, Content: []byte(`c: 3`)},
		}, `{"teams":{"red":{"a":1,"b":2,"c":3},"blue":{}}}`},
		{"the deeper file first", []Document{
			{Path: "teams/red/data.yaml", Prefix: []string{"teams", "red"}, Content: []byte(`c: 3`)},
			{Path: "data.json", Content: []byte(`{"teams":{"red":{"a":1}}}`)},
		}, `{"teams":{"red":{"a":1,"c":3}}}`},
		{"reserved names below the root", []Document{
			{Path: "data.json", Content: []byte(`{"company":{"kubernetes":1,"lib":2,"cluster":3,"revoked":4}}`)},
		}, `{"company":{"kubernetes":1,"lib":2,"cluster":3,"revoked":4}}`},
		{"objects deeper than files are merged", []Document{
			{Path: "data.json", Content: []byte(`{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}`)},
		}, `{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var found problems
			got := mergeDocuments(c.documents, new(parsedDocuments), &found)
			if err := found.err(); err != nil {
				t.Fatal(err)
			}
			want, err := ast.ValueFromReader(strings.NewReader(c.want))
			if err != nil {
				t.Fatal(err)
			}
			if got.Compare(want) != 0 {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestMergeDocumentsRefuses(t *testing.T) {
	file := func(path, content string, prefix ...string) Document {
		return Document{Path: path, Prefix: prefix, Content: []byte(content)}
	}
	for _, c := range []struct {
		name      string
		documents []Document
		want      [][]string // for each problem what it contains
	}{
		{
			"one key twice",
			[]Document{file("a.json", `{"x":{"y":1}}`), file("b.json", `{"x":{"y":1}}`)},
			[][]string{{"b.json: data.x.y: a.json already gives this a value"}},
		},
		{
			"an object over a value",
			[]Document{file("a.json", `{"x":1}`), file("b.json", `{"x":{"y":1}}`)},
			[][]string{{"b.json: ", "data.x: ", "a.json"}},
		},
		{
			"a value over an object",
			[]Document{file("a.json", `{"x":{"y":1}}`), file("b.yaml", `x: 1`)},
			[][]string{{"b.yaml: ", "data.x: ", "a.json"}},
		},
		{
			"a folder below a value",
			[]Document{file("data.json", `{"x":1}`), file("x/data.json", `{"y":1}`, "x")},
			[][]string{{"x/data.json: ", "data.x: ", "data.json"}},
		},
		{
			"a value over a folder",
			[]Document{file("x/data.json", `{"y":1}`, "x"), file("data.json", `{"x":1}`)},
			[][]string{{"data.json: ", "data.x: ", "x/data.json"}},
		},
		{
			"a list is not merged",
			[]Document{file("a.json", `{"x":[1]}`), file("b.json", `{"x":[2]}`)},
			[][]string{{"b.json: ", "data.x: ", "a.json"}},
		},
		{
			"every conflict is named",
			[]Document{file("a.json", `{"x":1,"y":{"z":2}}`), file("b.json", `{"x":1,"y":{"z":2}}`)},
			[][]string{{"b.json: data.x: "}, {"b.json: data.y.z: "}},
		},
		{"JSON duplicate", []Document{file("a.json", `{"x":{"y":1,"y":2}}`)}, [][]string{{"a.json: ", "/x/y", "duplicate name"}}},
		{"JSON duplicate in a YAML file", []Document{file("a.yaml", `{"x": {"b": 1, "b": 2}}`)}, [][]string{{"a.yaml: ", `"b"`}}},
		{"YAML duplicate", []Document{file("a.yaml", "x:\n  b: 1\n  b: 2\n")}, [][]string{{"a.yaml: ", "line 3", `"b"`}}},
		{"JSON syntax", []Document{file("a.json", `{"x":`)}, [][]string{{"a.json: ", "the document ends too early"}}},
		{"YAML syntax", []Document{file("a.yaml", "x: [1")}, [][]string{{"a.yaml: ", "yaml"}}},
		{"YAML in a .json file", []Document{file("a.json", "x: 1")}, [][]string{{"a.json: ", "invalid"}}},
		{"list", []Document{file("a.json", `[1]`)}, [][]string{{"a.json: ", "holds an object", "a list"}}},
		{"string", []Document{file("a.yaml", `hello`)}, [][]string{{"a.yaml: ", "holds an object", "a string"}}},
		{"empty YAML", []Document{file("a.yaml", ``)}, [][]string{{"a.yaml: ", "holds an object", "null"}}},
		{"empty JSON", []Document{file("a.json", ``)}, [][]string{{"a.json: ", "ends too early"}}},
		{"number out of range", []Document{file("a.json", `{"x":1e999}`)}, [][]string{{"a.json: ", "/x", "number out of range"}}},
		{"root kubernetes", []Document{file("a.json", `{"kubernetes":{"authorization":{"allow":["yes"]}}}`)}, [][]string{{"a.json: ", "data.kubernetes is reserved"}}},
		{
			"root kubernetes by folder",
			[]Document{file("kubernetes/authorization/data.json", `{"allow":["yes"]}`, "kubernetes", "authorization")},
			[][]string{{"kubernetes/authorization/data.json: ", "data.kubernetes is reserved", "choose another name"}},
		},
		{"root lib", []Document{file("a.json", `{"lib":1}`)}, [][]string{{"a.json: ", "data.lib is reserved"}}},
		{"root cluster", []Document{file("a.yaml", `cluster: {}`)}, [][]string{{"a.yaml: ", "data.cluster is reserved"}}},
		{"root revoked", []Document{file("revoked/data.json", `{}`, "revoked")}, [][]string{{"revoked/data.json: ", "data.revoked is reserved"}}},
		{
			"every bad file is named",
			[]Document{file("a.json", `[]`), file("b.json", `{`), file("c.json", `{"lib":1}`)},
			[][]string{{"a.json: "}, {"b.json: "}, {"c.json: "}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := refused(t, Options{}, Content{Documents: c.documents})
			if len(got) != len(c.want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(got), len(c.want), strings.Join(got, "\n"))
			}
			slices.Sort(got)
			for i, parts := range c.want {
				contains(t, got[i], parts...)
			}
		})
	}
}

func TestDataAndRulesDoNotMeet(t *testing.T) {
	for _, c := range []struct{ name, policy, data, want string }{
		{"a value at a rule's path", "package app\n\nroles := {\"a\"}", `{"app":{"roles":1}}`, "p0.rego:3:1: "},
		{"a value above a rule", "package app.rbac\n\nroles := {\"a\"}", `{"app":{"rbac":1}}`, "p0.rego:3:1: "},
		{"a value above the package", "package app.rbac\n\nroles := {\"a\"}", `{"app":"x"}`, "p0.rego:3:1: "},
		{"a value at a set", "package app\n\nroles contains \"a\"", `{"app":{"roles":["b"]}}`, "p0.rego:3:1: "},
		{"null at a rule's path", "package app\n\nroles := 1", `{"app":{"roles":null}}`, "p0.rego:3:1: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := content(c.policy)
			in.Documents = []Document{{Path: "data.json", Content: []byte(c.data)}}
			got := refused(t, Options{}, in)
			if len(got) != 1 {
				t.Fatalf("got %d problems, want 1:\n%s", len(got), strings.Join(got, "\n"))
			}
			contains(t, got[0], c.want, "data path")
		})
	}
}

func TestDataBesideRules(t *testing.T) {
	in := content(`package app

roles contains name if some name in data.app.config.names`, `package kubernetes.authorization

allow contains role if some role in data.app.roles`)
	in.Documents = []Document{{Path: "data.json", Content: []byte(`{"app":{"config":{"names":["a","b"]}}}`)}}
	revision, err := Compile(t.Context(), in, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := revision.Authorize(t.Context(), object(t, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "reasons", got.Reasons, []string{"a", "b"})
}

func TestMergedDataDoesNotChangeItsDocuments(t *testing.T) {
	first, err := document.Decode([]byte(`{"a":{"b":1}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var found problems
	root := &dataNode{}
	root.add("x", nil, first.(ast.Object), &found)
	second, err := document.Decode([]byte(`{"c":2}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	root.add("y", []string{"a"}, second.(ast.Object), &found)
	if got, want := root.object().String(), `{"a": {"b": 1, "c": 2}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := first.String(), `{"a": {"b": 1}}`; got != want {
		t.Errorf("the first document became %s, want %s", got, want)
	}
}
