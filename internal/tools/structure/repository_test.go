package structure

import (
	"strings"
	"testing"
)

// root is the repository's.
const root = "../../.."

// Files refer to files below them. What runs back up ties files to each other:
// neither can be read without the other. The numbers may become smaller, and then
// the limits here do.
func TestFilesAreLayered(t *testing.T) {
	const module = "github.com/verdict-dev/verdict/"
	most := map[string]int{"policy": 0, "policy/document": 0, "policy/nodes": 0, "policy/evaluator": 0, "policy/evaluator/plan": 0, "policy/evaluator/rewrite": 0, "policy/evaluator/sandbox": 0}
	loaded, err := Load(root, false, "./policy/...", "./handlers/...", "./internal/...", "./cmd/...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range loaded {
		name := strings.TrimPrefix(p.PkgPath, module)
		references := References(p)
		order, backwards := Layers(references)
		t.Logf("%s: %d files, %d references, %d run back up", name, len(order), len(references), len(backwards))
		limit, limited := most[name]
		if limited && len(backwards) < limit {
			t.Errorf("%s: %d references run back up: make that the limit, which is %d", name, len(backwards), limit)
		}
		if limited && len(backwards) > limit {
			t.Errorf("%s: %d references run back up, and %d may:\n%v\nin the order %v", name, len(backwards), limit, backwards, order)
		}
	}
}
