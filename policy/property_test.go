package policy_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

var (
	decisions     = flag.Int("decisions", normalRun, "how many decisions the property test compares")
	constructFlag = flag.String("construct", "", "part of the `name` of the constructs that the random policies have wherever there is a choice, such as \"read: walk\"; empty: all")
	seed          = flag.Uint64("seed", 1, "where the random policies, inputs and data of the property tests begin")
)

// world is one generated policy, and what can happen to it.
type world struct {
	seed     uint64
	random   *rand.Rand
	point    *point
	policy   generated
	variants []map[string]string
	requests []request
	// inputs are the documents of requests before they were written.
	inputs []map[string]any
	static []randomData

	mu         sync.Mutex
	compilers  map[string]*ast.Compiler // by the text of all files
	references map[state]*reference
}

// state is what an engine has been given, by index into a world.
type state struct {
	variant int
	static  int
	access  int
	cluster [3]int // by index of clusterResources
}

// counts is what a run has seen.
type counts struct {
	policies, refused, reloads, changes atomic.Int64
	decisions, asked                    atomic.Int64

	mu         sync.Mutex
	outcomes   map[string]int
	constructs map[string]int
}

func newCounts() *counts {
	return &counts{outcomes: map[string]int{}, constructs: map[string]int{}}
}

