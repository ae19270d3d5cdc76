package scheduling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy"
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

func revision(tb testing.TB, source string) *policy.Revision {
	tb.Helper()
	r, err := policy.Compile(tb.Context(), policy.Content{Modules: []policy.Module{{Path: "p.rego", Source: []byte(source)}}}, policy.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func object(tb testing.TB, document string) policy.Object {
	tb.Helper()
	o, err := policy.DecodeObject([]byte(document))
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// fleet is n nodes: every 7th unknown, every 11th with a size no policy can read.
func fleet(tb testing.TB, n int) []Node {
	tb.Helper()
	out := make([]Node, n)
	for i := range out {
		out[i].Name = fmt.Sprintf("node-%d", i)
		if i%7 == 3 {
			continue
		}
		size := `"1"`
		if i%11 == 5 {
			size = `"big"`
		}
		out[i].Object = object(tb, fmt.Sprintf(`{"name":%q,"used":%d,"zone":"z%d","tenant":"t%d","size":%s}`, out[i].Name, i%101, i%3, i%2, size))
	}
	return out
}

const pod = `{"tenant":"t1","zone":"z1","avoid":["z2"]}`

func TestFilterAgreesWithPlaceNodeByNode(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r, p, nodes := revision(t, placement), object(t, pod), fleet(t, n)
			got, err := Filter(t.Context(), r, p, nodes)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != n {
				t.Fatalf("got %d results for %d nodes", len(got), n)
			}
			for i, node := range nodes {
				if node.Object.IsZero() {
					if !errors.Is(got[i].Err, ErrUnknownNode) || len(got[i].Reject)+len(got[i].Unresolvable) != 0 {
						t.Errorf("%s: got %+v, want ErrUnknownNode", node.Name, got[i])
					}
					continue
				}
				want, wantErr := r.Place(t.Context(), p, node.Object)
				if !slices.Equal(got[i].Reject, want.Reject) || !slices.Equal(got[i].Unresolvable, want.Unresolvable) || !sameError(got[i].Err, wantErr) {
					t.Errorf("%s: got %+v, want %+v and error %v", node.Name, got[i], want, wantErr)
				}
				var evaluation *policy.EvaluationError
				if odd := i%11 == 5; odd != errors.As(got[i].Err, &evaluation) {
					t.Errorf("%s: got error %v", node.Name, got[i].Err)
				}
			}
		})
	}
}

func TestPrioritizeAgreesWithScoreNodeByNode(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r, p, nodes := revision(t, placement), object(t, pod), fleet(t, n)
			got, err := Prioritize(t.Context(), r, p, nodes)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != n {
				t.Fatalf("got %d results for %d nodes", len(got), n)
			}
			for i, node := range nodes {
				if node.Object.IsZero() {
					if !errors.Is(got[i].Err, ErrUnknownNode) || got[i].Score != 0 {
						t.Errorf("%s: got %+v, want ErrUnknownNode", node.Name, got[i])
					}
					continue
				}
				want, wantErr := r.Score(t.Context(), p, node.Object)
				if got[i].Score != want || !sameError(got[i].Err, wantErr) {
					t.Errorf("%s: got %+v, want %d and error %v", node.Name, got[i], want, wantErr)
				}
				if got[i].Err != nil && got[i].Score != 0 {
					t.Errorf("%s: score %d beside an error", node.Name, got[i].Score)
				}
				if got[i].Score < 0 || got[i].Score > policy.MaxScore {
					t.Errorf("%s: score %d outside 0 to %d", node.Name, got[i].Score, policy.MaxScore)
				}
			}
		})
	}
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error()
}

func TestOneNodesErrorLeavesTheOthers(t *testing.T) {
	r := revision(t, placement)
	nodes := []Node{
		{Name: "odd", Object: object(t, `{"size":"big","tenant":"t1","used":0}`)},
		{Name: "unknown"},
		{Name: "good", Object: object(t, `{"size":"1","tenant":"t1","used":0}`)},
	}
	filtered, err := Filter(t.Context(), r, object(t, pod), nodes)
	if err != nil {
		t.Fatal(err)
	}
	scored, err := Prioritize(t.Context(), r, object(t, pod), nodes)
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
	for name, call := range map[string]func(ctx context.Context, r *policy.Revision, nodes []Node) error{
		"filter": func(ctx context.Context, r *policy.Revision, nodes []Node) error {
			_, err := Filter(ctx, r, object(t, pod), nodes)
			return err
		},
		"prioritize": func(ctx context.Context, r *policy.Revision, nodes []Node) error {
			_, err := Prioritize(ctx, r, object(t, pod), nodes)
			return err
		},
	} {
		t.Run(name+", one policy too slow", func(t *testing.T) {
			r, nodes := revision(t, endless), fleet(t, 100)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			began := time.Now()
			if err := call(ctx, r, nodes); !errors.Is(err, policy.ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v after a deadline of 20 ms", took)
			}
		})
		t.Run(name+", already over", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx, revision(t, placement), fleet(t, 10)); !errors.Is(err, policy.ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
		})
		t.Run(name+", already over and no node known", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx, revision(t, placement), []Node{{Name: "a"}, {Name: "b"}}); !errors.Is(err, policy.ErrTimeout) {
				t.Errorf("got %v, want ErrTimeout", err)
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	r, p := revision(b, placement), object(b, pod)
	nodes := make([]Node, 5000)
	for i := range nodes {
		nodes[i] = Node{Name: fmt.Sprintf("node-%d", i), Object: object(b, fmt.Sprintf(`{"used":%d,"zone":"z%d","tenant":"t%d","size":"1"}`, i%101, i%3, i%2))}
	}
	for b.Loop() {
		if _, err := Filter(b.Context(), r, p, nodes); err != nil {
			b.Fatal(err)
		}
	}
}
