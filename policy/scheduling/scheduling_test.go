package scheduling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
)

const placement = `package kubernetes.scheduling

reject contains "full" if input.node.used > 90

reject contains sprintf("zone %s", [input.node.zone]) if input.node.zone in input.pod.avoid

unresolvable contains "another tenant's" if input.node.tenant != input.pod.tenant

reject contains "odd" if to_number(input.node.size) > 100

score.free := (100 - input.node.used) / 10

score.zone := 3 if input.node.zone == input.pod.zone

score.size := to_number(input.node.size) - 1
`

// view decides by source; with a cache it keeps what it decided.
func view(tb testing.TB, source string, cache policy.CacheOptions) *policy.View {
	tb.Helper()
	engine := policy.NewEngine(policy.Options{Cache: cache}, quiet{})
	if err := engine.Load(tb.Context(), policy.Content{Modules: []policy.Module{{Path: "p.rego", Source: []byte(source)}}}); err != nil {
		tb.Fatal(err)
	}
	return engine.View()
}

type quiet struct{}

func (quiet) RevisionLoaded(*policy.Revision, time.Duration) {}
func (quiet) RevisionRefused(error)                          {}

var roomy = policy.CacheOptions{Bytes: 1 << 24, Entries: 1 << 16}

func object(tb testing.TB, text string) document.Value {
	tb.Helper()
	parsed, err := document.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return parsed.Root()
}

