package policy

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"
)

// programOf identifies the program for the rule at place in what was compiled
// last, 0 for none.
func programOf(e *Engine, place int) uintptr {
	program := reflect.ValueOf(e.loads.buildCache.policies.rules[place].evaluator)
	if program.Kind() != reflect.Pointer {
		return 0
	}
	if field := program.Elem().FieldByName("program"); field.IsValid() {
		return field.Pointer()
	}
	return 0
}

const helped = `package kubernetes.authorization

import data.helpers

allow contains "a" if helpers.known(input.spec.user)

deny contains "d" if input.spec.user == "mallory"
`

// TestProgramsAreCarriedOver changes one thing, and looks at which programs are
// made anew for it.
func TestProgramsAreCarriedOver(t *testing.T) {
	const helpers = "package helpers\n\nknown(user) if user in data.users\n"
	module := func(path, source string) Module { return Module{Path: path, Source: []byte(source)} }
	users := func(names string) []Document {
		return []Document{{Path: "d.json", Content: []byte(`{"users": ` + names + `}`)}}
	}
	before := Content{Modules: []Module{module("a.rego", helped), module("h.rego", helpers)}, Documents: users(`["alice"]`)}
	for name, c := range map[string]struct {
		after            Content
		allow, deny      bool // are carried over
		compiler         bool
		alice, bob, carl Outcome
	}{
		"data": {
			after: Content{Modules: before.Modules, Documents: users(`["bob"]`)},
			allow: true, deny: true, compiler: true, alice: NoOpinion, bob: Allow, carl: NoOpinion,
		},
		"another package": {
			after: Content{Modules: append([]Module{module("z.rego", "package other\n\nx := 1\n")}, before.Modules...), Documents: before.Documents},
			allow: true, deny: true, alice: Allow, bob: NoOpinion, carl: NoOpinion,
		},
		"a helper of one": {
			after: Content{Modules: []Module{before.Modules[0], module("h.rego", helpers+"\nknown(\"bob\")\n")}, Documents: before.Documents},
			deny:  true, alice: Allow, bob: Allow, carl: NoOpinion,
		},
		"one of them": {
			after: Content{Modules: []Module{module("a.rego", helped+"\ndeny contains \"e\" if input.spec.user == \"carl\"\n"), before.Modules[1]}, Documents: before.Documents},
			allow: true, alice: Allow, bob: NoOpinion, carl: Deny,
		},
		"the place of a file": {
			after: Content{Modules: []Module{module("b.rego", "# Moved.\n"+helped), before.Modules[1]}, Documents: before.Documents},
			allow: true, deny: true, alice: Allow, bob: NoOpinion, carl: NoOpinion,
		},
		"what was data is a rule": {
			after: Content{Modules: append([]Module{module("u.rego", "package users\n\nbob := \"bob\"\n")}, before.Modules...)},
			deny:  true, alice: NoOpinion, bob: Allow, carl: NoOpinion,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := loadedContent(t, Options{Cache: roomy}, before)
			allow, deny, compiler := programOf(e, allowRule), programOf(e, denyRule), e.loads.buildCache.policies.compiler
			if allow == 0 || deny == 0 {
				t.Fatal("the rules are not compiled")
			}
			if err := e.Load(t.Context(), c.after); err != nil {
				t.Fatal(err)
			}
			if got := programOf(e, allowRule) == allow; got != c.allow {
				t.Errorf("allow is carried over: %v, want %v", got, c.allow)
			}
			if got := programOf(e, denyRule) == deny; got != c.deny {
				t.Errorf("deny is carried over: %v, want %v", got, c.deny)
			}
			if got := e.loads.buildCache.policies.compiler == compiler; got != c.compiler {
				t.Errorf("the compiler is carried over: %v, want %v", got, c.compiler)
			}
			for user, want := range map[string]Outcome{"alice": c.alice, "bob": c.bob, "carl": c.carl, "mallory": Deny} {
				if got := authorize(t, e, object(t, `{"spec":{"user":"`+user+`"}}`)); got.Outcome != want {
					t.Errorf("%s: got %s, want %s", user, got.Outcome, want)
				}
			}
		})
	}
}

