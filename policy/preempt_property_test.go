package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// TestPreemptProperty compares scheduling.Preempt, which keeps decisions by what
// rules read, with stock OPA on the whole document of each question.
func TestPreemptProperty(t *testing.T) {
	worlds := 60
	if testing.Short() {
		worlds = 10
	}
	seen := map[string]int{}
	for i := range worlds {
		runPreemption(t, *seed+uint64(i), seen)
	}
	t.Logf("decided: %v", seen)
	for _, outcome := range []string{"unresolvable", "reject", "protect", "kept"} {
		if !testing.Short() && seen[outcome] < worlds {
			t.Errorf("only %d candidates are %s: %v", seen[outcome], outcome, seen)
		}
	}
}

// preemptionText is a random policy of the rules that preempt asks.
func preemptionText(r *rand.Rand) string {
	some := func(of ...string) string { return of[r.IntN(len(of))] }
	n := func(below int) string { return strconv.Itoa(r.IntN(below)) }
	pods := func(list string) string {
		return some(
			"count("+list+") > "+n(3),
			"some p in "+list+"; p.labels.app == "+some(`"db"`, `"web"`),
			"some p in "+list+"; p.priority > "+n(4),
			"every p in "+list+" { p.requests.cpu > "+n(3)+" }",
			"some i, p in "+list+"; i > 0; p.name == "+some(`"a"`, `"b"`),
			list+"[0].annotations.x == "+some(`"1"`, `"2"`),
			"{p.labels.app | some p in "+list+"} == "+some(`{"db"}`, `{"db", "web"}`),
		)
	}
	amounts := func(of string) string {
		return some(
			of+".free.cpu < "+n(6), of+".requested.cpu > "+n(5), "not "+of,
			of+".quantities.free.memory == "+some(`"1"`, `"2"`), of+".requested.pods > "+n(4), pods(of+".pods"),
		)
	}
	node := func() string {
		return some(`input.node.zone == "a"`, `input.node.zone == input.pod.zone`, `input.pod.size > `+n(3))
	}
	shared := func() string { return some(amounts("input.state"), amounts("input.state"), node()) }
	victims := func() string {
		return some(
			shared(), amounts("input.stateWithout"), amounts("input.stateWithout"), pods("input.victims"), pods("input.victims"),
			"input.victim.priority < "+n(4), `input.victim.labels.app == `+some(`"db"`, `"web"`), "input.victim.requests.cpu == "+n(3),
			"input.stateWithout.free.cpu - input.state.free.cpu < "+n(4), "input.victim in input.victims",
			`object.get(input, [`+some(`"victims"`, `"stateWithout"`, `input.pod.root`)+`], "none") == "none"`,
		)
	}
	out := strings.Builder{}
	out.WriteString("package kubernetes.scheduling\n")
	rule := func(name string, condition func() string) {
		for i := range r.IntN(3) {
			lines := []string{condition()}
			if r.IntN(2) == 0 {
				lines = append(lines, condition())
			}
			fmt.Fprintf(&out, "\n%s contains \"%s %d\" if {\n\t%s\n}\n", name, name, i, strings.Join(lines, "\n\t"))
		}
	}
	rule("unresolvable", shared)
	rule("reject", shared)
	rule("protect", victims)
	return out.String()
}

func runPreemption(t *testing.T, seed uint64, seen map[string]int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 12))
	source := preemptionText(r)
	compiler, err := compileModules(map[string]string{"p.rego": source})
	if err != nil {
		return // two conditions that declare one variable
	}
	engine := policy.NewEngine(policy.Options{Cache: policy.CacheOptions{Bytes: 1 << 22, Entries: 1 << 12}}, quiet{})
	if err := engine.Load(t.Context(), policy.Content{Modules: []policy.Module{{Path: "p.rego", Source: []byte(source)}}}); err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	// A protect rule that reads none is asked about candidates without victims, too.
	readsVictims := strings.Contains(source, "victim") || strings.Contains(source, "input.pod.root")
	queries := map[string]rego.PreparedEvalQuery{}
	for _, rule := range entryNames {
		query, err := rego.New(rego.Query("data.kubernetes.scheduling."+rule), rego.Compiler(compiler), rego.StrictBuiltinErrors(true)).PrepareForEval(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		queries[rule] = query
	}
	for range 25 {
		pod := fmt.Sprintf(`{"zone":%q,"size":%d,"root":%q}`, pick(r, "a", "b"), r.IntN(3), pick(r, "victims", "victim", "none"))
		made := make([]preemptionCase, 6)
		candidates := make([]scheduling.Candidate, len(made))
		for i := range made {
			made[i] = newPreemptionCase(t, r)
			candidates[i] = made[i].candidate
		}
		parsed, err := document.ParseObject([]byte(pod))
		if err != nil {
			t.Fatal(err)
		}
		decided, _, err := scheduling.Preempt(t.Context(), engine.View().DefaultProfile(), parsed.Root(), candidates)
		if err != nil {
			t.Fatal(err)
		}
		for i := range made {
			outcome, want := made[i].expect(t.Context(), queries, pod, readsVictims)
			got := fmt.Sprint(decided[i].Unresolvable, decided[i].Reject, decided[i].Protect, decided[i].Err != nil)
			seen[outcome]++
			if got != want {
				t.Fatalf("seed %d: got %s, stock OPA says %s\n%s\npod %s, node %s, %d victims of %s", seed, got, want, source, pod, made[i].node, len(candidates[i].Victims), made[i].state)
			}
		}
	}
}

