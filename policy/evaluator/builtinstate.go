package evaluator

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	topdownbuiltins "github.com/open-policy-agent/opa/v1/topdown/builtins"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// builtinState is what the builtins of one evaluation share.
type builtinState struct {
	values   cache.InterQueryValueCache
	ready    bool
	context  topdown.BuiltinContext
	stop     func() bool
	operands []*ast.Term
	text     []byte
	texts    texts

	// collect receives the outputs of the builtin that runs.
	collect  func(*ast.Term) error
	output   *ast.Term
	outputs  []*ast.Term
	relation bool
	twice    bool
}

func (b *builtinState) receive(t *ast.Term) error {
	switch {
	case b.relation:
		b.outputs = append(b.outputs, t)
	case b.output != nil:
		b.twice = true
	default:
		b.output = t
	}
	return nil
}

// prepare fills in what the whole evaluation has in common, once a builtin asks
// for it: one time, one cache, and a flag that ends with the context.
func (b *builtinState) prepare(ctx context.Context, now time.Time, capabilities *ast.Capabilities) {
	cancel := topdown.NewCancel()
	b.stop = context.AfterFunc(ctx, cancel.Cancel)
	b.context = topdown.BuiltinContext{
		Context:                     ctx,
		Metrics:                     metrics.NoOp(),
		Seed:                        rand.Reader,
		Time:                        ast.NewTerm(ast.Number(json.Number(strconv.FormatInt(now.UnixNano(), 10)))),
		Cancel:                      cancel,
		Cache:                       topdownbuiltins.Cache{},
		InterQueryBuiltinValueCache: b.values,
		Capabilities:                capabilities,
		RequestMetadata:             map[string]any{},
	}
	b.ready = true
}

func (b *builtinState) clear() {
	if b.stop != nil {
		b.stop()
	}
	clear(b.operands[:cap(b.operands)])
	clear(b.text[:cap(b.text)])
	*b = builtinState{operands: b.operands[:0], text: b.text[:0], collect: b.collect}
}
