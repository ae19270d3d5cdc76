package policy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/nodes"
)

// compile builds a revision from Rego sources, named p0.rego, p1.rego, ….
func compile(tb testing.TB, options Options, sources ...string) *Revision {
	tb.Helper()
	revision, err := Compile(tb.Context(), content(sources...), options)
	if err != nil {
		tb.Fatalf("compiling:\n%v", err)
	}
	return revision
}

func content(sources ...string) Content {
	var out Content
	for i, source := range sources {
		out.Modules = append(out.Modules, Module{Path: "p" + string(rune('0'+i)) + ".rego", Source: []byte(source)})
	}
	return out
}

// refused compiles content and returns the problems that keep it from becoming a revision.
func refused(tb testing.TB, options Options, content Content) []string {
	tb.Helper()
	_, err := Compile(tb.Context(), content, options)
	var load *LoadError
	if !errors.As(err, &load) {
		tb.Fatalf("got error %v (%T), want a *LoadError", err, err)
	}
	out := make([]string, len(load.Problems))
	for i, p := range load.Problems {
		out[i] = p.String()
	}
	return out
}

func object(tb testing.TB, text string) document.Value { return documentOf(tb, text).Root() }

// documentOf is a document that its user releases.
func documentOf(tb testing.TB, text string) *document.Document {
	tb.Helper()
	parsed, err := document.Parse([]byte(text))
	if err != nil {
		tb.Fatalf("decoding %s: %v", text, err)
	}
	return parsed
}

// Authorize decides by the revision alone.
func (r *Revision) Authorize(ctx context.Context, review document.Value) (Decision, error) {
	return r.View().Authorize(ctx, review)
}

// Authenticate likewise.
func (r *Revision) Authenticate(ctx context.Context, review document.Value, verified identity.Identity) (Authentication, error) {
	return r.View().Authenticate(ctx, review, verified)
}

// placement is what the rules that refuse say of one pod on one node.
type placement struct{ Reject, Unresolvable []string }

// Place decides one pod on one node, by the revision alone.
func (r *Revision) Place(ctx context.Context, pod, node document.Value) (placement, error) {
	unresolvable, err := r.place(ctx, Unresolvable, pod, node)
	if err != nil {
		return placement{}, err
	}
	reject, err := r.place(ctx, Reject, pod, node)
	if err != nil {
		return placement{}, err
	}
	return placement{Reject: reject.Reasons(), Unresolvable: unresolvable.Reasons()}, nil
}

// Score likewise.
func (r *Revision) Score(ctx context.Context, pod, node document.Value) (int64, error) {
	placed, err := r.place(ctx, Score, pod, node)
	return placed.Score(), err
}

func (r *Revision) place(ctx context.Context, which SchedulingRule, pod, node document.Value) (Placed, error) {
	placer := r.View().DefaultProfile().Placer(which, pod)
	alone := nodeOf(node)
	class := placer.Class(alone)
	if placed, ok := placer.Kept(class, time.Now()); ok {
		return placed, nil
	}
	return placer.Decide(ctx, alone, class)
}

// nodeOf is node with a name, which every node has.
func nodeOf(node document.Value) *nodes.Node {
	text := node.Raw()
	if made, err := nodes.New(text); err == nil {
		return made
	}
	var fields, metadata map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		panic(err)
	}
	if metadata, _ = fields["metadata"].(map[string]any); metadata == nil {
		metadata = map[string]any{}
	}
	metadata["name"] = "node"
	fields["metadata"] = metadata
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	made, err := nodes.New(text)
	if err != nil {
		panic(err)
	}
	return made
}

// contains checks that text has every part.
func contains(tb testing.TB, text string, parts ...string) {
	tb.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			tb.Errorf("got  %s\nwant it to contain %q", text, part)
		}
	}
}

func equal[T comparable](tb testing.TB, what string, got, want []T) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}
