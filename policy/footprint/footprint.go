// Package footprint works out, from the compiled modules of a revision, what
// the rules behind an entry rule can read.
package footprint

import (
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Footprint is what the rules behind one entry rule can read and reach. It is
// never too small; where the analysis cannot tell, it is larger.
type Footprint struct {
	// Input are the paths of `input`.
	Input Paths
	// Data are the paths of base documents under `data`; rules are not among
	// them, what they read is.
	Data Paths
	// Rules are the reachable rules as the compiler rewrote them, without
	// else branches, which hang on their rule; sorted by location.
	Rules []*ast.Rule
	// Varying are the builtins that may answer differently for equal operands,
	// one for each place that uses them; sorted by location.
	Varying []Use
	// Timed says that data.lib.time.active is reached. What it reads of the
	// clock is not among Varying.
	Timed bool
	// Widenings say which expressions make a whole document, or a whole
	// `input.pod` or the like, part of the footprint; sorted by location.
	Widenings []Widening
	// Empty are the packages without rules that the rules may read; sorted. OPA
	// takes each for an empty object under data.
	Empty []string

	entry ast.Ref
}

// Use is one use of a non-deterministic builtin.
type Use struct {
	Builtin  string
	Location *ast.Location
	// TTL is how long the package of the rule lets decisions be kept
	// (custom.cache.ttl in its metadata); 0 when it does not say.
	TTL time.Duration
}

// Widening is an expression that reads much.
type Widening struct {
	// Path is what it reads whole, such as input.node.
	Path     string
	Location *ast.Location
}

// Lifetime is how long a decision may be kept while what it read stays the
// same. cached is false when it may not be kept at all; a ttl of 0 is no limit. For a
// Timed footprint, the instants of data.lib.time.active limit it as well.
func (f *Footprint) Lifetime() (ttl time.Duration, cached bool) {
	for _, use := range f.Varying {
		if use.TTL <= 0 {
			return 0, false
		}
		if ttl == 0 || use.TTL < ttl {
			ttl = use.TTL
		}
	}
	return ttl, true
}
