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
)

// This file is all that the property tests know of the engine.

// engine is the engine under test.
type engine struct {
	options policy.Options
	*policy.Engine

	mu      sync.Mutex
	content policy.Content
	cluster map[string]any
	dropped []droppedPath
	first   map[string][]byte
	parts   map[string]*policy.Engine
}

// droppedPath is a path that the footprint of an entry rule lacks.
type droppedPath struct {
	entry string // the name of the rule, such as allow
	root  string // input or data
	path  []string
}

// largeClaims says that the engine prints a claim of a million or more as OPA
// does, 1234567 and not 1.234567e+06.
const largeClaims = false

type quiet struct{}

func (quiet) RevisionLoaded(*policy.Revision, time.Duration) {}
func (quiet) RevisionRefused(error)                          {}

// footprints are the input and data paths that the footprint of each entry
// rule holds; false when the engine keeps none.
func (e *engine) footprints() ([]droppedPath, bool) { return nil, false }

func newEngine(dropped ...droppedPath) *engine {
	e := &engine{
		Engine:  policy.NewEngine(policy.Options{}, quiet{}),
		cluster: map[string]any{},
		first:   map[string][]byte{},
		parts:   map[string]*policy.Engine{},
	}
	e.dropped = dropped
	if len(dropped) == 0 {
		return e
	}
	// An engine for each entry rule, so that each can be shown another input.
	all := policy.DefaultEntries()
	parts := map[string]policy.Entries{
		"deny":         {AuthorizationDeny: all.AuthorizationDeny},
		"allow":        {AuthorizationAllow: all.AuthorizationAllow},
		"reject":       {SchedulingReject: all.SchedulingReject},
		"unresolvable": {SchedulingUnresolvable: all.SchedulingUnresolvable},
		"score":        {SchedulingScore: all.SchedulingScore},
	}
	for _, drop := range dropped {
		if drop.entry == "allow" || drop.entry == "deny" {
			delete(parts, "reject")
			delete(parts, "unresolvable")
			delete(parts, "score")
		} else {
			delete(parts, "allow")
			delete(parts, "deny")
		}
	}
	for entry, entries := range parts {
		e.parts[entry] = policy.NewEngine(policy.Options{Entries: entries}, quiet{})
	}
	return e
}

// standIn is where the cluster's data lies until the engine takes it itself.
const standIn = "data.standin"

// load makes content the current revision.
func (e *engine) load(ctx context.Context, content policy.Content) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.content = content
	return e.reload(ctx)
}

// setCluster makes value data.cluster.<resource>.
func (e *engine) setCluster(tb testing.TB, resource string, value any) {
	tb.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cluster[resource] = value
	if e.content.Modules == nil {
		return
	}
	if err := e.reload(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func (e *engine) reload(ctx context.Context) error {
	var content policy.Content
	for _, m := range e.content.Modules {
		source := strings.ReplaceAll(string(m.Source), "data.cluster", standIn)
		content.Modules = append(content.Modules, policy.Module{Path: m.Path, Source: []byte(source)})
	}
	content.Documents = slices.Clone(e.content.Documents)
	for _, resource := range clusterResources {
		value, err := json.Marshal(e.cluster[resource])
		if err != nil {
			return err
		}
		content.Documents = append(content.Documents, policy.Document{
			Path: resource + ".json", Prefix: []string{"standin"}, Content: []byte(`{"` + resource + `": ` + string(value) + "}"),
		})
	}
	if len(e.dropped) == 0 {
		return e.Load(ctx, content)
	}
	for i, doc := range content.Documents {
		if _, ok := e.first[doc.Path]; !ok {
			e.first[doc.Path] = doc.Content
		}
		name := strings.TrimSuffix(doc.Path, ".json")
		for _, drop := range e.dropped {
			if drop.root == "data" && (drop.path[0] == name || drop.path[0] == "cluster" && drop.path[1] == name) {
				content.Documents[i].Content = e.first[doc.Path]
			}
		}
	}
	for _, part := range e.parts {
		if err := part.Load(ctx, content); err != nil {
			return err
		}
	}
	return nil
}

// at returns the revision to ask for entry and the document it sees.
func (e *engine) at(entry string, document policy.Object, below string) (*policy.Revision, policy.Object) {
	if len(e.dropped) == 0 {
		return e.Revision(), document
	}
	for _, drop := range e.dropped {
		if drop.entry != entry || drop.root != "input" {
			continue
		}
		path := drop.path
		if below != "" && len(path) > 0 {
			if path[0] != below {
				continue
			}
			path = path[1:]
		}
		document = without(document, path)
	}
	return e.parts[entry].Revision(), document
}

func without(document policy.Object, path []string) policy.Object {
	if len(path) == 0 {
		return policy.Object{}
	}
	if len(path) == 1 {
		return document.Without(path[0])
	}
	inner, err := document.Object(path[0])
	if err != nil || inner.IsZero() {
		return document
	}
	return document.With(path[0], policy.ObjectField(without(inner, path[1:])))
}

// decide answers a SubjectAccessReview.
func (e *engine) decide(ctx context.Context, body []byte) (outcome string, reasons []string, failed bool) {
	review, err := policy.DecodeObject(body)
	if err != nil {
		return "", nil, true
	}
	var answer policy.Authorization
	for _, entry := range []string{"deny", "allow"} {
		revision, document := e.at(entry, review, "")
		answer, err = revision.Authorize(ctx, document)
		if err != nil || answer.Outcome != policy.NoOpinion || len(e.dropped) == 0 {
			break
		}
	}
	return string(answer.Outcome), answer.Reasons, err != nil
}

// place says whether the pod may run on the node.
func (e *engine) place(ctx context.Context, pod, node []byte) (reject, unresolvable []string, failed bool) {
	p, podErr := policy.DecodeObject(pod)
	n, nodeErr := policy.DecodeObject(node)
	if podErr != nil || nodeErr != nil {
		return nil, nil, true
	}
	if len(e.dropped) == 0 {
		answer, err := e.Revision().Place(ctx, p, n)
		return answer.Reject, answer.Unresolvable, err != nil
	}
	for _, entry := range []string{"unresolvable", "reject"} {
		revision, pod := e.at(entry, p, "pod")
		_, node := e.at(entry, n, "node")
		answer, err := revision.Place(ctx, pod, node)
		if err != nil {
			return nil, nil, true
		}
		reject, unresolvable = append(reject, answer.Reject...), append(unresolvable, answer.Unresolvable...)
	}
	return reject, unresolvable, false
}

// score says how well the pod runs on the node.
func (e *engine) score(ctx context.Context, pod, node []byte) (score int64, failed bool) {
	p, podErr := policy.DecodeObject(pod)
	n, nodeErr := policy.DecodeObject(node)
	if podErr != nil || nodeErr != nil {
		return 0, true
	}
	revision, p := e.at("score", p, "pod")
	_, n = e.at("score", n, "node")
	score, err := revision.Score(ctx, p, n)
	return score, err != nil
}

// authenticate says who an identity is.
func (e *engine) authenticate(ctx context.Context, identity policy.Identity, review []byte) (username string, groups []string, denied, failed bool) {
	r, err := policy.DecodeObject(review)
	if err != nil {
		return "", nil, false, true
	}
	answer, err := e.Revision().Authenticate(ctx, r, identity)
	if err != nil || answer.User == nil {
		return "", nil, err == nil, err != nil
	}
	return answer.User.Username, answer.User.Groups, false, false
}
