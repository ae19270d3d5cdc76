package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// compareEngines asks an engine that carried things over, one that did not, and
// one that compiles nothing, and fails where they differ.
func compareEngines(t *testing.T, carried *Engine, options Options, content Content, inputs []string) {
	t.Helper()
	fresh := NewEngine(options, &observed{})
	err, want := carried.Load(t.Context(), content), fresh.Load(t.Context(), content)
	if fmt.Sprint(err) != fmt.Sprint(want) {
		t.Fatalf("loading gives %v\nand a new engine %v\n%s", err, want, written(content))
	}
	if want != nil {
		return
	}
	options.InterpreterOnly = true
	interpreting := loadedContent(t, options, content)
	for _, input := range inputs {
		said := make([]string, 0, 3)
		for _, e := range []*Engine{carried, fresh, interpreting} {
			got, err := e.View().Authorize(t.Context(), object(t, input))
			said = append(said, fmt.Sprint(got.Outcome, got.Reasons, err))
		}
		if said[0] != said[1] || said[1] != said[2] {
			t.Fatalf("of %s\nthe engine says %s\na new one       %s\nthe interpreter %s\n%s", input, said[0], said[1], said[2], written(content))
		}
	}
}

func written(c Content) string {
	var out strings.Builder
	for _, m := range c.Modules {
		fmt.Fprintf(&out, "--- %s\n%s\n", m.Path, m.Source)
	}
	for _, d := range c.Documents {
		fmt.Fprintf(&out, "--- %s\n%s\n", d.Path, d.Content)
	}
	return out.String()
}

// TestPackagesWithoutRules come and go. OPA takes each for an empty object.
func TestPackagesWithoutRules(t *testing.T) {
	for _, body := range []string{
		`allow contains x if { some x, _ in data.things }`,
		`allow contains json.marshal(data.things)`,
		`allow contains "n" if count(data.things) == 1`,
		`allow contains "n" if data.things[input.spec.user]`,
		`allow contains "n" if data.things.alice`,
		`allow contains "n" if data.things.alice.x == 1`,
		`allow contains "n" if not data.things`,
	} {
		t.Run(body, func(t *testing.T) {
			for _, options := range []Options{{Cache: roomy}, {}} {
				e := NewEngine(options, &observed{})
				for _, more := range []string{"", "package things.alice", "", "package things", "package other", "package things.alice\n\nx := 1", "package things.alice"} {
					c := content(authz + body)
					if more != "package things" {
						c.Documents = []Document{{Path: "d.json", Content: []byte(`{"things": {"a": 1}}`)}}
					}
					if more != "" {
						c.Modules = append(c.Modules, Module{Path: "more.rego", Source: []byte(more + "\n")})
					}
					compareEngines(t, e, options, c, []string{`{"spec":{"user":"alice"}}`, `{"spec":{"user":"a"}}`})
				}
			}
		})
	}
}

// TestReloads changes random policies step by step: rules move between files and
// change places, helpers and packages come and go, data becomes rules.
func TestReloads(t *testing.T) {
	inputs := []string{
		`{"spec":{"user":"a","n":1,"groups":[{"name":"a","n":1}]}}`, `{"spec":{"user":"b","n":2,"groups":[{"name":"x","n":2},{"n":1}]}}`,
		`{"spec":{"user":"c","groups":[],"o":{"p":1}}}`, `{"spec":{"user":"x","n":"a","o":{"p":2}}}`, `{"spec":{"user":"k","n":1}}`,
	}
	carriedOver := 0
	for seed := range uint64(40) {
		p := newReloaded(seed)
		e := NewEngine(Options{Cache: roomy}, &observed{})
		for range 12 {
			var before uintptr
			if e.loads.buildCache.policies != nil {
				before = programOf(e, denyRule)
			}
			compareEngines(t, e, Options{Cache: roomy}, p.content(), inputs)
			if before != 0 && programOf(e, denyRule) == before {
				carriedOver++
			}
			p.change()
		}
	}
	if carriedOver == 0 {
		t.Error("no program was ever carried over")
	}
}

// reloaded is a policy that changes.
type reloaded struct {
	*rand.Rand
	allow, deny []string
	helpers     []string
	packages    map[string]string // but that of the helpers
	data        map[string]string
	files       []string // of the entry rules
	split       int      // how many denials are in the first file
}

