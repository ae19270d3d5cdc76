package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/nodes"
)

var gpuAndBatch = Options{Entries: Entries{Profiles: []string{"gpu", "batch"}}, Cache: roomy}

func TestProfilesHaveRulesOfTheirOwn(t *testing.T) {
	e := loaded(t, gpuAndBatch,
		sched+`reject contains "default"`,
		"package kubernetes.scheduler.gpu\n\nreject contains \"gpu\"\n\nscore.gpu := 7",
		"package kubernetes.scheduler.batch\n\nscore.batch := 2")
	view, n, pod := e.View(), namedNode(t, "n", `"x":1`), object(t, `{}`)
	for name, want := range map[string]struct {
		reasons []string
		score   int64
	}{
		"": {[]string{"default"}, 0}, "gpu": {[]string{"gpu"}, 7}, "batch": {nil, 2},
	} {
		profile := view.DefaultProfile()
		if name != "" {
			var ok bool
			if profile, ok = view.Profile(name); !ok {
				t.Fatalf("there is no profile %s", name)
			}
		}
		for range 2 {
			equal(t, name, placed(t, profile.Placer(Reject, pod), n).Reasons(), want.reasons)
			if got := placed(t, profile.Placer(Score, pod), n).Score(); got != want.score {
				t.Errorf("%s: score %d, want %d", name, got, want.score)
			}
		}
	}
	for _, unknown := range []string{"", "default", "other", "kubernetes.scheduling"} {
		if _, ok := view.Profile(unknown); ok {
			t.Errorf("there is a profile %q", unknown)
		}
	}
}

func placed(tb testing.TB, placer *Placer, n *nodes.Node) Placed {
	tb.Helper()
	class := placer.Class(n)
	if placed, ok := placer.Kept(class, time.Now()); ok {
		return placed
	}
	placed, err := placer.Decide(tb.Context(), n, class)
	if err != nil {
		tb.Fatal(err)
	}
	return placed
}

// TestProfilesBesideEntries: naming rules names none for profiles.
func TestProfilesBesideEntries(t *testing.T) {
	e := loaded(t, Options{Entries: Entries{Paths: map[EntryRule]string{{SchedulingPoint, "reject"}: "acme.no"}, Profiles: []string{"gpu"}}},
		"package acme\n\nno contains \"acme\"", "package kubernetes.scheduler.gpu\n\nreject contains \"gpu\"")
	equal(t, "reasons", reject(t, e.View(), object(t, `{}`), namedNode(t, "n", `"x":1`)).Reasons(), []string{"acme"})
	var rules []string
	for _, inspection := range e.Revision().Inspect() {
		if inspection.Defined {
			rules = append(rules, inspection.Rule)
		}
	}
	equal(t, "inspected", rules, []string{"acme.no", "kubernetes.scheduler.gpu.reject"})
}

func TestProfilesThatLookLikeMistakes(t *testing.T) {
	r := compile(t, gpuAndBatch,
		"package kubernetes.scheduler.gpu\n\nrejct contains \"x\" if false\n\nscore.x := 1",
		"package kubernetes.scheduler.spot\n\nreject contains \"x\"")
	var got []string
	for _, warning := range r.Warnings() {
		got = append(got, warning.String())
	}
	contains(t, strings.Join(got, "\n"),
		"p0.rego:3:1: rule rejct is never evaluated: did you mean reject?",
		`p1.rego:1:1: package kubernetes.scheduler.spot is never evaluated: add "spot" to scheduling.profiles, or is its name misspelt?`,
		"the profile batch has no rules: every node fits, and no pod is protected; write them in package kubernetes.scheduler.batch")
	if len(got) != 3 {
		t.Errorf("%d warnings, want 3:\n%s", len(got), strings.Join(got, "\n"))
	}
	problems := refused(t, gpuAndBatch, content("package kubernetes.scheduler.gpu\n\nscore := 3"))
	contains(t, strings.Join(problems, "\n"), "p0.rego:3:1: ", "write `score[\"name\"] := 5 if { … }`")
}