// TestTheOrderOfRulesIsPartOfAProgram: OPA's index names rules by what comes from
// the compiler, and a program knows them by their place.
func TestTheOrderOfRulesIsPartOfAProgram(t *testing.T) {
	rule := func(name string) string {
		return "deny contains \"" + name + "\" if input.spec.user == \"" + name + "\"\n\n"
	}
	var first, second strings.Builder
	for _, name := range []string{"a", "b", "c", "d"} {
		first.WriteString(rule(name))
	}
	for _, name := range []string{"e", "f", "g", "h"} {
		second.WriteString(rule(name))
	}
	at := func(one, two string) Content {
		return Content{Modules: []Module{
			{Path: one, Source: []byte("# " + one + "\n" + authz + first.String())}, {Path: two, Source: []byte(authz + second.String())},
		}}
	}
	e := loadedContent(t, Options{}, at("1.rego", "2.rego"))
	for _, c := range []struct {
		name    string
		content Content
		same    bool
	}{
		{"other names, the same order", at("1.rego", "3.rego"), true},
		{"the other order", at("4.rego", "3.rego"), false},
		{"and with more in between", Content{Modules: append(at("4.rego", "3.rego").Modules, Module{Path: "0.rego", Source: []byte("package other\n\nx := 1\n")})}, true},
	} {
		before := programOf(e, denyRule)
		if err := e.Load(t.Context(), c.content); err != nil {
			t.Fatal(err)
		}
		if got := programOf(e, denyRule) == before; got != c.same {
			t.Errorf("%s: carried over: %v, want %v", c.name, got, c.same)
		}
		for _, name := range []string{"a", "d", "e", "h"} {
			got := authorize(t, e, object(t, `{"spec":{"user":"`+name+`"}}`))
			equal(t, c.name, got.Reasons, []string{name})
		}
	}
}

// TestNothingOfAnEarlierCompilerIsKept: a compiler holds all of its modules.
func TestNothingOfAnEarlierCompilerIsKept(t *testing.T) {
	modules := func(more string) Content {
		var deny strings.Builder
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			deny.WriteString("deny contains \"" + name + "\" if input.spec.user == \"" + name + "\"\n\n")
		}
		return content(authz+deny.String(), "package other\n\n"+more)
	}
	e := loadedContent(t, Options{Cache: roomy}, modules("x := 1"))
	program, compiler := programOf(e, denyRule), weak.Make(e.loads.buildCache.policies.compiler)
	authorize(t, e, object(t, `{"spec":{"user":"a"}}`)) // so that there is a machine
	if err := e.Load(t.Context(), modules("x := 2")); err != nil {
		t.Fatal(err)
	}
	if programOf(e, denyRule) != program {
		t.Fatal("the program is not carried over")
	}
	wantGone(t, compiler, "the compiler of the revision before")
	if got := authorize(t, e, object(t, `{"spec":{"user":"a"}}`)); got.Outcome != Deny {
		t.Errorf("got %s, want deny", got.Outcome)
	}
}

