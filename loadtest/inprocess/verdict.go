// Package inprocess measures verdict's packages beside their rivals in one
// process, where HTTP and the network hide nothing.
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
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/policy"
	builtin "github.com/verdict-dev/verdict/rego"
)

// This file alone knows verdict's Go API.

// revision is a compiled policy.
type revision struct {
	engine *policy.Engine // it keeps what it decided
	alone  *policy.View   // it decides anew each time
}

// quiet is an observer that is not interested.
type quiet struct{}

// RevisionLoaded implements policy.Observer.
func (quiet) RevisionLoaded(*policy.Revision, time.Duration) {}

// RevisionRefused implements policy.Observer.
func (quiet) RevisionRefused(error) {}

// cacheBytes and cacheEntries are cache.maxBytes and cache.maxEntries of verdict's
// default configuration.
const cacheBytes, cacheEntries = 128 << 20, 200_000

// compile compiles policy files and data as `verdict serve` does.
func compile(ctx context.Context, files []generate.File) (revision, error) {
	return compileFor(ctx, files, false)
}

// compileFor is compile; with interpreterOnly it is with policy.evaluator:
// interpreter.
func compileFor(ctx context.Context, files []generate.File, interpreterOnly bool) (revision, error) {
	engine := policy.NewEngine(policy.Options{
		Library:         builtin.Library(),
		Cache:           policy.CacheOptions{Bytes: cacheBytes, Entries: cacheEntries},
		InterpreterOnly: interpreterOnly,
	}, quiet{})
	if err := engine.Load(ctx, contentOf(files)); err != nil {
		return revision{}, fmt.Errorf("compiling: %w", err)
	}
	return revision{engine, engine.Revision().View()}, nil
}

// load replaces what an engine decides by, as a changed file does.
func (r revision) load(ctx context.Context, files []generate.File) error {
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

// review is a SubjectAccessReview that was read already.
type review struct{ decoded policy.Value }

func decodeReview(document any) (review, error) {
	text, err := json.Marshal(document)
	if err != nil {
		return review{}, fmt.Errorf("marshalling a review: %w", err)
	}
	parsed, err := policy.ParseObject(text)
	if err != nil {
		return review{}, err
	}
	return review{parsed.Root()}, nil
}

// authorize decides anew: no cache stands before it.
func (r revision) authorize(ctx context.Context, v review) (policy.Outcome, error) {
	decision, err := r.alone.Authorize(ctx, v.decoded)
	return decision.Outcome, err
}

// authorizeText decides anew, from the bytes of a review.
func (r revision) authorizeText(ctx context.Context, text []byte) (policy.Outcome, error) {
	document, err := policy.ParseObject(text)
	if err != nil {
		return "", err
	}
	defer document.Release()
	return r.authorize(ctx, review{document.Root()})
}

// memoryNodes are the cluster's nodes without a cluster.
type memoryNodes map[string]*policy.Node

// newMemoryNodes reads nodes as the node informer does.
func newMemoryNodes(nodes []corev1.Node) (memoryNodes, error) {
	known := make(memoryNodes, len(nodes))
	for i := range nodes {
		node := nodes[i]
		node.APIVersion, node.Kind = "v1", "Node"
		text, err := json.Marshal(node)
		if err != nil {
			return nil, fmt.Errorf("marshalling a node: %w", err)
		}
		if known[node.Name], err = policy.NewNode(text); err != nil {
			return nil, fmt.Errorf("reading node %s: %w", node.Name, err)
		}
	}
	return known, nil
}

// Find implements scheduling.Nodes.
func (m memoryNodes) Find(names [][]byte, nodes []*policy.Node) {
	for i, name := range names {
		nodes[i] = m[string(name)]
	}
}

// Ready implements scheduling.Nodes.
func (memoryNodes) Ready() error { return nil }

// newHandler is verdict's webhook handler with the defaults of its configuration.
func newHandler(r revision, nodes memoryNodes) http.Handler {
	options := defaults()
	options.Revisions, options.Nodes = r.engine, nodes
	options.Cache = handlers.CacheOptions{Bytes: cacheBytes, Entries: cacheEntries}
	return handlers.New(options)
}

// newForgetfulHandler is one that keeps nothing: it verifies and decides anew
// each time.
func newForgetfulHandler(r revision, v *identity.Verifier) http.Handler {
	options := defaults()
	options.Revisions, options.Verifier = anew{r.alone}, v
	return handlers.New(options)
}

// newVerifier verifies the JWTs of an issuer with these keys, and keeps nothing.
func newVerifier(ctx context.Context, dir string, jwks []byte) (*identity.Verifier, error) {
	file := filepath.Join(dir, "jwks.json")
	if err := os.WriteFile(file, jwks, 0o600); err != nil {
		return nil, fmt.Errorf("writing keys: %w", err)
	}
	metrics := identity.NewMetrics(prometheus.NewRegistry())
	source, err := identity.NewJWT("issuer", identity.JWTOptions{
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

// anew are revisions that keep no decision.
type anew struct{ view *policy.View }

// View implements handlers.Revisions.
func (a anew) View() *policy.View { return a.view }

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