func TestAnnotations(t *testing.T) {
	for name, test := range map[string]struct{ rules, want, problem string }{
		"none":                {`annotate["a"] := "1" if false`, "", ""},
		"undefined":           {``, "", ""},
		"some":                {"annotate[\"example.com/a\"] := \"1\"\n\nannotate[key] := \"2\" if some key in [\"b\"]", "b=2 example.com/a=1", ""},
		"the same twice":      {"annotate[\"a\"] := \"1\"\n\nannotate[key] := \"1\" if some key in [\"a\"]", "a=1", ""},
		"two for one":         {"annotate[\"a\"] := \"1\"\n\nannotate[key] := \"2\" if some key in [\"a\"]", "", "eval_conflict_error"},
		"a number":            {`annotate["a"] := input.node.metadata.x`, "", `"a" must be a string, not a number`},
		"a name that is none": {`annotate["a b"] := "1"`, "", "a b"},
		"too much":            {`annotate["a"] := sprintf("%0300000d", [1])`, "", "Too long"},
	} {
		t.Run(name, func(t *testing.T) {
			e := loaded(t, Options{Cache: roomy}, sched+test.rules)
			n := namedNode(t, "n", `"x":1`)
			placer := e.View().DefaultProfile().Placer(BindAnnotate, object(t, `{}`))
			for range 2 {
				got, err := decideOnce(t, placer, n)
				if test.problem != "" {
					if err == nil {
						t.Fatalf("got %v, want an error", got)
					}
					contains(t, err.Error(), "kubernetes.scheduling.annotate", test.problem)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			}
		})
	}
}

func decideOnce(t *testing.T, placer *Placer, n *nodes.Node) (string, error) {
	t.Helper()
	class := placer.Class(n)
	got, kept := placer.Kept(class, time.Now())
	var err error
	if !kept {
		got, err = placer.Decide(t.Context(), n, class)
	}
	var parts []string
	for key, value := range got.Annotations() {
		parts = append(parts, key+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " "), err
}

func TestVictimsAreToldApart(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, sched+`
protect contains sprintf("%s on %s", [input.victim.labels.app, input.node.metadata.labels.zone]) if {
	input.victim.priority >= input.pod.priority
	not input.victim.owner.kind == "Job"
}

reject contains "a victim" if input.victim`)
	profile := e.View().DefaultProfile()
	n := namedNode(t, "n", `"labels":{"zone":"a"}`).WithState(busyState())
	pod := object(t, `{"priority":5}`)
	for range 2 {
		for name, test := range map[string]struct {
			victim *nodes.Pod
			want   []string
		}{
			"higher":       {&nodes.Pod{UID: "1", Labels: map[string]string{"app": "db"}, Priority: 9}, []string{"db on a"}},
			"another":      {&nodes.Pod{UID: "2", Labels: map[string]string{"app": "web"}, Priority: 9}, []string{"web on a"}},
			"lower":        {&nodes.Pod{UID: "3", Labels: map[string]string{"app": "db"}, Priority: 4}, nil},
			"higher job":   {&nodes.Pod{UID: "4", Labels: map[string]string{"app": "db"}, Priority: 9, OwnerKind: "Job", OwnerName: "j"}, nil},
			"without apps": {&nodes.Pod{UID: "5", Priority: 9}, nil},
		} {
			placers := profile.Eviction(pod, []*nodes.Pod{test.victim}, nil).Placers()
			equal(t, name, placed(t, placers[0], n).Reasons(), test.want)
		}
		equal(t, "reject sees no victim", reject(t, e.View(), pod, n).Reasons(), nil)
	}
}

// Rules that read other fields of the same pods, in turns, each see their own.
func TestListedPodsAreThoseOfTheRule(t *testing.T) {
	e := loaded(t, Options{}, sched+`
reject contains pod.labels.app if some pod in input.state.pods

unresolvable contains pod.name if some pod in input.state.pods`)
	profile := e.View().DefaultProfile()
	n := namedNode(t, "n", `"labels":{}`).WithState(&nodes.State{Pods: []*nodes.Pod{
		{Namespace: "default", Name: "a", UID: "1", Labels: map[string]string{"app": "db"}},
		{Namespace: "default", Name: "b", UID: "2", Labels: map[string]string{"app": "web"}},
	}})
	pod := object(t, `{}`)
	for range 2 {
		equal(t, "labels", placed(t, profile.Placer(Reject, pod), n).Reasons(), []string{"db", "web"})
		equal(t, "names", placed(t, profile.Placer(Unresolvable, pod), n).Reasons(), []string{"a", "b"})
	}
}