func wantGone[T any](t *testing.T, what weak.Pointer[T], name string) {
	t.Helper()
	for range 100 {
		if runtime.GC(); what.Value() == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s is kept", name)
}

// TestNothingOfEarlierDataIsKept: policies stay where data changes.
func TestNothingOfEarlierDataIsKept(t *testing.T) {
	with := func(data string) Content {
		c := content(threeWays)
		c.Documents = []Document{{Path: "d.json", Content: []byte(data)}}
		return c
	}
	e := loadedContent(t, Options{Cache: roomy}, with(`{"much": {"a": 1}}`))
	name := weak.Make(nameOf(t, e, "a", "much"))
	for _, data := range []string{`{"much": {"a": 2}}`, `{"much": {"b": 1}}`} {
		if err := e.Load(t.Context(), with(data)); err != nil {
			t.Fatal(err)
		}
		wantGone(t, name, "the data before")
		if got := authorize(t, e, object(t, `{"spec":{"user":"alice"}}`)); got.Outcome != Allow {
			t.Errorf("got %s, want allow", got.Outcome)
		}
	}
}

// TestDataIsCheckedAgainstPoliciesThatStay: what stands in the way of a rule is
// refused also when only data changes.
func TestDataIsCheckedAgainstPoliciesThatStay(t *testing.T) {
	with := func(data string) Content {
		c := content(authz+`allow contains "x" if data.app.roles[input.spec.user]`, "package app\n\nroles[user] := 1 if some user in data.users\n")
		c.Documents = []Document{{Path: "d.json", Content: []byte(data)}}
		return c
	}
	e := loadedContent(t, Options{}, with(`{"users": ["a"]}`))
	for range 2 {
		err := e.Load(t.Context(), with(`{"users": ["a"], "app": {"roles": {}}}`))
		if err == nil || !strings.Contains(err.Error(), "p1.rego:3:1: ") {
			t.Fatalf("got error %v, want one about the rule", err)
		}
		if err := e.Load(t.Context(), with(`{"kubernetes": {}}`)); err == nil || !strings.Contains(err.Error(), "reserved") {
			t.Errorf("got error %v, want one about the reserved name", err)
		}
	}
	if err := e.Load(t.Context(), with(`{"users": ["b"]}`)); err != nil {
		t.Fatal(err)
	}
	if got := authorize(t, e, object(t, `{"spec":{"user":"b"}}`)); got.Outcome != Allow {
		t.Errorf("got %s, want allow", got.Outcome)
	}
}

// TestARefusedPolicyLeavesWhatItDidNotChange: after a mistake, and its mending,
// programs are the ones from before it.
func TestARefusedPolicyLeavesWhatItDidNotChange(t *testing.T) {
	e := loaded(t, Options{}, threeWays)
	before, name := programOf(e, allowRule), e.loads.buildCache.policies.names["alice"]
	for _, mistake := range []string{"package", "package kubernetes.authorization\n\nallow contains x\n", "package kubernetes.authorization\n\nallow := 1\n"} {
		if err := e.Load(t.Context(), content(mistake)); err == nil {
			t.Fatalf("%q is taken", mistake)
		}
	}
	if err := e.Load(t.Context(), content(threeWays, "package other\n\nx := 1\n")); err != nil {
		t.Fatal(err)
	}
	if programOf(e, allowRule) != before || e.loads.buildCache.policies.names["alice"] != name {
		t.Error("what did not change was made anew")
	}
}

// BenchmarkLoad changes one thing beside 1,000 policy files.
func BenchmarkLoad(b *testing.B) {
	before := Content{Documents: []Document{{Path: "d.json", Content: []byte(`{"n": 0}`)}}}
	for i := range 1000 {
		source := fmt.Appendf(nil, "%sdeny contains \"d%d\" if input.spec.user == \"u%d\"\n", authz, i, i)
		before.Modules = append(before.Modules, Module{Path: fmt.Sprintf("p%d.rego", i), Source: source})
	}
	for name, change := range map[string]func(c *Content, n int){
		"data": func(c *Content, n int) {
			c.Documents = []Document{{Path: "d.json", Content: fmt.Appendf(nil, `{"n": %d}`, n)}}
		},
		"another package": func(c *Content, n int) {
			c.Modules = append(c.Modules, Module{Path: "z.rego", Source: fmt.Appendf(nil, "package other\n\nn := %d\n", n)})
		},
		"one of the rules": func(c *Content, n int) {
			last := &c.Modules[len(c.Modules)-1]
			last.Source = fmt.Appendf(slices.Clone(last.Source), "\ndeny contains \"n%d\" if input.spec.user == \"n\"\n", n)
		},
	} {
		b.Run(name, func(b *testing.B) {
			e := loadedContent(b, Options{}, before)
			for n := 1; b.Loop(); n++ {
				after := Content{Modules: slices.Clone(before.Modules), Documents: before.Documents}
				change(&after, n)
				if err := e.Load(b.Context(), after); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