// newWorld generates a world. Everything about it follows from seed.
func newWorld(tb testing.TB, p *point, seed uint64, seen *counts) *world {
	tb.Helper()
	w := &world{
		seed: seed, random: rand.New(rand.NewPCG(seed, 0)), point: p,
		compilers: map[string]*ast.Compiler{}, references: map[state]*reference{},
	}
	for {
		w.policy = writePolicy(w.random, p, *constructFlag)
		seen.policies.Add(1)
		_, err := w.compiler(w.policy.files)
		if err == nil {
			break
		}
		seen.refused.Add(1)
		tb.Logf("seed %d: the generator made a policy that does not compile: %v", seed, err)
	}
	w.variants = []map[string]string{w.policy.files}
	for len(w.variants) < 4 {
		next := variant(w.random, p, w.variants[w.random.IntN(len(w.variants))])
		if _, err := w.compiler(next); err == nil {
			w.variants = append(w.variants, next)
		}
	}
	// The second differs from the first in little of each document, the
	// third in all.
	first, third := p.data(w.random), p.data(w.random)
	second := p.data(w.random)
	second.static = clone(first.static).(map[string]any)
	name := w.policy.someStatic(w.random)
	second.static[name] = p.staticValue(w.random, name)
	second.access = clone(first.access).(map[string]any)
	for range 4 {
		second.access[universe[w.random.IntN(len(universe))]] = randomAccess(w.random)
	}
	w.static = []randomData{first, second, third}

	for range 8 {
		document := p.document(w.random)
		w.inputs = append(w.inputs, document, p.near(w.random, document), p.near(w.random, document),
			twin(clone(document)).(map[string]any))
		w.inputs = append(w.inputs, p.gaps(w.random, document)...)
	}
	for _, document := range w.inputs {
		for range 1 + w.random.IntN(3) {
			w.requests = append(w.requests, p.request(w.random, document))
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for _, construct := range w.policy.constructs {
		seen.constructs[construct]++
	}
	return w
}

func (w *world) compiler(files map[string]string) (*ast.Compiler, error) {
	key := fmt.Sprint(files)
	w.mu.Lock()
	defer w.mu.Unlock()
	if compiler, ok := w.compilers[key]; ok {
		return compiler, nil
	}
	compiler, err := compileModules(files)
	if err == nil {
		w.compilers[key] = compiler
	}
	return compiler, err
}

// data is the whole `data` of s.
func (w *world) data(s state) map[string]any {
	cluster := map[string]any{}
	for i, resource := range clusterResources {
		cluster[resource] = w.static[s.cluster[i]].cluster[resource]
	}
	return map[string]any{
		"static":  w.static[s.static].static,
		"access":  w.static[s.access].access,
		"cluster": cluster,
	}
}

func (w *world) content(s state) policy.Content {
	var out policy.Content
	files := w.variants[s.variant]
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out.Modules = append(out.Modules, policy.Module{Path: name, Source: []byte(files[name])})
	}
	out.Documents = []policy.Document{
		{Path: "static.json", Content: literal(map[string]any{"static": w.static[s.static].static})},
		{Path: "access.json", Content: literal(map[string]any{"access": w.static[s.access].access})},
	}
	return out
}

// reference answers for s.
func (w *world) reference(tb testing.TB, s state) *reference {
	tb.Helper()
	compiler, err := w.compiler(w.variants[s.variant])
	if err != nil {
		tb.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if kept, ok := w.references[s]; ok {
		return kept
	}
	out, err := newReference(context.Background(), w.point, compiler, w.data(s))
	if err != nil {
		tb.Fatal(err)
	}
	w.references[s] = out
	return out
}

// start gives engine everything that s holds.
func (w *world) start(tb testing.TB, e *engine, s state) {
	tb.Helper()
	for i, resource := range clusterResources {
		e.setCluster(tb, resource, w.static[s.cluster[i]].cluster[resource])
	}
	w.load(tb, e, s)
}

func (w *world) load(tb testing.TB, e *engine, s state) {
	tb.Helper()
	if err := e.load(tb.Context(), w.content(s)); err != nil {
		tb.Fatalf("the engine refuses what stock OPA compiles: %v\n%s", err, w.describe(s))
	}
}

// change is one step from s: the state it leads to, and how an engine takes it.
func (w *world) change(r *rand.Rand, s state) (next state, apply func(testing.TB, *engine)) {
	load := func(tb testing.TB, e *engine) {
		tb.Helper()
		w.load(tb, e, s)
	}
	switch r.IntN(8) {
	case 0, 1, 2:
		i := r.IntN(len(clusterResources))
		s.cluster[i] = w.other(r, s.cluster[i])
		return s, func(tb testing.TB, e *engine) {
			tb.Helper()
			e.setCluster(tb, clusterResources[i], w.static[s.cluster[i]].cluster[clusterResources[i]])
		}
	case 3:
		s.static = w.other(r, s.static)
	case 4:
		s.access = w.other(r, s.access)
	case 5, 6:
		s.variant = r.IntN(len(w.variants))
	default:
		// A reload of what is loaded already.
	}
	return s, load
}

// other is an index of static that is not n.
func (w *world) other(r *rand.Rand, n int) int {
	return (n + 1 + r.IntN(len(w.static)-1)) % len(w.static)
}

// ask puts one question to the engine.
func (e *engine) ask(tb testing.TB, question string, req request) decision {
	tb.Helper()
	ctx := context.Background()
	switch question {
	case "authorize":
		outcome, reasons, failed := e.decide(ctx, req.parts[0])
		if failed {
			return failure
		}
		return authorizationDecision(outcome, reasons)
	case "place":
		reject, unresolvable, failed := e.place(ctx, req.parts[0], req.parts[1], req.parts[2])
		if failed {
			return failure
		}
		return placementDecision(unresolvable, reject)
	case "score":
		score, failed := e.score(ctx, req.parts[0], req.parts[1], req.parts[2])
		if failed {
			return failure
		}
		return scoreDecision(score)
	default:
		var fields struct {
			Source, Type, Subject string
			Claims                json.RawMessage
			Audiences             []string
		}
		if err := json.Unmarshal(req.parts[1], &fields); err != nil {
			tb.Fatal(err)
		}
		var claims identity.Claims
		if len(fields.Claims) > 0 {
			if _, err := document.DecodeObject(string(fields.Claims)); err != nil {
				tb.Fatal(err)
			}
			claims = identity.NewClaims(string(fields.Claims))
		}
		username, groups, denied, failed := e.authenticate(ctx, identity.Identity{
			Source: fields.Source, Type: fields.Type, Subject: fields.Subject,
			Claims: claims, Audiences: fields.Audiences,
		}, req.parts[0])
		if failed {
			return failure
		}
		return userDecision(username, groups, denied)
	}
}

// describe is everything needed to see a failure again.
func (w *world) describe(s state) string {
	var b strings.Builder
	fmt.Fprintf(&b, "generated by the seed %d for %s\n", w.seed, w.point.name)
	files := w.variants[s.variant]
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "--- %s\n%s", name, files[name])
	}
	fmt.Fprintf(&b, "--- data\n%s\n", canonical(w.data(s)))
	return b.String()
}