// node is a node called name, with more members.
func node(tb testing.TB, name, members string) *nodes.Node {
	tb.Helper()
	n, err := nodes.New(fmt.Appendf(nil, `{"metadata":{"name":%q}%s}`, name, members))
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// fleet is n nodes: every 7th unknown, every 11th with a size no policy can read.
func fleet(tb testing.TB, n int) []*nodes.Node {
	tb.Helper()
	out := make([]*nodes.Node, n)
	for i := range out {
		if i%7 == 3 {
			continue
		}
		size := `"1"`
		if i%11 == 5 {
			size = `"big"`
		}
		out[i] = node(tb, fmt.Sprintf("node-%d", i), fmt.Sprintf(`,"used":%d,"zone":"z%d","tenant":"t%d","size":%s`, i%101, i%3, i%2, size))
	}
	return out
}

const pod = `{"tenant":"t1","zone":"z1","avoid":["z2"]}`

// TestManyNodesAgreeWithEachAlone decides nodes together, where those that look
// alike share a decision, and each by itself with nothing kept.
func TestManyNodesAgreeWithEachAlone(t *testing.T) {
	for name, cache := range map[string]policy.CacheOptions{"nothing kept": {}, "kept": roomy} {
		for _, n := range []int{0, 1, 2, 1000} {
			t.Run(fmt.Sprintf("%s, %d nodes", name, n), func(t *testing.T) {
				together, alone := view(t, placement, cache), view(t, placement, policy.CacheOptions{})
				p, nodes := object(t, pod), fleet(t, n)
				for range 2 { // the second time from the cache, where there is one
					filtered, _, err := Filter(t.Context(), together.DefaultProfile(), p, nodes)
					if err != nil {
						t.Fatal(err)
					}
					scored, _, err := Prioritize(t.Context(), together.DefaultProfile(), p, nodes)
					if err != nil {
						t.Fatal(err)
					}
					if len(filtered) != n || len(scored) != n {
						t.Fatalf("got %d and %d results for %d nodes", len(filtered), len(scored), n)
					}
					for i, each := range nodes {
						checkNode(t, alone, p, each, filtered[i], scored[i], i%11 == 5)
					}
				}
			})
		}
	}
}

func checkNode(t *testing.T, alone *policy.View, p document.Value, node *nodes.Node, filtered *Filtered, scored Scored, odd bool) {
	t.Helper()
	if node == nil {
		if !errors.Is(filtered.Err, ErrUnknownNode) || !errors.Is(scored.Err, ErrUnknownNode) ||
			len(filtered.Reject)+len(filtered.Unresolvable) != 0 || scored.Score != 0 {
			t.Errorf("got %+v and %+v, want ErrUnknownNode", filtered, scored)
		}
		return
	}
	want, _, err := Filter(t.Context(), alone.DefaultProfile(), p, []*nodes.Node{node})
	if err != nil {
		t.Fatal(err)
	}
	wantScore, _, err := Prioritize(t.Context(), alone.DefaultProfile(), p, []*nodes.Node{node})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(filtered.Reject, want[0].Reject) || !slices.Equal(filtered.Unresolvable, want[0].Unresolvable) || !sameError(filtered.Err, want[0].Err) {
		t.Errorf("%s: got %+v, want %+v", node.Name(), filtered, want[0])
	}
	if scored.Score != wantScore[0].Score || !sameError(scored.Err, wantScore[0].Err) {
		t.Errorf("%s: got %+v, want %+v", node.Name(), scored, wantScore[0])
	}
	var evaluation *policy.EvaluationError
	if odd != errors.As(filtered.Err, &evaluation) || odd != errors.As(scored.Err, &evaluation) {
		t.Errorf("%s: got errors %v and %v", node.Name(), filtered.Err, scored.Err)
	}
	if scored.Score < 0 || scored.Score > policy.MaxScore || scored.Err != nil && scored.Score != 0 {
		t.Errorf("%s: score %d", node.Name(), scored.Score)
	}
}

func TestSharing(t *testing.T) {
	const byLabels = `package kubernetes.scheduling

reject contains "full" if input.node.used > 90

unresolvable contains "another tenant's" if input.node.tenant != input.pod.tenant
`
	v := view(t, byLabels, roomy)
	list := make([]*nodes.Node, 1000)
	for i := range list {
		list[i] = node(t, fmt.Sprintf("node-%d", i), fmt.Sprintf(`,"used":%d,"tenant":"t%d"`, i%10*10, i%5))
	}
	for _, step := range []struct {
		name, pod            string
		classes, evaluations int
	}{
		{"first", `{"name":"a","tenant":"t1"}`, 15, 15},
		{"again", `{"name":"a","tenant":"t1"}`, 15, 0},
		{"another name", `{"name":"b","tenant":"t1"}`, 15, 0},
		// reject does not read the pod.
		{"another tenant", `{"name":"b","tenant":"t2"}`, 15, 5},
	} {
		_, work, err := Filter(t.Context(), v.DefaultProfile(), object(t, step.pod), list)
		if err != nil {
			t.Fatal(err)
		}
		if want := (Sharing{Nodes: 2000, Classes: step.classes, Evaluations: step.evaluations}); work != want {
			t.Errorf("%s: got %+v, want %+v", step.name, work, want)
		}
	}
}

// What a rule reads of these nodes is too large to be kept with their classes.
func TestLargeNodesShareDecisions(t *testing.T) {
	v := view(t, "package kubernetes.scheduling\n\nreject contains \"full\" if count(input.node.images) > 50", roomy)
	list := make([]*nodes.Node, 20)
	for i := range list {
		images := strings.Repeat(`"registry.example/shop/service:v1",`, 40+i%2*20)
		list[i] = node(t, fmt.Sprintf("node-%d", i), `,"images":[`+strings.TrimSuffix(images, ",")+`]`)
	}
	filtered, work, err := Filter(t.Context(), v.DefaultProfile(), object(t, pod), list)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range filtered {
		if full := len(f.Reject) > 0; f.Err != nil || full != (i%2 == 1) {
			t.Errorf("%s: got %+v", list[i].Name(), f)
		}
	}
	if work.Evaluations != 2 {
		t.Errorf("%d evaluations, want one for each of two classes", work.Evaluations)
	}
}

func TestChanceIsNotShared(t *testing.T) {
	v := view(t, "package kubernetes.scheduling\n\nscore.chance := rand.intn(\"x\", 10) + 1", roomy)
	for range 2 {
		_, work, err := Prioritize(t.Context(), v.DefaultProfile(), object(t, pod), fleet(t, 20)[:3])
		if err != nil {
			t.Fatal(err)
		}
		if want := (Sharing{Nodes: 3, Classes: 3, Evaluations: 3}); work != want {
			t.Errorf("got %+v, want %+v", work, want)
		}
	}
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error()
}

func TestOneNodesErrorLeavesTheOthers(t *testing.T) {
	r := view(t, placement, roomy)
	list := []*nodes.Node{
		node(t, "odd", `,"size":"big","tenant":"t1","used":0`), nil,
		node(t, "good", `,"size":"1","tenant":"t1","used":0`),
	}
	filtered, _, err := Filter(t.Context(), r.DefaultProfile(), object(t, pod), list)
	if err != nil {
		t.Fatal(err)
	}
	scored, _, err := Prioritize(t.Context(), r.DefaultProfile(), object(t, pod), list)
	if err != nil {
		t.Fatal(err)
	}
	var evaluation *policy.EvaluationError
	if !errors.As(filtered[0].Err, &evaluation) || !errors.As(scored[0].Err, &evaluation) {
		t.Errorf("odd: got %v and %v, want policy errors", filtered[0].Err, scored[0].Err)
	}
	if !errors.Is(filtered[1].Err, ErrUnknownNode) || !errors.Is(scored[1].Err, ErrUnknownNode) {
		t.Errorf("unknown: got %v and %v, want ErrUnknownNode", filtered[1].Err, scored[1].Err)
	}
	if filtered[2].Err != nil || len(filtered[2].Reject)+len(filtered[2].Unresolvable) != 0 {
		t.Errorf("good: got %+v, want it fit", filtered[2])
	}
	if scored[2].Err != nil || scored[2].Score != 10 {
		t.Errorf("good: got %+v, want 10", scored[2])
	}
}

// endless runs for hours on every node.
const endless = `package kubernetes.scheduling

reject contains "late" if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b + input.node.used < 0
}

score.late := 1 if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a + b + input.node.used < 0
}
`

func TestTimeoutOfTheWholeCall(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, r *policy.View, list []*nodes.Node) error{
		"filter": func(ctx context.Context, r *policy.View, list []*nodes.Node) error {
			_, _, err := Filter(ctx, r.DefaultProfile(), object(t, pod), list)
			return err
		},
		"prioritize": func(ctx context.Context, r *policy.View, list []*nodes.Node) error {
			_, _, err := Prioritize(ctx, r.DefaultProfile(), object(t, pod), list)
			return err
		},
	} {
		t.Run(name+", one policy too slow", func(t *testing.T) {
			r, list := view(t, endless, roomy), fleet(t, 100)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			began := time.Now()
			if err := call(ctx, r, list); !errors.Is(err, policy.ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v after a deadline of 20 ms", took)
			}
		})
		t.Run(name+", already over", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx, view(t, placement, roomy), fleet(t, 10)); !errors.Is(err, policy.ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
		})
		t.Run(name+", already over and no node known", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx, view(t, placement, roomy), []*nodes.Node{nil, nil}); !errors.Is(err, policy.ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	list := make([]*nodes.Node, 5000)
	for i := range list {
		list[i] = node(b, fmt.Sprintf("node-%d", i), fmt.Sprintf(`,"used":%d,"zone":"z%d","tenant":"t%d","size":"1"`, i%101, i%3, i%2))
	}
	for name, cache := range map[string]policy.CacheOptions{"nothing kept": {}, "kept": roomy} {
		b.Run(name, func(b *testing.B) {
			v, p := view(b, placement, cache), object(b, pod)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Filter(b.Context(), v.DefaultProfile(), p, list); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAPanicReachesTheCaller: one in a goroutine of its own ends the process.
func TestAPanicReachesTheCaller(t *testing.T) {
	defer func() {
		if cause := recover(); cause != "a defect" {
			t.Errorf("recovered %v, want the panic of the one that decides", cause)
		}
	}()
	err := each(t.Context(), 100, func(i int) error {
		if i == 3 {
			panic("a defect")
		}
		return nil
	})
	t.Errorf("got error %v and no panic", err)
}
