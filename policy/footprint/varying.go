package footprint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// undeclared are builtins that depend on more than their operands although OPA
// does not say so: they read the clock, or fetch what a schema refers to.
var undeclared = map[string]bool{
	"json.match_schema":                                      true,
	"json.verify_schema":                                     true,
	"crypto.x509.parse_and_verify_certificates":              true,
	"crypto.x509.parse_and_verify_certificates_with_options": true,
}

// varies reports whether the builtin called name may answer differently for
// equal operands. Those that this OPA does not know may. Of the functions for tokens,
// only decoding does not: it reads no time and no key.
func varies(name string) bool {
	if undeclared[name] || strings.HasPrefix(name, "io.jwt.") && name != ast.JWTDecode.Name {
		return true
	}
	builtin, known := ast.BuiltinMap[name]
	return !known || builtin.Nondeterministic
}
