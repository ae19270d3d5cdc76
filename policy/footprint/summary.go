package footprint

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// summary is what the analysis of a call has to know of the rules at one node: what they
// read of their parameters, and their value. What they read of input and data is counted
// once, when they are reached.
type summary struct {
	params []parameter
	// result is the value of complete rules and of functions; the values of others have
	// been counted whole.
	result value
	busy   bool // the rules are being analysed
	// reentered says that the rules were reached from themselves, which references to
	// data with variables make possible.
	reentered bool
}

type parameter struct {
	reads  Paths
	checks presenceChecks
}

// bound reads the parameter whole where there are more than maxSummary paths.
func (p *parameter) bound() {
	n := len(p.reads.All())
	p.checks.each(func([]string, *ast.Location) { n++ })
	if n > maxSummary {
		p.reads, p.checks = Paths{Whole: true}, presenceChecks{}
	}
}
