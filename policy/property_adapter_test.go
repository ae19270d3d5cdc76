package policy_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/footprint"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// This file is all that the property tests know of the engine.

// engine is the engine under test. Its caches are large enough for most of
// what is asked twice, and small enough to drop things.
type engine struct {
	*policy.Engine
	// nodes are those that were asked about, by their text and that of their
	// state: one node goes through many states.
	nodes *sync.Map
}

// droppedPath is a path that the footprint of an entry rule lacks.
type droppedPath struct {
	entry string // the name of the rule, such as allow
	root  string // input or data
	path  []string
}

type quiet struct{}

func (quiet) RevisionLoaded(*policy.Revision, time.Duration) {}
func (quiet) RevisionRefused(error)                          {}

func newEngine(dropped ...droppedPath) *engine {
	options := policy.Options{Cache: policy.CacheOptions{Bytes: 1 << 20, Entries: 2_000}}
	options.Narrow(func(path string, f *footprint.Footprint) {
		for _, drop := range dropped {
			if nameOf(path) != drop.entry {
				continue
			}
			if drop.root == "input" {
				f.Input = *f.Input.Without(drop.path)
				continue
			}
			var kept footprint.Paths
			for _, each := range f.Data.All() {
				if len(each) < len(drop.path) || !slices.Equal(each[:len(drop.path)], drop.path) {
					kept.Add(each...)
				}
			}
			f.Data = kept
		}
	})
	return &engine{policy.NewEngine(options, quiet{}), new(sync.Map)}
}

// nameOf is the last part of the path of an entry rule.
func nameOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// footprints are the paths that the footprint of each entry rule holds, as far
// as the engine uses them: of the cluster it goes by resources, and of data only
// where decisions are kept.
func (e *engine) footprints() []droppedPath {
	var out []droppedPath
	for path, f := range e.Revision().Footprints() {
		for _, each := range f.Input.All() {
			out = append(out, droppedPath{nameOf(path), "input", each})
		}
		if _, kept := f.Lifetime(); !kept {
			continue
		}
		var data footprint.Paths
		for _, each := range f.Data.All() {
			if len(each) > 0 && each[0] == "cluster" {
				each = each[:min(len(each), 2)]
			}
			data.Add(each...)
		}
		for _, each := range data.All() {
			out = append(out, droppedPath{nameOf(path), "data", each})
		}
	}
	return out
}

// load makes content the current revision.
func (e *engine) load(ctx context.Context, content policy.Content) error {
	return e.Load(ctx, content)
}

// setCluster makes value data.cluster.<resource>.
func (e *engine) setCluster(tb testing.TB, resource string, value any) {
	tb.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	object, err := document.DecodeObject(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	e.SetCluster(resource, document.NewDecoded(object))
}

// decide answers a SubjectAccessReview.
func (e *engine) decide(ctx context.Context, body []byte) (outcome string, reasons []string, failed bool) {
	review, err := document.ParseObject(body)
	if err != nil {
		return "", nil, true
	}
	defer review.Release()
	answer, err := e.View().Authorize(ctx, review.Root())
	return string(answer.Outcome), answer.Reasons, err != nil
}

// place says whether the pod may run on the node.
func (e *engine) place(ctx context.Context, pod, node, state []byte) (reject, unresolvable []string, failed bool) {
	p, n, err := e.placed(pod, node, state)
	if err != nil {
		return nil, nil, true
	}
	defer p.Release()
	answer, _, err := scheduling.Filter(ctx, e.View().DefaultProfile(), p.Root(), []*nodes.Node{n})
	if err != nil || answer[0].Err != nil {
		return nil, nil, true
	}
	return answer[0].Reject, answer[0].Unresolvable, false
}

// score says how well the pod runs on the node.
func (e *engine) score(ctx context.Context, pod, node, state []byte) (score int64, failed bool) {
	p, n, err := e.placed(pod, node, state)
	if err != nil {
		return 0, true
	}
	defer p.Release()
	answer, _, err := scheduling.Prioritize(ctx, e.View().DefaultProfile(), p.Root(), []*nodes.Node{n})
	if err != nil || answer[0].Err != nil {
		return 0, true
	}
	return answer[0].Score, false
}

func (e *engine) placed(pod, node, state []byte) (*document.Document, *nodes.Node, error) {
	n, err := e.node(string(node), func() (*nodes.Node, error) { return nodes.New(node) })
	if err != nil {
		return nil, nil, err
	}
	if state != nil {
		n, err = e.node(string(node)+string(state), func() (*nodes.Node, error) {
			given := &nodes.State{}
			// The rest of a state follows from this.
			return n.WithState(given), json.Unmarshal(state, given)
		})
		if err != nil {
			return nil, nil, err
		}
		if len(state)%2 == 0 {
			e.Classify(n) // it changes nothing but when things are found out
		}
	}
	p, err := document.ParseObject(pod)
	return p, n, err
}

// node returns the node that key stands for.
func (e *engine) node(key string, made func() (*nodes.Node, error)) (*nodes.Node, error) {
	if known, ok := e.nodes.Load(key); ok {
		return known.(*nodes.Node), nil
	}
	n, err := made()
	if err != nil {
		return nil, err
	}
	known, _ := e.nodes.LoadOrStore(key, n)
	return known.(*nodes.Node), nil
}

// authenticate says who an identity is.
func (e *engine) authenticate(ctx context.Context, verified identity.Identity, review []byte) (username string, groups []string, denied, failed bool) {
	r, err := document.ParseObject(review)
	if err != nil {
		return "", nil, false, true
	}
	defer r.Release()
	answer, err := e.View().Authenticate(ctx, r.Root(), verified)
	if err != nil || answer.User == nil {
		return "", nil, err == nil, err != nil
	}
	return answer.User.Username, answer.User.Groups, false, false
}
