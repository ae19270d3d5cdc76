package policy

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// namedNode is a v1 Node with these members of its metadata.
func namedNode(tb testing.TB, name, members string) *nodes.Node {
	tb.Helper()
	n, err := nodes.New(fmt.Appendf(nil, `{"metadata":{"name":%q,%s}}`, name, members))
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// reject asks the rule reject as package scheduling does.
func reject(tb testing.TB, v *View, pod document.Value, n *nodes.Node) Placed {
	tb.Helper()
	return placed(tb, v.DefaultProfile().Placer(Reject, pod), n)
}

const byZone = sched + `reject contains input.node.metadata.labels.zone if input.pod.zone != input.node.metadata.labels.zone
`

func TestNodesThatARuleCannotTellApart(t *testing.T) {
	for name, test := range map[string]struct {
		rules   string
		members []string // of metadata, one for each node
		classes int
	}{
		"labels that are not read":   {byZone, []string{`"labels":{"zone":"a","host":"1"}`, `"labels":{"host":"2","zone":"a"}`, `"x":1,"labels":{"zone":"a"}`}, 1},
		"labels that are read":       {byZone, []string{`"labels":{"zone":"a"}`, `"labels":{"zone":"b"}`, `"labels":{"zone":"a"}`}, 2},
		"absent, null, empty, false": {byZone, []string{`"labels":{}`, `"labels":{"zone":null}`, `"labels":{"zone":""}`, `"labels":{"zone":false}`, `"labels":{"zone":{}}`, `"labels":{"zone":[]}`}, 6},
		"nothing above it":           {byZone, []string{`"labels":null`, `"labels":{}`, `"x":1`, `"labels":[]`, `"labels":""`}, 5},
		"names":                      {sched + `reject contains "x" if startswith(input.node.metadata.name, "z")`, []string{`"x":1`, `"x":1`, `"x":2`}, 3},
		"the pod alone":              {sched + `reject contains "x" if input.pod.full`, []string{`"x":1`, `"labels":{"zone":"a"}`}, 1},
		"what is read of a list":     {sched + `reject contains "x" if input.node.metadata.list[_].a == 1`, []string{`"list":[{"a":1,"b":1},{"a":2}]`, `"list":[{"a":1},{"b":3,"a":2}]`, `"list":[{"a":2},{"a":1}]`, `"list":[{"a":1}]`, `"list":{"0":{"a":1},"1":{"a":2}}`}, 4},
		"everything":                 {sched + `reject contains "x" if count(input.node) > 9`, []string{`"x":1`, `"x":1`}, 2},
		"no rule at all":             {authz + `allow contains "x"`, []string{`"x":1`, `"x":2`}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := loaded(t, Options{Cache: roomy}, test.rules)
			placer := e.View().DefaultProfile().Placer(Reject, object(t, `{}`))
			classes := map[Class]bool{}
			for i, members := range test.members {
				n := namedNode(t, fmt.Sprintf("n%d", i), members)
				class := placer.Class(n)
				classes[class] = true
				if again := placer.Class(n); again != class {
					t.Error("a node has two classes")
				}
			}
			if len(classes) != test.classes {
				t.Errorf("%d classes, want %d", len(classes), test.classes)
			}
		})
	}
}

