package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const timeLibrary = `package lib.time

active(from, until) if {
	now := time.now_ns()
	now >= time.parse_rfc3339_ns(from)
	now < time.parse_rfc3339_ns(until)
}
`

func TestInspect(t *testing.T) {
	revision, err := Compile(t.Context(), Content{Modules: []Module{
		{Path: "authorization.rego", Source: []byte(`# METADATA
# custom: {cache: {ttl: 30s}}
package kubernetes.authorization

allow contains "on duty" if {
	input.spec.user in data.duty.users
	time.now_ns() > 0
}

deny contains "blocked" if http.send({"method": "get", "url": input.spec.url}).status_code == 403
`)},
		{Path: "scheduling.rego", Source: []byte(`package kubernetes.scheduling

reject contains "busy" if {
	count(input.node) > 3
	data.lib.time.active(input.pod.metadata.annotations["a/b"], "")
}

score.zone := 3 if input.node.metadata.name == "a"
`)},
	}}, Options{Library: Content{Modules: []Module{{Path: "time.rego", Source: []byte(timeLibrary)}}}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Inspection{}
	for _, inspection := range revision.Inspect() {
		if inspection.Defined {
			got[inspection.Rule] = inspection
		}
	}
	for _, want := range []Inspection{{
		Rule:   "kubernetes.authorization.allow",
		Input:  []string{"input.spec.user"},
		Data:   []string{"data.duty.users"},
		Cached: true, TTL: 30 * time.Second,
		Interpreted: "it asks the clock, the network or chance",
		Varying:     []InspectedUse{{"time.now_ns", "authorization.rego:7", 30 * time.Second}},
	}, {
		Rule:   "kubernetes.authorization.deny",
		Input:  []string{"input.spec.url"},
		Cached: true, TTL: 30 * time.Second,
		Interpreted: "it asks the clock, the network or chance",
		Varying:     []InspectedUse{{"http.send", "authorization.rego:10", 30 * time.Second}},
	}, {
		Rule:   "kubernetes.scheduling.reject",
		Input:  []string{"input.node", `input.pod.metadata.annotations["a/b"]`},
		Cached: true, Timed: true,
		Interpreted: "it asks the clock, the network or chance",
		Widenings:   []InspectedWidening{{"input.node", "scheduling.rego:4"}},
	}, {
		Rule:   "kubernetes.scheduling.score",
		Input:  []string{"input.node.metadata.name"},
		Cached: true,
	}} {
		want.Defined = true
		if !reflect.DeepEqual(got[want.Rule], want) {
			t.Errorf("got  %+v\nwant %+v", got[want.Rule], want)
		}
		delete(got, want.Rule)
	}
	if len(got) != 0 {
		t.Errorf("also %v", got)
	}
}

func TestMistakenLifetimeIsRefused(t *testing.T) {
	_, err := Compile(t.Context(), Content{Modules: []Module{{Path: "a.rego", Source: []byte(`# METADATA
# custom: {cache: {ttl: 30}}
package kubernetes.authorization

allow contains "x" if time.now_ns() > 0
`)}}}, Options{})
	const want = "a.rego:1"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "custom.cache.ttl") {
		t.Errorf("error %v, want one at %s about custom.cache.ttl", err, want)
	}
}

func TestAuthorizationIsFixed(t *testing.T) {
	const head = "package kubernetes.authorization\n\n"
	for name, test := range map[string]struct {
		source string
		want   bool
	}{
		"no rules":                {"package acme\n\nx := 1", true},
		"input only":              {head + `allow contains "x" if input.spec.user == "a"`, true},
		"data":                    {head + `allow contains "x" if data.users[input.spec.user]`, true},
		"clock":                   {head + `allow contains "x" if time.now_ns() > 0`, false},
		"clock in deny":           {head + `deny contains "x" if time.now_ns() > 0`, false},
		"clock in another's rule": {head + `allow contains "x" if input.spec.user == "a"` + "\n\nunused := time.now_ns()", true},
		"clock behind a helper":   {head + `allow contains "x" if late` + "\n\nlate if hour > 5\n\nhour := time.clock(time.now_ns())[0]", false},
		"clock behind a function": {head + `allow contains "x" if f(1)` + "\n\nf(x) if g(x)\n\ng(y) if time.now_ns() > y", false},
		"clock in an else":        {head + `allow contains "x" if r` + "\n\nr if input.a else := true if time.now_ns() > 1", false},
		"clock in a comprehension": {
			head + `allow contains "x" if count({x | x := time.now_ns()}) > 0`, false,
		},
		"clock in a head":     {head + `allow contains sprintf("%d", [time.now_ns()]) if input.spec`, false},
		"clock in every":      {head + `allow contains "x" if every x in [1] { x < time.now_ns() }`, false},
		"clock behind a with": {head + `allow contains "x" if r with input.a as time.now_ns()` + "\n\nr if input.a > 1", false},
		"random":              {head + `allow contains "x" if rand.intn("a", 2) == 1`, false},
		"network":             {head + `allow contains "x" if http.send({"method": "get", "url": "http://x"}).status_code == 200`, false},
		"token verification":  {head + `allow contains "x" if io.jwt.decode_verify(input.t, {})[0]`, false},
		"schema":              {head + `allow contains "x" if json.match_schema(input, {})[0]`, false},
		// Any rule below acme may be meant, the one that asks the clock too.
		"dynamic reference":      {head + `allow contains "x" if data.acme[input.spec.user]`, false},
		"library, not reached":   {head + `allow contains "x" if data.lib.verbs.read`, true},
		"for a while only":       {"# METADATA\n# custom: {cache: {ttl: 30s}}\n" + head + `allow contains "x" if time.now_ns() > 0`, false},
		"periods":                {head + `allow contains "x" if data.lib.time.active("", "")`, false},
		"boolean with a default": {head + "default allow := false\n\nallow if input.spec.user == \"a\"", true},
	} {
		t.Run(name, func(t *testing.T) {
			revision, err := Compile(t.Context(), Content{Modules: []Module{
				{Path: "p.rego", Source: []byte(test.source)},
				{Path: "verbs.rego", Source: []byte("package acme.verbs\n\nclock := time.now_ns()\n")},
			}}, Options{Library: Content{Modules: []Module{{Path: "time.rego", Source: []byte(timeLibrary)}}}})
			if err != nil {
				t.Fatal(err)
			}
			fixed := true
			for _, i := range revision.Inspect() {
				if i.Defined {
					fixed = fixed && i.Cached && i.TTL == 0 && !i.Timed
				}
			}
			if fixed != test.want {
				t.Errorf("fixed is %v, want %v", fixed, test.want)
			}
		})
	}
}
