package policy

import (
	"errors"
	"testing"
)

func TestDecodeObject(t *testing.T) {
	for name, c := range map[string]struct{ document, message string }{
		"list":    {`[1]`, "the document is a list, not an object"},
		"string":  {`"a"`, "the document is a string, not an object"},
		"number":  {`1`, "the document is a number, not an object"},
		"boolean": {`true`, "the document is a boolean, not an object"},
		"null":    {`null`, "the document is null, not an object"},
		"nothing": {``, "ends too early"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := DecodeObject([]byte(c.document))
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Fatalf("got error %v, want a *SyntaxError", err)
			}
			contains(t, err.Error(), c.message)
			if !o.IsZero() {
				t.Errorf("got an object beside the error")
			}
		})
	}
	if o := object(t, `{}`); o.IsZero() {
		t.Error("an empty object is absent")
	}
}

const fields = `{
	"null": null, "string": "a", "empty": "", "number": 1, "bool": true,
	"strings": ["a", "b"], "mixed": ["a", 1], "none": [],
	"object": {"k": "v"}, "objects": [{"a": 1}, {}], "odd": [{"a": 1}, 2],
	"extra": {"k": ["v"], "nothing": null}, "badExtra": {"k": ["v"], "l": "v"}, "worseExtra": {"k": [1]}
}`

func TestObjectFields(t *testing.T) {
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
		{"string lists", func() error { return o.StringLists("extra") }, ""},
		{"string lists of a list", func() error { return o.StringLists("none") }, "none: must be an object, not a list"},
		{"string lists with a string", func() error { return o.StringLists("badExtra") }, "badExtra.l: must be a list of strings, not a string"},
		{"string lists with a number", func() error { return o.StringLists("worseExtra") }, "worseExtra.k[0]: must be a string, not a number"},
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
	if got, _ := o.Objects("objects"); len(got) != 2 || got[0].get("a") == nil || got[1].IsZero() {
		t.Errorf("got objects %v, want {a} and {}", got)
	}
}

func TestObjectAbsentAndNullReadAlike(t *testing.T) {
	for name, o := range map[string]Object{"null": object(t, fields), "absent": object(t, `{}`), "zero": {}} {
		t.Run(name, func(t *testing.T) {
			if s, err := o.String("null"); s != "" || err != nil {
				t.Errorf("got string %q and error %v", s, err)
			}
			if v, err := o.Object("null"); !v.IsZero() || err != nil {
				t.Errorf("got object %v and error %v", v, err)
			}
			if v, err := o.Strings("null"); v != nil || err != nil {
				t.Errorf("got strings %v and error %v", v, err)
			}
			if v, err := o.Objects("null"); v != nil || err != nil {
				t.Errorf("got objects %v and error %v", v, err)
			}
			if err := o.StringLists("null"); err != nil {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestObjectChangesAreCopies(t *testing.T) {
	o := object(t, `{"a":1,"b":{"c":2}}`)
	for _, c := range []struct {
		name string
		got  Object
		want string
	}{
		{"With adds", o.With("x", StringField("y")), `{"a":1,"b":{"c":2},"x":"y"}`},
		{"With replaces", o.With("a", StringField("y")), `{"a":"y","b":{"c":2}}`},
		{"With an object", o.With("a", ObjectField(object(t, `{"z":1}`))), `{"a":{"z":1},"b":{"c":2}}`},
		{"With the zero object", o.With("a", ObjectField(Object{})), `{"a":{},"b":{"c":2}}`},
		{"With on the zero object", Object{}.With("a", StringField("y")), `{"a":"y"}`},
		{"Without", o.Without("a", "nothing"), `{"b":{"c":2}}`},
		{"Without all", o.Without("a", "b"), `{}`},
		{"Renamed", o.Renamed("a", "z"), `{"z":1,"b":{"c":2}}`},
		{"Renamed over another", o.Renamed("a", "b"), `{"b":1}`},
		{"Renamed to itself", o.Renamed("a", "a"), `{"a":1,"b":{"c":2}}`},
		{"Renamed absent", o.Renamed("nothing", "z"), `{"a":1,"b":{"c":2}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if want := object(t, c.want); c.got.value.Compare(want.value) != 0 {
				t.Errorf("got %v, want %v", c.got.value, want.value)
			}
			if want := object(t, `{"a":1,"b":{"c":2}}`); o.value.Compare(want.value) != 0 {
				t.Errorf("the original became %v", o.value)
			}
		})
	}
}