// kindOfDecision is how a run counts an answer.
func kindOfDecision(question string, d decision) string {
	out, _, _ := strings.Cut(string(d), ":")
	switch {
	case question == "place" && d == placementDecision(nil, nil):
		out = "fit"
	case question == "place" && d != failure:
		out = "refused"
	case question == "score" && d == scoreDecision(0):
		out = "zero"
	}
	return question + " " + out
}

const (
	// normalRun is how many decisions TestProperty compares by default.
	normalRun = 100_000
	// decisionsPerWorld are made of one policy.
	decisionsPerWorld = 500
)

// shares are the percentages of decisions for each point.
var shares = map[string]int{"authorization": 60, "scheduling": 25, "authentication": 15}

// TestProperty compares the engine with stock OPA through generated policies,
// inputs, changes of data and reloads.
func TestProperty(t *testing.T) {
	total := *decisions
	if testing.Short() {
		total /= 20
	}
	seen := newCounts()
	compared := 0
	t.Run("world", func(t *testing.T) {
		for _, p := range points {
			worlds := (total*shares[p.name]/100 + decisionsPerWorld - 1) / decisionsPerWorld
			for i := range worlds {
				compared += decisionsPerWorld
				// To see one again: -run 'TestProperty/world/authorization/17$' -seed 17 -decisions 100.
				t.Run(fmt.Sprintf("%s/%d", p.name, *seed+uint64(i)), func(t *testing.T) {
					t.Parallel()
					runWorld(t, newWorld(t, p, *seed+uint64(i), seen), decisionsPerWorld, seen)
				})
			}
		}
	})
	seen.report(t)
	if refused, policies := seen.refused.Load(), seen.policies.Load(); policies > 40 && refused*20 > policies {
		t.Errorf("%d of %d generated policies do not compile", refused, policies)
	}
	if compared < total {
		t.Errorf("compared %d decisions, want %d", compared, total)
	}
}

func runWorld(t *testing.T, w *world, decisions int, seen *counts) {
	t.Helper()
	var s state
	e := newEngine()
	w.start(t, e, s)
	want := w.reference(t, s)
	outcomes := map[string]int{}
	for n := 0; n < decisions; {
		if n > 0 && w.random.IntN(50) == 0 {
			next, apply := w.change(w.random, s)
			apply(t, e)
			if s.cluster != next.cluster {
				seen.changes.Add(1)
			} else {
				seen.reloads.Add(1)
			}
			s = next
			want = w.reference(t, s)
		}
		req := w.requests[w.random.IntN(len(w.requests))]
		for _, question := range w.point.questions {
			expected, _ := want.decide(question, req)
			got := e.ask(t, question, req)
			if got != expected {
				t.Fatalf("%s, decision %d\ngot  %s\nwant %s\ninput %s %s %s\n%s", question, n, got, expected, req.parts[0], req.parts[1], req.parts[2], w.describe(s))
			}
			outcomes[kindOfDecision(question, got)]++
			n++
		}
	}
	seen.decisions.Add(int64(decisions))
	for _, reference := range w.references {
		seen.asked.Add(int64(reference.asked))
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for outcome, n := range outcomes {
		seen.outcomes[outcome] += n
	}
}

func (c *counts) report(t *testing.T) {
	t.Helper()
	worlds := c.policies.Load() - c.refused.Load()
	t.Logf("%d decisions, %d evaluations of the reference, %d policies (%d more did not compile), %d reloads, %d changes of data",
		c.decisions.Load(), c.asked.Load(), worlds, c.refused.Load(), c.reloads.Load(), c.changes.Load())
	for _, outcome := range slices.Sorted(maps.Keys(c.outcomes)) {
		t.Logf("%7d %s", c.outcomes[outcome], outcome)
	}
	for _, construct := range slices.Sorted(maps.Keys(c.constructs)) {
		t.Logf("%3d %% of policies: %s", 100*int64(c.constructs[construct])/max(1, worlds), construct)
	}
}
