package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// fixed is a Source that always answers the same.
type fixed struct {
	subject string
	err     error
	ready   error
	gen     uint64
	other   bool // does not apply
	remote  bool
	calls   atomic.Int32
}

func (s *fixed) Name() string                { return "fixed" }
func (s *fixed) Applies(*sources.Token) bool { return !s.other }
func (s *fixed) Remote() bool                { return s.remote }
func (s *fixed) Verify(context.Context, *sources.Token) (identity.Identity, error) {
	s.calls.Add(1)
	return identity.Identity{Subject: s.subject}, s.err
}
func (s *fixed) Ready() error       { return s.ready }
func (s *fixed) Generation() uint64 { return s.gen }

func TestChainVerify(t *testing.T) {
	faultA, faultB := errors.New("issuer a is away"), errors.New("issuer b is away")
	unknown := fmt.Errorf("%w: expired", identity.ErrUnknownToken)
	tests := map[string]struct {
		sources []*fixed
		subject string
		is      []error // empty: verified
		isNot   error
		calls   []int32
	}{
		"no source":                     {is: []error{identity.ErrUnknownToken}},
		"the first knows":               {sources: []*fixed{{subject: "a"}, {subject: "b"}}, subject: "a", calls: []int32{1, 0}},
		"the second knows":              {sources: []*fixed{{err: unknown}, {subject: "b"}}, subject: "b", calls: []int32{1, 1}},
		"the second knows, fault":       {sources: []*fixed{{err: faultA}, {subject: "b"}}, subject: "b", calls: []int32{1, 1}},
		"none knows":                    {sources: []*fixed{{err: unknown}, {err: identity.ErrUnknownToken}}, is: []error{identity.ErrUnknownToken}, calls: []int32{1, 1}},
		"fault, then unknown":           {sources: []*fixed{{err: faultA}, {err: unknown}}, is: []error{faultA}, isNot: identity.ErrUnknownToken, calls: []int32{1, 1}},
		"unknown, then fault":           {sources: []*fixed{{err: unknown}, {err: faultA}}, is: []error{faultA}, isNot: identity.ErrUnknownToken, calls: []int32{1, 1}},
		"faults of both":                {sources: []*fixed{{err: faultA}, {err: faultB}}, is: []error{faultA, faultB}, isNot: identity.ErrUnknownToken, calls: []int32{1, 1}},
		"a source's identity on errors": {sources: []*fixed{{subject: "a", err: faultA}}, is: []error{faultA}, calls: []int32{1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			verified, _, err := NewChain(sources.NewMetrics(nil), sourcesOf(test.sources)...).Verify(t.Context(), sources.ParseToken("token"))
			if verified.Subject != test.subject {
				t.Errorf("verified %q, want %q", verified.Subject, test.subject)
			}
			if len(test.is) == 0 && err != nil {
				t.Errorf("error %v", err)
			}
			for _, want := range test.is {
				if !errors.Is(err, want) {
					t.Errorf("error %v is not %v", err, want)
				}
			}
			if test.isNot != nil && errors.Is(err, test.isNot) {
				t.Errorf("error %v is %v: a fault must not pass for a definite no", err, test.isNot)
			}
			for i, source := range test.sources {
				if got := source.calls.Load(); got != test.calls[i] {
					t.Errorf("source %d was asked %d times, want %d", i, got, test.calls[i])
				}
			}
		})
	}
}

func TestChainStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	source := &fixed{err: identity.ErrUnknownToken}
	_, _, err := NewChain(sources.NewMetrics(nil), source).Verify(ctx, sources.ParseToken("token"))
	if !errors.Is(err, context.Canceled) || errors.Is(err, identity.ErrUnknownToken) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if source.calls.Load() > 0 {
		t.Error("a source was asked after the end of the context")
	}
}

func TestChainReady(t *testing.T) {
	if err := NewChain(sources.NewMetrics(nil), &fixed{}, &fixed{}).Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	err := NewChain(sources.NewMetrics(nil), &fixed{ready: errors.New("first")}, &fixed{}, &fixed{ready: errors.New("third")}).Ready()
	if err == nil || !strings.Contains(err.Error(), "first") || !strings.Contains(err.Error(), "third") {
		t.Errorf("got %v, want what both lack", err)
	}
}

func TestChainGeneration(t *testing.T) {
	a, b := &fixed{gen: 1}, &fixed{gen: 5}
	chain := NewChain(sources.NewMetrics(nil), a, b)
	before := chain.Generation()
	b.gen++
	if after := chain.Generation(); after <= before {
		t.Errorf("the generation went from %d to %d when a source's grew", before, after)
	}
}

func sourcesOf(list []*fixed) []sources.Source {
	var out []sources.Source
	for _, source := range list {
		out = append(out, source)
	}
	return out
}
