// Package inprocess calls verdict's packages, and what they are compared with, in one
// process: HTTP and the network hide nothing there.
package inprocess

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/internal/identity/jwt"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/nodes"
	builtin "github.com/verdict-dev/verdict/rego"
)

// This file alone uses verdict's engine and handlers.

// Revision is a compiled policy.
type Revision struct {
	engine   *policy.Engine // keeps decisions
	uncached *policy.View   // decides again each time
}

// quiet is an observer that does nothing.
type quiet struct{}

// RevisionLoaded implements policy.Observer.
func (quiet) RevisionLoaded(*policy.Revision, time.Duration) {}

// RevisionRefused implements policy.Observer.
func (quiet) RevisionRefused(error) {}

// cacheBytes and cacheEntries are cache.maxBytes and cache.maxEntries of verdict's
// default configuration.
const cacheBytes, cacheEntries = 128 << 20, 200_000

// Compile compiles policy files and data as `verdict serve` does.
func Compile(ctx context.Context, files []generate.File) (Revision, error) {
	return CompileFor(ctx, files, false)
}

// CompileFor is Compile; interpreterOnly is `policy.evaluator: interpreter` of the
// configuration.
func CompileFor(ctx context.Context, files []generate.File, interpreterOnly bool) (Revision, error) {
	engine := policy.NewEngine(policy.Options{
		Library:         builtin.Library(),
		Cache:           policy.CacheOptions{Bytes: cacheBytes, Entries: cacheEntries},
		InterpreterOnly: interpreterOnly,
	}, quiet{})
	if err := engine.Load(ctx, contentOf(files)); err != nil {
		return Revision{}, fmt.Errorf("compiling: %w", err)
	}
	return Revision{engine, engine.Revision().View()}, nil
}

// Load replaces the policies and data, as a changed file does.
func (r Revision) Load(ctx context.Context, files []generate.File) error {
	return r.engine.Load(ctx, contentOf(files))
}

func contentOf(files []generate.File) policy.Content {
	var content policy.Content
	for _, f := range files {
		if f.Data {
			content.Documents = append(content.Documents, policy.Document{Path: f.Path, Content: f.Text})
		} else {
			content.Modules = append(content.Modules, policy.Module{Path: f.Path, Source: f.Text})
		}
	}
	return content
}

// Review is a SubjectAccessReview that was read already.
type Review struct{ decoded document.Value }

// DecodeReview reads a review from the JSON of a document.
func DecodeReview(of any) (Review, error) {
	text, err := json.Marshal(of)
	if err != nil {
		return Review{}, fmt.Errorf("marshalling a review: %w", err)
	}
	parsed, err := document.ParseObject(text)
	if err != nil {
		return Review{}, err
	}
	return Review{parsed.Root()}, nil
}

// Authorize decides without a cache.
func (r Revision) Authorize(ctx context.Context, v Review) (policy.Outcome, error) {
	decision, err := r.uncached.Authorize(ctx, v.decoded)
	return decision.Outcome, err
}

// AuthorizeText decides without a cache, from the bytes of a review.
func (r Revision) AuthorizeText(ctx context.Context, text []byte) (policy.Outcome, error) {
	document, err := document.ParseObject(text)
	if err != nil {
		return "", err
	}
	defer document.Release()
	return r.Authorize(ctx, Review{document.Root()})
}

// Nodes are the cluster's nodes, by name, without a cluster.
type Nodes map[string]*nodes.Node

// NewNodes reads nodes as the node informer does.
func NewNodes(list []corev1.Node) (Nodes, error) {
	known := make(Nodes, len(list))
	for i := range list {
		node := list[i]
		node.APIVersion, node.Kind = "v1", "Node"
		text, err := json.Marshal(node)
		if err != nil {
			return nil, fmt.Errorf("marshalling a node: %w", err)
		}
		if known[node.Name], err = nodes.New(text); err != nil {
			return nil, fmt.Errorf("reading node %s: %w", node.Name, err)
		}
	}
	return known, nil
}

// Find implements scheduling.Nodes.
func (m Nodes) Find(names [][]byte, nodes []*nodes.Node) {
	for i, name := range names {
		nodes[i] = m[string(name)]
	}
}

// Ready implements scheduling.Nodes.
func (Nodes) Ready() error { return nil }

// NewHandler is verdict's webhook handler with the defaults of its configuration.
func NewHandler(r Revision, nodes Nodes) http.Handler {
	options := defaults()
	options.Revisions, options.Nodes = r.engine, nodes
	options.Cache = handlers.CacheOptions{Bytes: cacheBytes, Entries: cacheEntries}
	return handlers.New(options)
}

// NewUncachedHandler is a handler without caches: it verifies and decides each time.
func NewUncachedHandler(r Revision, v *identity.Verifier) http.Handler {
	options := defaults()
	options.Revisions, options.Verifier = uncached{r.uncached}, v
	return handlers.New(options)
}

// NewVerifier verifies the JWTs of an issuer with these keys, without a cache. The keys
// are written to dir.
func NewVerifier(ctx context.Context, dir string, jwks []byte) (*identity.Verifier, error) {
	file := filepath.Join(dir, "jwks.json")
	if err := os.WriteFile(file, jwks, 0o600); err != nil {
		return nil, fmt.Errorf("writing keys: %w", err)
	}
	metrics := sources.NewMetrics(prometheus.NewRegistry())
	source, err := jwt.New("issuer", jwt.Options{
		Issuers: []string{generate.IssuerURL}, Audiences: []string{generate.TokenAudience}, JWKSFile: file, Metrics: metrics,
	})
	if err != nil {
		return nil, err
	}
	if err := source.Load(ctx); err != nil {
		return nil, err
	}
	return identity.NewVerifier(identity.NewChain(metrics, source), identity.VerifierOptions{MaxVerifications: 1024, Timeout: 30 * time.Second}), nil
}

// uncached are revisions that keep no decision.
type uncached struct{ view *policy.View }

// View implements handlers.Revisions.
func (u uncached) View() *policy.View { return u.view }

// defaults are those of a configuration, without a cache.
func defaults() handlers.Options {
	return handlers.Options{
		Metrics:           handlers.NewMetrics(prometheus.NewRegistry()),
		Log:               zap.NewNop(),
		OnError:           handlers.OnErrorDeny,
		OnUnavailable:     handlers.OnUnavailable503,
		ReadTimeout:       30 * time.Second,
		MaxInFlight:       1024,
		ReviewBytes:       1 << 20,
		SchedulingBytes:   1 << 30, // the growth curves go beyond the default
		DecisionTimeout:   30 * time.Second,
		SchedulingTimeout: 5 * time.Minute,
	}
}