var entryNames = []string{"unresolvable", "reject", "protect"}

// preemptionCase is a candidate, and what it is made of.
type preemptionCase struct {
	candidate scheduling.Candidate
	node      string
	pods      []map[string]any // those of the node
	victims   int              // of them, from the front
	state     string           // for messages
	known     bool
}

func newPreemptionCase(t *testing.T, r *rand.Rand) preemptionCase {
	t.Helper()
	c := preemptionCase{node: fmt.Sprintf(`{"metadata":{"name":"n%d"},"zone":%q}`, r.IntN(50), pick(r, "a", "b")), known: r.IntN(8) > 0}
	node, err := nodes.New([]byte(c.node))
	if err != nil {
		t.Fatal(err)
	}
	state := &nodes.State{Allocatable: map[string]int64{"cpu": 5, "memory": 2}, Requested: map[string]int64{"cpu": 0, "memory": 0, "pods": 0}}
	for i := range r.IntN(5) {
		app, cpu, priority := pick(r, "db", "web"), r.IntN(3), r.IntN(4)
		pod := &nodes.Pod{
			Namespace: "x", Name: string(rune('a' + i)), UID: strconv.Itoa(i), Labels: map[string]string{"app": app},
			Priority: int32(priority), Requests: map[string]int64{"cpu": int64(cpu)}, Annotations: map[string]string{"x": pick(r, "1", "2")},
		}
		state.Pods = append(state.Pods, pod)
		state.Requested["cpu"] += int64(cpu)
		state.Requested["pods"]++
		c.pods = append(c.pods, map[string]any{
			"namespace": pod.Namespace, "name": pod.Name, "uid": pod.UID, "labels": map[string]any{"app": app}, "priority": priority,
			"annotations": map[string]any{"x": pod.Annotations["x"]}, "requests": map[string]any{"cpu": cpu},
		})
	}
	if c.victims = r.IntN(3); c.victims > len(c.pods) {
		c.victims = len(c.pods)
	}
	c.candidate = scheduling.Candidate{Node: node, Victims: state.Pods[:c.victims]}
	if c.known {
		c.candidate.Node = node.WithState(state)
	}
	text, err := json.Marshal(c.pods)
	if err != nil {
		panic(err)
	}
	c.state = string(text)
	return c
}

// stateOf is input.state with these pods.
func stateOf(pods []map[string]any) map[string]any {
	cpu := 0
	list := []any{}
	for _, pod := range pods {
		cpu += pod["requests"].(map[string]any)["cpu"].(int)
		list = append(list, pod)
	}
	text := func(amounts map[string]any) map[string]any {
		out := map[string]any{}
		for name, amount := range amounts {
			out[name] = fmt.Sprint(amount)
			if name == "cpu" && amount != 0 {
				out[name] = fmt.Sprintf("%dm", amount)
			}
		}
		return out
	}
	allocatable, requested := map[string]any{"cpu": 5, "memory": 2}, map[string]any{"cpu": cpu, "memory": 0, "pods": len(pods)}
	free := map[string]any{"cpu": 5 - cpu, "memory": 2}
	return map[string]any{
		"allocatable": allocatable, "requested": requested, "free": free, "pods": list,
		"quantities": map[string]any{"allocatable": text(allocatable), "requested": text(requested), "free": text(free)},
	}
}

// expect asks stock OPA what Preempt has to say, and in which rule it ends.
func (c *preemptionCase) expect(ctx context.Context, queries map[string]rego.PreparedEvalQuery, pod string, readsVictims bool) (outcome, said string) {
	input := map[string]any{"pod": decodeNumbers([]byte(pod)), "node": decodeNumbers([]byte(c.node))}
	with := func(members map[string]any) map[string]any {
		out := map[string]any{}
		for _, from := range []map[string]any{input, members} {
			for name, value := range from {
				if value != nil {
					out[name] = value
				}
			}
		}
		return out
	}
	var now, then any
	if c.known {
		now, then = stateOf(c.pods), stateOf(c.pods[c.victims:])
	}
	if got := reasonsBy(ctx, queries["unresolvable"], with(map[string]any{"state": now})); len(got) > 0 {
		return "unresolvable", fmt.Sprint(got, []string{}, []string{}, false)
	}
	if got := reasonsBy(ctx, queries["reject"], with(map[string]any{"state": then})); len(got) > 0 {
		return "reject", fmt.Sprint([]string{}, got, []string{}, false)
	}
	victims := []any{}
	for _, victim := range c.pods[:c.victims] {
		victims = append(victims, victim)
	}
	asked := victims
	if len(victims) == 0 && !readsVictims {
		asked = []any{nil}
	}
	for _, victim := range asked {
		members := map[string]any{"state": now, "stateWithout": then, "victims": victims, "victim": victim}
		if got := reasonsBy(ctx, queries["protect"], with(members)); len(got) > 0 {
			return "protect", fmt.Sprint([]string{}, []string{}, got, false)
		}
	}
	return "kept", fmt.Sprint([]string{}, []string{}, []string{}, false)
}

func reasonsBy(ctx context.Context, query rego.PreparedEvalQuery, input map[string]any) []string {
	results, err := query.Eval(ctx, rego.EvalInput(input))
	if err != nil || len(results) == 0 {
		return nil
	}
	var out []string
	for _, reason := range results[0].Expressions[0].Value.([]any) {
		out = append(out, reason.(string))
	}
	slices.Sort(out)
	return out
}
