package policy

import (
	"fmt"
	"sync"
	"testing"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// TestARevisionOfManyViews decides by one revision in two engines and in two more views
// at once. A revision does not change: each view has its own tables, and no two views
// share a class of nodes.
func TestARevisionOfManyViews(t *testing.T) {
	revision := compile(t, Options{}, sched+`
reject contains input.node.metadata.labels.zone if input.state.free.cpu < 1000
unresolvable contains "b" if input.node.metadata.labels.zone == "b"`)
	rules := fmt.Sprint(revision.rules)
	engines := []*Engine{NewEngine(Options{Cache: roomy}, nil), NewEngine(Options{Cache: roomy}, nil)}
	for _, e := range engines {
		e.replace(revision)
	}
	views := []*View{engines[0].View(), engines[1].View(), revision.View(), revision.View()}
	var fleet []*nodes.Node
	for i := range 20 {
		zone := string(rune('a' + i%2))
		fleet = append(fleet, withCPU(namedNode(t, fmt.Sprint("n", i), fmt.Sprintf(`"labels":{"zone":%q}`, zone)), int64(i)*500, "p"))
	}
	pod := object(t, `{}`)
	var deciding sync.WaitGroup
	for _, view := range views {
		deciding.Go(func() {
			for i, n := range fleet {
				want := 0
				if i >= 7 {
					want = 1
				}
				if got := reject(t, view, pod, n).Reasons(); len(got) != want {
					t.Errorf("node %d: %v, want %d reasons", i, got, want)
				}
			}
		})
	}
	deciding.Go(func() {
		for i := range 20 {
			engines[0].SetCluster("x", decodedObject(t, fmt.Sprintf(`{"n":%d}`, i)))
			engines[1].replace(revision)
		}
	})
	deciding.Wait()

	seen := map[*nodes.Table]int{}
	for i, view := range views {
		for _, table := range view.tables {
			if other, twice := seen[table]; twice {
				t.Errorf("views %d and %d have a table in common", other, i)
			}
			seen[table] = i
		}
	}
	if got := fmt.Sprint(revision.rules); got != rules {
		t.Errorf("the revision has the rules %s, and had %s", got, rules)
	}
	if now := engines[0].View(); len(now.tables) == 0 || now.tables[0] != views[0].tables[0] {
		t.Error("another state of the cluster made other tables")
	}
}
