package policy_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

var mutated = flag.Int("mutated", 24, "how many generated policies the mutation check takes the paths of footprints from")

// The mutation check shows that TestProperty would notice a footprint that is
// too small: an engine whose footprint lacks one path must give a decision
// that is not the reference's, for inputs or data that differ in that path.
//
// A footprint may hold more than matters. A mutant is then no mistake, and
// only the reference may say so: over every input and every value the path
// takes, what the rule says never changes.

// mutantFate is what became of a mutant.
type mutantFate string

const (
	killed     mutantFate = "killed"
	equivalent mutantFate = "equivalent"
	survived   mutantFate = "survived"
)

// maxEquivalent bounds, in percent, the mutants that need not be noticed:
// beyond it the generator makes too many policies in which paths don't matter.
const maxEquivalent = 50

func TestMutatedFootprints(t *testing.T) {
	count := *mutated
	if testing.Short() {
		count /= 8
	}
	var mu sync.Mutex
	fates := map[string]map[mutantFate]int{}
	t.Run("policy", func(t *testing.T) {
		for i := range count {
			p := points[i%len(points)]
			t.Run(fmt.Sprintf("%s/%d", p.name, *seed+uint64(i)), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, p, *seed+uint64(i), newCounts())
				for _, drop := range mutants(t, w) {
					fate := w.mutate(t, drop)
					if fate == survived {
						t.Errorf("nothing notices a footprint that lacks %v\n%s", drop, w.describe(state{}))
					}
					mu.Lock()
					kind := p.name + ", " + drop[0].root
					if fates[kind] == nil {
						fates[kind] = map[mutantFate]int{}
					}
					fates[kind][fate]++
					mu.Unlock()
				}
			})
		}
	})
	all := map[mutantFate]int{}
	for _, kind := range slices.Sorted(maps.Keys(fates)) {
		t.Logf("%s: %v", kind, fates[kind])
		for fate, n := range fates[kind] {
			all[fate] += n
		}
	}
	total := all[killed] + all[equivalent] + all[survived]
	t.Logf("of %d mutants %d were killed, %d are equivalent, %d survived", total, all[killed], all[equivalent], all[survived])
	if total > 100 && all[equivalent]*100 > total*maxEquivalent {
		t.Errorf("%d of %d mutants are equivalent, more than %d %%", all[equivalent], total, maxEquivalent)
	}
}

// mutants lists what is dropped, one mutant an item: each path of the
// footprint of each entry rule.
func mutants(t *testing.T, w *world) [][]droppedPath {
	t.Helper()
	e := newEngine()
	w.start(t, e, state{})
	var out [][]droppedPath
	for _, path := range e.footprints() {
		if slices.Contains(entryRules[w.point.name], path.entry) {
			out = append(out, []droppedPath{path})
		}
	}
	return out
}

// mutate runs an engine that lacks drop over groups of questions that differ
// in that path alone.
func (w *world) mutate(t *testing.T, drop []droppedPath) mutantFate {
	t.Helper()
	e := newEngine(drop...)
	if drop[0].root == "input" {
		return w.mutateInput(t, e, drop)
	}
	return w.mutateData(t, e, drop)
}

func (w *world) mutateInput(t *testing.T, e *engine, drop []droppedPath) mutantFate {
	t.Helper()
	var s state
	w.start(t, e, s)
	truth := w.reference(t, s)
	random := rand.New(rand.NewPCG(w.seed, 1))
	fate := equivalent
	for range 3 {
		for _, group := range w.differingIn(random, drop[0].path) {
			for _, question := range w.point.questions {
				wants := make([]decision, len(group))
				told := make([]telling, len(group))
				for i, req := range group {
					want, consulted := truth.decide(question, req)
					wants[i], told[i] = want, tell(truth, drop, consulted, want, req)
				}
				if !differ(told) {
					continue
				}
				for i, req := range group {
					if e.ask(t, question, req) != wants[i] {
						return killed
					}
				}
				fate = survived
			}
		}
	}
	return fate
}