func newReloaded(seed uint64) *reloaded {
	p := &reloaded{
		Rand: rand.New(rand.NewPCG(seed, 4)), packages: map[string]string{}, data: map[string]string{"x": "1"}, files: []string{"a.rego", "z.rego"},
	}
	for range 1 + p.IntN(9) {
		p.deny, p.allow = append(p.deny, p.denial()), append(p.allow, p.grant())
	}
	for _, name := range []string{"f", "f2", "g", "a", "s", "b", "c"} {
		p.helpers = append(p.helpers, p.helper(name))
	}
	return p
}

func (p *reloaded) one(of ...string) string { return of[p.IntN(len(of))] }

func (p *reloaded) denial() string {
	return fmt.Sprintf("deny contains \"d%d\" if { %s; %s }", p.IntN(20), p.condition(), p.condition())
}

func (p *reloaded) grant() string {
	return fmt.Sprintf("allow contains \"a%d\" if { %s }", p.IntN(20), p.condition())
}

func (p *reloaded) condition() string {
	values := []string{"data.h.a", "data.h.b", "data.h.c", "data.h.s", "data.u.x", "data.u.y", "data.u"}
	switch p.IntN(16) {
	case 0:
		return "input.spec.user == " + p.one(`"a"`, `"b"`, `"c"`)
	case 1:
		return "data.h.f(input.spec.user)"
	case 2:
		return p.one(values...) + " == " + p.one("1", "input.spec.n", `"a"`, "2")
	case 3:
		return p.one("data.h.s", "data.u", "data.u.x") + "[input.spec.user]"
	case 4:
		return "not " + p.one(values...)
	case 5:
		return "data.h.f(input.spec.user) with " + p.one("data.h.a", "data.u.x", "data.u", "data.h.s") + " as " + p.one("1", `{"a": 1}`, "data.h.c", "input.spec")
	case 6:
		return "data.h.f(input.spec.user) with data.h.f as " + p.one("data.h.f2", "is_string")
	case 7:
		return "input.spec.user in " + p.one("data.h.s", "data.u.x", "data.u")
	case 8:
		return "some k; " + p.one("data.u", "data.u.x", "input.spec") + "[k] == " + p.one("1", `"a"`, "input.spec.n")
	case 9:
		return "data.h.g(input.spec.n, input.spec.user) == " + p.one("1", `"a"`, "true")
	case 10:
		return "count(" + p.one("data.h.s", "data.u", "input.spec.groups", "data.u.x") + ") " + p.one(">", "==", "<") + " 1"
	case 11:
		return p.one("data.h.a", "data.h.b") + " with input.spec.user as " + p.one(`"a"`, "input.spec.n")
	case 12:
		return "some g in input.spec.groups; g.name == " + p.one(`"a"`, "input.spec.user", "data.u.x")
	case 13:
		return "every g in input.spec.groups { g.n == " + p.one("1", "data.u.y", "input.spec.n") + " }"
	case 14:
		return "input.spec.groups[0].n == " + p.one("1", "2")
	}
	return "object.get(input.spec, " + p.one(`"user"`, `["o", "p"]`, `"n"`) + ", 1) == " + p.one("1", `"a"`, "2")
}

func (p *reloaded) simple() string {
	return p.one(`input.spec.user == "a"`, "input.spec.n == 1", "data.u.x == 1", "data.u.y[input.spec.user]", "not data.u.x", "input.spec.o.p == 1",
		"input.spec.groups[_].n == 1", "data.u[input.spec.user]", "count(data.u) > 1", "true")
}

func (p *reloaded) helper(name string) string {
	switch name {
	case "s":
		return name + " contains " + p.one(`"a"`, "input.spec.user", "1") + " if { " + p.simple() + " }"
	case "f", "f2":
		return name + "(x) if { x == " + p.one(`"a"`, `"b"`, "data.u.x", "input.spec.user") + "; " + p.simple() + " }"
	case "g":
		return name + "(x, y) := " + p.one("1", "y", "true") + " if { x == " + p.one("1", "y", "2") + " }" + p.one("", " else := 1 if { "+p.simple()+" }")
	}
	text := name + " := " + p.one("1", "2", "input.spec.n") + " if { " + p.simple() + " }"
	for p.IntN(3) == 0 {
		text += " else := " + p.one("1", `"a"`, "2") + " if { " + p.simple() + " }"
	}
	if p.IntN(4) == 0 {
		text = "default " + name + " := " + p.one("1", "2") + "\n\n" + text
	}
	return text
}

