package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// Inspection is what the decisions of one entry rule depend on, and for how
// long they hold.
type Inspection struct {
	// Rule is the entry rule, such as kubernetes.authorization.allow.
	Rule string
	// Defined says that a policy has the rule; the rest is zero where none has.
	Defined bool
	// Interpreted says why the rule is left to OPA's interpreter; "" when it is
	// compiled.
	Interpreted string
	// Input and Data are the paths that are read, as Rego writes them, sorted.
	Input, Data []string
	// Cached says that a decision holds for as long as what it read stays the
	// same, and no longer than TTL unless that is 0.
	Cached bool
	TTL    time.Duration
	// Timed says that a decision also ends with the next instant at which a
	// data.lib.time.active changes.
	Timed bool
	// Varying are the builtins because of which TTL is not 0, or decisions are
	// not cached.
	Varying []InspectedUse
	// Widenings are the expressions that make a whole document, or a whole
	// input.node or the like, part of what is read.
	Widenings []InspectedWidening
}

// InspectedUse is one use of a builtin that may answer differently for equal
// operands.
type InspectedUse struct {
	Builtin string
	// Location is file:line.
	Location string
	// TTL is what the package allows, 0 where it does not say.
	TTL time.Duration
}

// InspectedWidening is an expression that reads much.
type InspectedWidening struct {
	Path string
	// Location is file:line.
	Location string
}

// Inspect says of every entry rule that the configuration names what its
// decisions depend on.
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
	// Where a rule gives an object field by field, data at its place would be
	// part of it. No revision has such data.
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
