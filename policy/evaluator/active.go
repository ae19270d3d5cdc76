package evaluator

import (
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// activeRef is the function that says whether an instant lies in a period. It is
// plain Rego, which any OPA runs. The engine knows what the function computes, and
// so can keep a decision until the function's result changes.
var activeRef = ast.MustParseRef("data.lib.time.active")

// isActive reports whether ref is the function data.lib.time.active.
func isActive(ref ast.Ref) bool { return ref.Equal(activeRef) }

// watchedCache is OPA's own cache of the rules and functions of one evaluation. It
// records the arguments of data.lib.time.active: every call looks here first.
type watchedCache struct {
	topdown.VirtualCache
	now, until time.Time
}

// Get implements topdown.VirtualCache.
func (c *watchedCache) Get(ref ast.Ref) (*ast.Term, bool) {
	if len(ref) == 3 {
		if function, ok := ref[0].Value.(ast.Ref); ok && isActive(function) {
			for _, argument := range ref[1:] {
				c.until = earlier(c.until, change(argument.Value, c.now))
			}
		}
	}
	return c.VirtualCache.Get(ref)
}

// change is the instant that value names if it lies ahead, else zero. A value that
// names no instant is an error in Rego, or leaves a side of the period open.
func change(value ast.Value, now time.Time) time.Time {
	text, ok := value.(ast.String)
	if !ok {
		return time.Time{}
	}
	instant, err := time.Parse(time.RFC3339, string(text))
	if err != nil || !instant.After(now) {
		return time.Time{}
	}
	return instant
}

// earlier returns the earlier of two instants, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