// TestKindAndVersionAreNoPartOfANode: nodes that come in calls have none.
func TestKindAndVersionAreNoPartOfANode(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, sched+`reject contains "x" if count(input.node) == 1`)
	with, err := nodes.New([]byte(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	without, err := nodes.New([]byte(`{"metadata":{"name":"a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	placer := e.View().DefaultProfile().Placer(Reject, object(t, `{}`))
	if placer.Class(with) != placer.Class(without) {
		t.Error("they are of different classes")
	}
	for _, n := range []*nodes.Node{with, without} {
		equal(t, "reasons", reject(t, e.View(), object(t, `{}`), n).Reasons(), []string{"x"})
	}
}

// TestANodeForgetsItsClassWhenMoreIsRead reloads a policy that tells nodes
// apart which were one class before, and takes it back.
func TestANodeForgetsItsClassWhenMoreIsRead(t *testing.T) {
	byRack := strings.ReplaceAll(byZone, "zone", "rack")
	e := loaded(t, Options{Cache: roomy}, byZone)
	pod := object(t, `{"zone":"a","rack":"1"}`)
	list := []*nodes.Node{
		namedNode(t, "n0", `"labels":{"zone":"a","rack":"1"}`),
		namedNode(t, "n1", `"labels":{"zone":"a","rack":"2"}`),
		namedNode(t, "n2", `"labels":{"zone":"b","rack":"1"}`),
	}
	for _, step := range []struct {
		source string
		want   [3][]string
	}{
		{byZone, [3][]string{nil, nil, {"b"}}},
		{byRack, [3][]string{nil, {"2"}, nil}},
		{byZone, [3][]string{nil, nil, {"b"}}},
		{byZone + "\n# Nothing else.\n", [3][]string{nil, nil, {"b"}}},
		{sched + `reject contains "none"`, [3][]string{{"none"}, {"none"}, {"none"}}},
	} {
		if err := e.Load(t.Context(), content(step.source)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			for i, n := range list {
				equal(t, n.Name(), reject(t, e.View(), pod, n).Reasons(), step.want[i])
			}
		}
	}
}

// TestPodsAreAlikeInWhatIsReadOfTheirContainers: each pod has a volume mount of its
// own, for its token, which hardly a policy looks at.
func TestPodsAreAlikeInWhatIsReadOfTheirContainers(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, sched+`reject contains container.image if {
	some container in input.pod.spec.containers
	not startswith(container.image, input.node.metadata.labels.registry)
}`)
	evaluations := count(e, rejectRule)
	n := namedNode(t, "n", `"labels":{"registry":"ours/"}`)
	pod := func(mount string, images ...string) document.Value {
		var containers []string
		for i, image := range images {
			containers = append(containers, fmt.Sprintf(`{"name":"c%d","image":%q,"volumeMounts":[{"name":"kube-api-access-%s"}]}`, i, image, mount))
		}
		return object(t, `{"spec":{"containers":[`+strings.Join(containers, ",")+`]}}`)
	}
	for i, c := range []struct {
		pod         document.Value
		want        []string
		evaluations int64
	}{
		{pod("a", "ours/x"), nil, 1},
		{pod("b", "ours/x"), nil, 1},
		{pod("c", "ours/x", "theirs/y"), []string{"theirs/y"}, 2},
		{pod("d", "ours/x", "theirs/y"), []string{"theirs/y"}, 2},
		{pod("e", "theirs/y", "ours/x"), []string{"theirs/y"}, 3},
		{pod("f"), nil, 4},
		{object(t, `{"spec":{"containers":{"0":{"image":"theirs/y"}}}}`), []string{"theirs/y"}, 5},
	} {
		equal(t, fmt.Sprint("pod ", i), reject(t, e.View(), c.pod, n).Reasons(), c.want)
		evaluations.want(t, fmt.Sprint("pod ", i), c.evaluations)
	}
}

// TestPodsOfOneKeyUnderTwoPolicies: both policies read one label of a pod and
// nothing of nodes, so that the keys of both are the same bytes.
func TestPodsOfOneKeyUnderTwoPolicies(t *testing.T) {
	const reading, refusing = sched + `reject contains "x" if input.pod.a == "yes"`, sched + `reject contains "x" if input.pod.b != "yes"`
	e := loaded(t, Options{Cache: roomy}, reading)
	n := namedNode(t, "n", `"x":1`)
	a, b := object(t, `{"a":"yes","b":"no"}`), object(t, `{"a":"no","b":"yes"}`)
	for range 2 {
		for _, source := range []string{reading, refusing} {
			if err := e.Load(t.Context(), content(source)); err != nil {
				t.Fatal(err)
			}
			equal(t, "a by "+source, reject(t, e.View(), a, n).Reasons(), []string{"x"})
			equal(t, "b by "+source, reject(t, e.View(), b, n).Reasons(), nil)
		}
	}
}

// TestClassesOfManyAtOnce decides, by several rules and goroutines, of the same
// nodes while policies change; the race detector looks on.
func TestClassesOfManyAtOnce(t *testing.T) {
	sources := []string{byZone, strings.ReplaceAll(byZone, "zone", "rack")}
	e := loaded(t, Options{Cache: roomy}, sources[0])
	list := make([]*nodes.Node, 50)
	for i := range list {
		list[i] = namedNode(t, fmt.Sprintf("n%d", i), fmt.Sprintf(`"labels":{"zone":"%d","rack":"%d"}`, i%3, i%2))
	}
	pod := object(t, `{"zone":"0","rack":"0"}`)
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				view := e.View()
				for i, n := range list {
					got := reject(t, view, pod, n).Reasons()
					zone, rack := fmt.Sprint(i%3), fmt.Sprint(i%2)
					byZone := len(got) == 0 && zone == "0" || len(got) == 1 && got[0] == zone
					byRack := len(got) == 0 && rack == "0" || len(got) == 1 && got[0] == rack
					if !byZone && !byRack {
						t.Errorf("node %d: %v", i, got)
						return
					}
				}
			}
		})
	}
	for i := range 20 {
		if err := e.Load(t.Context(), content(sources[i%2])); err != nil {
			t.Error(err)
		}
	}
	close(done)
	group.Wait()
}
