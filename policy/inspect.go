package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// Inspection says what the decisions of one entry rule depend on, and for how long
// they are valid.
type Inspection struct {
	// Rule is the entry rule, such as kubernetes.authorization.allow.
	Rule string
	// Defined says that a policy has the rule. The other fields are zero when no
	// policy has it.
	Defined bool
	// Interpreted is the reason for which OPA's interpreter evaluates the rule; ""
	// when the rule is compiled.
	Interpreted string
	// Input and Data are the paths that the rule reads, in the syntax of Rego, sorted.
	Input, Data []string
	// Cached says that a decision is valid until a value changes that the rule read.
	// When TTL is not 0, it is valid no longer than TTL.
	Cached bool
	TTL    time.Duration
	// Timed says that a decision also ends at the next time at which the result of
	// a call of data.lib.time.active changes.
	Timed bool
	// Varying are the uses of builtins because of which TTL is not 0 or decisions
	// are not cached.
	Varying []InspectedUse
	// Widenings are the expressions because of which the rule reads a whole document,
	// or a whole large object such as input.node.
	Widenings []InspectedWidening
}

// InspectedUse is one use of a builtin that may give different results for equal
// operands.
type InspectedUse struct {
	Builtin string
	// Location is file:line.
	Location string
	// TTL is the custom.cache.ttl of the package, 0 when it has none.
	TTL time.Duration
}

// InspectedWidening is an expression that reads a large part of a document.
type InspectedWidening struct {
	Path string
	// Location is file:line.
	Location string
}

// Inspect returns an Inspection of every entry rule that the configuration names.
func (r *Revision) Inspect() []Inspection {
	var out []Inspection
	for _, rule := range r.rules {
		if rule.path == "" {
			continue
		}
		inspection := Inspection{Rule: rule.path, Defined: rule.evaluator != nil}
		if inspection.Defined {
			inspection.Interpreted = rule.interpreted
			inspection.fill(rule.footprint)
		}
		out = append(out, inspection)
	}
	return out
}

func (i *Inspection) fill(f *footprint.Footprint) {
	i.Input = formatted("input", f.Input.All())
	// When several rules fill an object, OPA adds data at the same path to it. No
	// revision has data at the path of an entry rule, so that path is left out.
	i.Data = formatted("data", f.Data.Without(strings.Split(i.Rule, ".")).All())
	i.TTL, i.Cached = f.Lifetime()
	i.Timed = f.Timed
	for _, use := range f.Varying {
		i.Varying = append(i.Varying, InspectedUse{use.Builtin, fileAndLine(use.Location), use.TTL})
	}
	for _, widening := range f.Widenings {
		i.Widenings = append(i.Widenings, InspectedWidening{widening.Path, fileAndLine(widening.Location)})
	}
}

func formatted(root string, paths [][]string) []string {
	var out []string
	for _, path := range paths {
		out = append(out, footprint.Format(root, path))
	}
	return out
}

func fileAndLine(l *ast.Location) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", l.File, l.Row)
}