// change makes one change.
func (p *reloaded) change() {
	switch p.IntN(11) {
	case 0:
		slices.Reverse(p.files)
	case 1:
		p.split = p.IntN(9)
	case 2:
		p.deny[p.IntN(len(p.deny))] = p.denial()
	case 3:
		p.allow[p.IntN(len(p.allow))] = p.grant()
	case 4:
		p.helpers = append(slices.Clone(p.helpers), p.helper(p.one("a", "b", "c", "s", "g", "f")))
	case 5:
		if len(p.helpers) > 7 {
			p.helpers = p.helpers[:len(p.helpers)-1]
		}
	case 6:
		if _, rules := p.packages["u"]; rules {
			delete(p.packages, "u")
			p.data["x"] = p.one("1", "2", `{"a": 1}`, `["a"]`)
		} else {
			delete(p.data, "x")
			p.packages["u"] = p.one("x := 1", `x contains "a"`, `x := {"a": input.spec.n}`, "x.a := 1", `x[k] := 1 if some k in ["a", "b"]`)
		}
	case 7:
		p.data[p.one("y", "a", "z")] = p.one("1", "2", `{"a": 1}`, `["a"]`)
	case 8:
		delete(p.data, p.one("y", "a", "z"))
	case 9:
		if name := p.one("u.k", "h.d"); p.packages[name] != "" {
			delete(p.packages, name)
		} else {
			p.packages[name] = p.one("# nothing", "v := 1", "v := input.spec.n", "a := 1")
		}
	case 10:
		p.Shuffle(len(p.deny), func(i, j int) { p.deny[i], p.deny[j] = p.deny[j], p.deny[i] })
	}
}

func (p *reloaded) content() Content {
	module := func(path, name string, rules ...string) Module {
		return Module{Path: path, Source: []byte("package " + name + "\n\n" + strings.Join(rules, "\n\n") + "\n")}
	}
	first := min(p.split, len(p.deny))
	const entries = "kubernetes.authorization"
	c := Content{Modules: []Module{
		module(p.files[0], entries, slices.Concat(p.allow, p.deny[:first])...),
		module(p.files[1], entries, p.deny[first:]...),
		module("h.rego", "h", p.helpers...),
	}}
	for _, name := range slices.Sorted(maps.Keys(p.packages)) {
		c.Modules = append(c.Modules, module("m."+name+".rego", name, p.packages[name]))
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(p.data)) {
		members = append(members, strconv.Quote(name)+": "+p.data[name])
	}
	c.Documents = []Document{{Path: "d.json", Content: []byte(`{"u": {` + strings.Join(members, ", ") + `}}`)}}
	return c
}

// TestWhoEvaluates: OPA's builtin functions do not look at the time, and some take
// long; those have a goroutine of their own, which nobody has to wait for.
func TestWhoEvaluates(t *testing.T) {
	for body, prompt := range map[string]bool{
		`allow contains "x" if input.spec.user == "a"`:                                                      true,
		`allow contains sprintf("%s", [upper(input.spec.user)]) if count(input.spec.groups) > 1`:            true,
		`allow contains concat("/", [input.spec.user, "a"]) if "a" in input.spec.groups`:                    true,
		`allow contains "x" if regex.match("a+", input.spec.user)`:                                          false,
		`allow contains "x" if glob.match("a*", [], input.spec.user)`:                                       false,
		`allow contains "x" if count(numbers.range(1, input.spec.n)) > 1`:                                   false,
		"allow contains \"x\" if f(input.spec.user)\n\nf(x) if json.unmarshal(x) == 1":                      false,
		"allow contains \"x\" if input.spec.user == \"a\"\n\nother if regex.match(\"a+\", input.spec.user)": true,
		`allow contains "x" if time.now_ns() > 1`:                                                           false,
	} {
		e := loaded(t, Options{}, authz+body)
		if got := e.View().rules[allowRule].prompt; got != prompt {
			t.Errorf("%s: ends promptly: %v, want %v", body, got, prompt)
		}
	}
}
