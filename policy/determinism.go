package policy

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// undeclared are builtins that depend on more than their operands although OPA
// does not say so: they read the clock, or fetch what a schema refers to.
var undeclared = map[string]bool{
	"json.match_schema":                                      true,
	"json.verify_schema":                                     true,
	"crypto.x509.parse_and_verify_certificates":              true,
	"crypto.x509.parse_and_verify_certificates_with_options": true,
}

// deterministic reports whether the rules at and below ref give the same value
// for the same input for as long as the revision lives. Where it can't tell
// the answer is no.
func deterministic(compiler *ast.Compiler, ref ast.Ref) bool {
	seen := map[util.T]bool{}
	var visit func(rule util.T) bool
	visit = func(rule util.T) bool {
		if seen[rule] {
			return true
		}
		seen[rule] = true
		fixed := true
		ast.WalkRefs(rule, func(r ast.Ref) bool {
			fixed = fixed && !varies(r)
			return false
		})
		if !fixed {
			return false
		}
		for next := range compiler.Graph.Dependencies(rule) {
			if !visit(next) {
				return false
			}
		}
		return true
	}
	for _, rule := range compiler.GetRulesWithPrefix(ref) {
		if !visit(rule) {
			return false
		}
	}
	return true
}

// varies reports whether r names a builtin whose result may differ between calls.
func varies(r ast.Ref) bool {
	if len(r) == 0 || !r.IsGround() {
		return false
	}
	name := r.String()
	if undeclared[name] || strings.HasPrefix(name, "io.jwt.") {
		return true
	}
	builtin, known := ast.BuiltinMap[name]
	return known && builtin.Nondeterministic
}