func (w *world) mutateData(t *testing.T, e *engine, drop []droppedPath) mutantFate {
	t.Helper()
	random := rand.New(rand.NewPCG(w.seed, 2))
	path := drop[0].path
	// A world of its own, whose data differ in the path alone.
	other := &world{
		seed: w.seed, random: random, point: w.point, policy: w.policy, variants: w.variants[:1],
		compilers: w.compilers, references: map[state]*reference{}, static: w.static[:1:1],
	}
	for range 4 {
		other.static = append(other.static, withData(w.static[0], w.point.data(random), path))
	}
	var requests []request
	for range 40 {
		requests = append(requests, w.point.request(random, w.point.document(random)))
	}
	told := make([][]telling, len(requests)*len(w.point.questions))
	// There and back: a fault is not kept, so what follows one shows nothing.
	order := []int{0, 1, 2, 3, 4, 3, 2, 1, 0}
	for turn, n := range order {
		s := state{static: n, access: n, cluster: [3]int{n, n, n}}
		switch {
		case turn == 0:
			other.start(t, e, s)
		case path[0] == "cluster":
			for _, resource := range clusterResources {
				if len(path) == 1 || path[1] == resource {
					e.setCluster(t, resource, other.static[n].cluster[resource])
				}
			}
		default:
			other.load(t, e, s)
		}
		truth := other.reference(t, s)
		for i, req := range requests {
			for j, question := range w.point.questions {
				want, consulted := truth.decide(question, req)
				if e.ask(t, question, req) != want {
					return killed
				}
				at := i*len(w.point.questions) + j
				told[at] = append(told[at], tell(truth, drop, consulted, want, req))
			}
		}
	}
	if slices.ContainsFunc(told, differ) {
		return survived
	}
	return equivalent
}

// withData is data that has what from has at path, or nothing.
func withData(data, from randomData, path []string) randomData {
	whole := clone(map[string]any{"static": data.static, "access": data.access, "cluster": data.cluster}).(map[string]any)
	source := map[string]any{"static": from.static, "access": from.access, "cluster": from.cluster}
	if value, ok := lookup(source, path); ok {
		put(whole, path, value)
	} else {
		remove(whole, path)
	}
	return randomData{static: object(whole, "static"), access: object(whole, "access"), cluster: object(whole, "cluster")}
}

// differingIn returns groups of requests; those of a group differ only in what
// is at path.
func (w *world) differingIn(r *rand.Rand, path []string) [][]request {
	var documents []map[string]any
	for range 30 {
		documents = append(documents, w.point.document(r))
	}
	if len(path) == 0 {
		var group []request
		for _, document := range documents {
			group = append(group, w.point.request(r, document))
		}
		return [][]request{group}
	}
	// What is found there in some inputs is put there in the others.
	values := map[string]any{}
	for _, document := range documents {
		if value, ok := lookup(document, path); ok && len(values) < 7 {
			values[canonical(value)] = value
		}
	}
	if len(values) < 2 {
		values[`"alice"`], values[`{}`] = "alice", map[string]any{"alice": "bob"}
	}
	var out [][]request
	for _, document := range documents {
		if parent, ok := lookup(document, path[:len(path)-1]); !ok {
			continue
		} else if _, ok := parent.(map[string]any); !ok {
			continue
		}
		var group []request
		for _, key := range slices.Sorted(maps.Keys(values)) {
			next := clone(document).(map[string]any)
			put(next, path, values[key])
			if path[0] == "state" {
				finishState(next) // some of it follows from the rest
			}
			if w.point.valid(next) {
				group = append(group, w.point.request(r, next))
			}
		}
		next := clone(document).(map[string]any)
		remove(next, path)
		if w.point.valid(next) {
			group = append(group, w.point.request(r, next))
		}
		out = append(out, group)
	}
	return out
}

// telling is what one request shows of the rules that lack a path: the answer,
// and what each of the rules added to it.
type telling struct {
	answer decision
	added  map[string]decision
}

func tell(truth *reference, drop []droppedPath, consulted []string, answer decision, req request) telling {
	out := telling{answer: answer, added: map[string]decision{}}
	faulted := false
	for _, each := range drop {
		if !slices.Contains(consulted, each.entry) {
			continue
		}
		added := truth.contribution(each.entry, req)
		faulted = faulted || added == failure
		out.added[each.entry] = added
	}
	switch {
	case answer == failure && !faulted:
		// Another rule's fault hides what these say.
		return telling{}
	case truth.point == authenticationPoint && truth.contribution("user", req) == "denied":
		// Refused either way.
		delete(out.added, "deny")
	}
	return out
}

// differ reports whether two of told need different answers of one rule, which
// a footprint that can't tell them apart doesn't give.
func differ(told []telling) bool {
	for i, one := range told {
		for _, other := range told[:i] {
			for entry, added := range one.added {
				if before, ok := other.added[entry]; ok && before != added && one.answer != other.answer {
					return true
				}
			}
		}
	}
	return false
}
