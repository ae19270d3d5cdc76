package policy

import (
	"fmt"
	"sync"
	"testing"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

func decodedObject(tb testing.TB, text string) document.Decoded {
	return document.NewDecoded(object(tb, text).Decode())
}

// team is content whose allow reads a helper, static data and the cluster, and
// whose deny reads other data.
func team() Content {
	c := content(authz+`allow contains "member" if data.helper.member

allow contains "owner" if input.spec.user in data.cluster.owners.names

deny contains "banned" if input.spec.user in data.banned
`, `package helper

default member := false

member if input.spec.user in data.teams.red
`, sched+`reject contains "full" if input.node.full in data.teams.blue
`)
	c.Documents = []Document{{Path: "data.json", Content: []byte(
		`{"teams": {"red": ["alice"], "blue": ["bob"]}, "banned": ["mallory"], "other": 1}`)}}
	return c
}

func withSource(i int, source string) func(*Content) {
	return func(c *Content) { c.Modules[i].Source = []byte(source) }
}

func withData(document string) func(*Content) {
	return func(c *Content) { c.Documents[0].Content = []byte(document) }
}

// TestReloadsKeepWhatStaysTrue: after a change, decisions of the rules that
// read nothing of it are still given.
func TestReloadsKeepWhatStaysTrue(t *testing.T) {
	allow, helper := string(team().Modules[0].Source), string(team().Modules[1].Source)
	reload := func(changes ...func(*Content)) func(testing.TB, *Engine) {
		return func(tb testing.TB, e *Engine) {
			tb.Helper()
			c := team()
			for _, change := range changes {
				change(&c)
			}
			if err := e.Load(tb.Context(), c); err != nil {
				tb.Fatal(err)
			}
		}
	}
	cluster := func(resource, document string) func(testing.TB, *Engine) {
		return func(tb testing.TB, e *Engine) {
			tb.Helper()
			e.SetCluster(resource, decodedObject(tb, document))
		}
	}
	added := func(source string) func(*Content) {
		return func(c *Content) { c.Modules = append(c.Modules, Module{Path: "added.rego", Source: []byte(source)}) }
	}
	type kept struct{ allow, deny, scheduling bool }
	all := kept{true, true, true}
	for name, test := range map[string]struct {
		change func(testing.TB, *Engine)
		want   kept
	}{
		"nothing changed": {reload(), all},
		"comments": {reload(
			withSource(0, "# A comment.\n"+allow+"# Another.\n"), withSource(1, helper+"\n# And here.\n")), all},
		"spaces and lines": {reload(withSource(1, "package helper\n\ndefault member := false\n\n\n\nmember if {\n\tinput.spec.user in data.teams.red\n}\n")), all},
		"files renamed": {reload(func(c *Content) {
			c.Modules[0].Path, c.Modules[1].Path, c.Documents[0].Path = "x/z.rego", "x/a.rego", "x/data.json"
		}, added("package forces.a.new.revision")), all},
		"rules in another order": {reload(withSource(1, "package helper\n\nmember if input.spec.user in data.teams.red\n\ndefault member := false\n")), all},
		"a package nobody asks":  {reload(added("package unrelated\n\na := 1\n\nb if data.helper.member")), all},
		"data nobody reads": {reload(withData(
			`{"teams": {"red": ["alice"], "blue": ["bob"]}, "banned": ["mallory"], "other": 2}`)), all},
		"data added beside": {reload(withData(
			`{"teams": {"red": ["alice"], "blue": ["bob"], "green": []}, "banned": ["mallory"], "other": 1}`)), all},
		"the same data in another file": {reload(func(c *Content) {
			c.Documents = []Document{
				{Path: "a/data.json", Prefix: []string{"teams"}, Content: []byte(`{"blue": ["bob"], "red": ["alice"]}`)},
				{Path: "data.json", Content: []byte(`{"banned": [ "mallory" ]}`)},
			}
		}), all},

		"the rule":             {reload(withSource(0, allow+"\nallow contains \"all\" if input.spec.user\n")), kept{false, true, true}},
		"the rule's reason":    {reload(func(c *Content) { c.Modules[0].Source = []byte(replaceOnce(allow, `"member"`, `"a member"`)) }), kept{false, true, true}},
		"a helper":             {reload(withSource(1, helper+"\nmember if input.spec.user == \"root\"\n")), kept{false, true, true}},
		"a helper's default":   {reload(withSource(1, replaceOnce(helper, "false", "true"))), kept{false, true, true}},
		"data of the helper":   {reload(withData(`{"teams": {"red": ["eve"], "blue": ["bob"]}, "banned": ["mallory"], "other": 1}`)), kept{false, true, true}},
		"the helper's data go": {reload(withData(`{"teams": {"blue": ["bob"]}, "banned": ["mallory"]}`)), kept{false, true, true}},
		"null in their place":  {reload(withData(`{"teams": {"red": null, "blue": ["bob"]}, "banned": ["mallory"]}`)), kept{false, true, true}},
		"what is above them":   {reload(withData(`{"teams": [], "banned": ["mallory"]}`)), kept{false, true, false}},
		"data of deny":         {reload(withData(`{"teams": {"red": ["alice"], "blue": ["bob"]}, "banned": [], "other": 1}`)), kept{true, false, true}},
		"rules in their place": {reload(withData(`{"teams": {"red": ["alice"], "blue": ["bob"]}}`), added("package banned\n\nx := 1")), kept{true, false, true}},
		"a scheduling rule":    {reload(withSource(2, sched+`reject contains "no" if input.node.full`)), kept{true, true, false}},
		"no scheduling rule":   {reload(withSource(2, "package nothing")), kept{true, true, false}},
		"no deny any more":     {reload(withSource(0, replaceOnce(allow, "deny contains", "refuse contains"))), kept{true, false, true}},
		"how long it is kept":  {reload(withSource(0, "# METADATA\n# custom: {cache: {ttl: 1s}}\n"+allow)), all},
		"the cluster":          {cluster("owners", `{"names": ["alice"]}`), kept{false, true, true}},
		"the same cluster":     {cluster("owners", `{"names": ["owner"]}`), kept{false, true, true}},
		"another resource":     {cluster("nodes", `{"names": ["alice"]}`), all},
		"the cluster goes":     {func(_ testing.TB, e *Engine) { e.SetCluster("owners", document.Decoded{}) }, kept{false, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			e := loadedContent(t, Options{Cache: roomy}, team())
			e.SetCluster("owners", decodedObject(t, `{"names": ["owner"]}`))
			review, pod, n := object(t, `{"spec":{"user":"alice"}}`), object(t, `{}`), namedNode(t, "a", `"x":1`)
			hits := func() (decisions, placements uint64) {
				stats := e.CacheStats()
				return stats["decisions"]().Hits, stats["placements"]().Hits
			}
			decide := func() {
				t.Helper()
				authorize(t, e, review)
				reject(t, e.View(), pod, n)
			}
			decide()
			before := e.View()
			decisions, placements := hits()

			test.change(t, e)
			view := e.View()
			same := func(place int) bool { return view.generations[place] == before.generations[place] }
			got := kept{same(allowRule), same(denyRule), same(rejectRule)}
			if got != test.want {
				t.Errorf("generations kept: %+v, want %+v", got, test.want)
			}
			if got, want := view.Generation(AuthorizationPoint) == before.Generation(AuthorizationPoint), test.want.allow && test.want.deny; got != want {
				t.Errorf("the generation of authorization is kept: %t, want %t", got, want)
			}
			if view.Generation(AuthenticationPoint) != before.Generation(AuthenticationPoint) {
				t.Error("the generation of authentication moved, of which there is no rule")
			}

			decide()
			want := uint64(0)
			for _, rule := range []struct {
				kept  bool
				place int
			}{{test.want.allow, allowRule}, {test.want.deny, denyRule}} {
				if rule.kept && view.rules[rule.place].evaluator != nil {
					want++
				}
			}
			gotDecisions, gotPlacements := hits()
			if gotDecisions-decisions != want {
				t.Errorf("%d decisions were given again, want %d", gotDecisions-decisions, want)
			}
			if got := gotPlacements > placements; got != test.want.scheduling {
				t.Errorf("the placement was given again: %t, want %t", got, test.want.scheduling)
			}
		})
	}
}

func replaceOnce(s, from, to string) string {
	for i := range len(s) - len(from) + 1 {
		if s[i:i+len(from)] == from {
			return s[:i] + to + s[i+len(from):]
		}
	}
	panic(fmt.Sprintf("%q is not in %q", from, s))
}

// TestEarlierContentIsANewGeneration: what was decided before the change is not
// dug out when the change is taken back.
func TestEarlierContentIsANewGeneration(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, threeWays)
	first := e.View().Generation(AuthorizationPoint)
	for _, reason := range []string{"two", "one"} {
		if err := e.Load(t.Context(), allowing(reason)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Load(t.Context(), content(threeWays)); err != nil {
		t.Fatal(err)
	}
	if e.View().Generation(AuthorizationPoint) == first {
		t.Error("the generation came back")
	}
}

func TestClusterBeforeTheFirstLoad(t *testing.T) {
	e := NewEngine(Options{Cache: roomy}, &observed{})
	e.SetCluster("owners", decodedObject(t, `{"names": ["alice"]}`))
	e.SetCluster("gone", decodedObject(t, `{"names": ["alice"]}`))
	e.SetCluster("gone", document.Decoded{})
	if e.View() != nil || e.Revision() != nil || e.ReadsCluster("owners") {
		t.Fatal("there is a revision before the first Load")
	}
	if err := e.Load(t.Context(), content(authz+`allow contains "owner" if input.spec.user in data.cluster.owners.names

deny contains "gone" if data.cluster.gone
`)); err != nil {
		t.Fatal(err)
	}
	review := object(t, `{"spec":{"user":"alice"}}`)
	if got := authorize(t, e, review); got.Outcome != Allow {
		t.Errorf("got %s, want allow", got.Outcome)
	}
	e.SetCluster("owners", document.Decoded{})
	if got := authorize(t, e, review); got.Outcome != NoOpinion {
		t.Errorf("after the resource has gone: %s, want no opinion", got.Outcome)
	}
}

func TestReadsCluster(t *testing.T) {
	for name, test := range map[string]struct {
		rule          string
		owners, other bool
	}{
		"nothing":       {`allow contains "x" if input.spec.user`, false, false},
		"one resource":  {`allow contains "x" if data.cluster.owners`, true, false},
		"a part of it":  {`allow contains "x" if data.cluster.owners.names[0] == input.spec.user`, true, false},
		"any resource":  {`allow contains "x" if data.cluster[input.spec.user]`, true, true},
		"the cluster":   {`allow contains "x" if count(data.cluster) > 0`, true, true},
		"in a helper":   {"allow contains \"x\" if theirs == true\n\ntheirs if data.cluster.owners", true, false},
		"in a negation": {`allow contains "x" if not data.cluster.owners.closed`, true, false},
		"data beside":   {`allow contains "x" if data.clusters.owners`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := loaded(t, Options{}, authz+test.rule)
			if got := e.ReadsCluster("owners"); got != test.owners {
				t.Errorf("reads owners: %t, want %t", got, test.owners)
			}
			if got := e.ReadsCluster("other"); got != test.other {
				t.Errorf("reads other: %t, want %t", got, test.other)
			}
		})
	}
}

// TestAViewStaysAsItIs decides by an old view and the newest in turns: neither
// may be given what the other decided.
func TestAViewStaysAsItIs(t *testing.T) {
	e := loadedContent(t, Options{Cache: roomy}, team())
	e.SetCluster("owners", decodedObject(t, `{"names": []}`))
	review := object(t, `{"spec":{"user":"bob"}}`)
	views := []*View{e.View()}
	want := []Outcome{NoOpinion}

	e.SetCluster("owners", decodedObject(t, `{"names": ["bob"]}`))
	views, want = append(views, e.View()), append(want, Allow)

	banning := team()
	banning.Documents[0].Content = []byte(`{"teams": {"red": ["alice"], "blue": []}, "banned": ["bob"]}`)
	if err := e.Load(t.Context(), banning); err != nil {
		t.Fatal(err)
	}
	views, want = append(views, e.View()), append(want, Deny)

	for round := range 3 {
		for i, view := range views {
			decision, err := view.Authorize(t.Context(), review)
			if err != nil || decision.Outcome != want[i] {
				t.Errorf("round %d, view %d: %s and error %v, want %s", round, i, decision.Outcome, err, want[i])
			}
		}
	}
}

// TestOfTheClusterNothingIsLost changes different resources and content at once.
func TestOfTheClusterNothingIsLost(t *testing.T) {
	const resources, changes = 4, 50
	e := loaded(t, Options{Cache: roomy}, threeWays)
	var group sync.WaitGroup
	for r := range resources {
		group.Go(func() {
			for i := range changes {
				e.SetCluster(fmt.Sprintf("r%d", r), decodedObject(t, fmt.Sprintf(`{"n":%d}`, i)))
			}
		})
	}
	group.Go(func() {
		for i := range 10 {
			if err := e.Load(t.Context(), allowing(fmt.Sprintf("reason %d", i))); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	view := e.View()
	for r := range resources {
		got := view.cluster[fmt.Sprintf("r%d", r)]
		if got == nil || got.Compare(decodedObject(t, fmt.Sprintf(`{"n":%d}`, changes-1)).Value()) != 0 {
			t.Errorf("r%d is %v, want what it was set to last", r, got)
		}
	}
	if got := authorize(t, e, object(t, `{}`)); len(got.Reasons) != 1 || got.Reasons[0] != "reason 9" {
		t.Errorf("decided by %v, want the revision that was loaded last", got.Reasons)
	}
}

func TestCacheStatsHaveNames(t *testing.T) {
	stats := NewEngine(Options{}, &observed{}).CacheStats()
	for _, name := range []cache.Name{cache.Decisions, cache.Placements, cache.PodClasses} {
		if read := stats[name]; read == nil || read() != (cache.Stats{}) {
			t.Errorf("%s: no figures, or some before the first decision", name)
		}
	}
}
