// Package introspection verifies tokens by asking an authorization server (RFC
// 7662).
package introspection
