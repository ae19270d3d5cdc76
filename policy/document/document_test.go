package document

import (
	"strings"
	"testing"
)

const fields = `{
	"null": null, "string": "a", "empty": "", "number": 1, "bool": true,
	"strings": ["a", "b"], "mixed": ["a", 1], "none": [],
	"object": {"k": "v"}, "objects": [{"a": 1}, {}], "odd": [{"a": 1}, 2],
	"extra": {"k": ["v"], "nothing": null}, "badExtra": {"k": ["v"], "l": "v"}, "worseExtra": {"k": [1]}
}`

func TestValueFields(t *testing.T) {
	o := object(t, fields)
	for _, c := range []struct {
		name string
		read func() error
		want string // the error, "" for none
	}{
		{"string", func() error { _, err := o.String("string"); return err }, ""},
		{"string of a number", func() error { _, err := o.String("number"); return err }, "number: must be a string, not a number"},
		{"string of a list", func() error { _, err := o.String("none"); return err }, "none: must be a string, not a list"},
		{"object", func() error { _, err := o.Object("object"); return err }, ""},
		{"object of a string", func() error { _, err := o.Object("string"); return err }, "string: must be an object, not a string"},
		{"strings", func() error { _, err := o.Strings("strings"); return err }, ""},
		{"strings of a string", func() error { _, err := o.Strings("string"); return err }, "string: must be a list of strings, not a string"},
		{"strings with a number", func() error { _, err := o.Strings("mixed"); return err }, "mixed[1]: must be a string, not a number"},
		{"objects", func() error { _, err := o.Objects("objects"); return err }, ""},
		{"objects of an object", func() error { _, err := o.Objects("object"); return err }, "object: must be a list of objects, not an object"},
		{"objects with a number", func() error { _, err := o.Objects("odd"); return err }, "odd[1]: must be an object, not a number"},
		{"string lists", func() error { return o.CheckStringLists("extra") }, ""},
		{"string lists of a list", func() error { return o.CheckStringLists("none") }, "none: must be an object, not a list"},
		{"string lists with a string", func() error { return o.CheckStringLists("badExtra") }, "badExtra.l: must be a list of strings, not a string"},
		{"string lists with a number", func() error { return o.CheckStringLists("worseExtra") }, "worseExtra.k[0]: must be a string, not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := c.read(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got error %q, want %q", got, c.want)
			}
		})
	}
	if got, _ := o.String("string"); got != "a" {
		t.Errorf("got string %q, want a", got)
	}
	if got, _ := o.Strings("strings"); len(got) != 2 || got[1] != "b" {
		t.Errorf("got strings %v, want [a b]", got)
	}
	if got, _ := o.Objects("objects"); len(got) != 2 || got[0].Get("a").Absent() || !got[1].IsObject() {
		t.Errorf("got %d objects, want {a} and {}", len(got))
	}
}

func TestAbsentAndNullReadAlike(t *testing.T) {
	for name, o := range map[string]Value{"null": object(t, fields), "absent": object(t, `{}`), "zero": {}} {
		t.Run(name, func(t *testing.T) {
			if s, err := o.String("null"); s != "" || err != nil {
				t.Errorf("got string %q and error %v", s, err)
			}
			if v, err := o.Object("null"); !v.Absent() || err != nil {
				t.Errorf("got an object: %t, and error %v", v.IsObject(), err)
			}
			if v, err := o.Strings("null"); v != nil || err != nil {
				t.Errorf("got strings %v and error %v", v, err)
			}
			if v, err := o.Objects("null"); v != nil || err != nil {
				t.Errorf("got %d objects and error %v", len(v), err)
			}
			if err := o.CheckStringLists("null"); err != nil {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		name, document string
		edit           func(root Value)
		want           string
	}{
		{"hide", `{"a":1,"b":{"c":2}}`, func(v Value) { v.Hide("a") }, `{"b":{"c":2}}`},
		{"hide below", `{"a":[0,{"b":{"secret":"x","c":2}}],"d":{}}`, func(v Value) {
			items, err := v.Objects("none")
			if err != nil || items != nil {
				t.Fatal(items, err)
			}
			v.Get("d").Hide("nothing")
			v.Hide("d")
		}, `{"a":[0,{"b":{"secret":"x","c":2}}]}`},
		{"hide all", `{ "a" : 1 }`, func(v Value) { v.Hide("a") }, `{}`},
		{"hide deep", `{"spec":{"token":"secret","audiences":["a"]}}`, func(v Value) { v.Get("spec").Hide("token") }, `{"spec":{"audiences":["a"]}}`},
		{"hide an escaped name", `{"spec":{"t\u006fken":"secret"}}`, func(v Value) { v.Get("spec").Hide("token") }, `{"spec":{}}`},
		{"rename", `{"group":["a"],"z":1}`, func(v Value) { v.Rename("group", "groups") }, `{"groups":["a"],"z":1}`},
		{"rename over a hidden one", `{"group":["a"],"groups":["b"]}`, func(v Value) { v.Hide("groups"); v.Rename("group", "groups") }, `{"groups":["a"]}`},
		{"replace", `{"apiVersion":"v1beta1"}`, func(v Value) { v.Replace("apiVersion", `v"1`) }, `{"apiVersion":"v\"1"}`},
		{"nothing", `{"a":[1,2.50,"\u0041",null,true]}`, func(Value) {}, `{"a":[1,2.50,"\u0041",null,true]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := object(t, c.document)
			c.edit(root)
			if got := string(root.appendText(nil)); got != c.want {
				t.Errorf("the text is %s, want %s", got, c.want)
			}
			want, err := Decode([]byte(c.want), nil)
			if err != nil {
				t.Fatal(err)
			}
			for what, s := range map[string]*Selection{"whole": all} {
				if got := root.Project(s); got.Compare(want) != 0 {
					t.Errorf("%s: the value is %v, want %v", what, got, want)
				}
				if key := string(root.AppendKey(nil, s)); strings.Contains(key, "secret") != strings.Contains(c.want, "secret") {
					t.Errorf("%s: the key is %q", what, key)
				}
			}
		})
	}
}
