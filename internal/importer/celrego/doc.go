// Package celrego translates the CEL expressions of kube-apiserver's
// AuthenticationConfiguration into Rego.
//
// An expression becomes rules that are undefined where CEL's evaluation ends in
// an error. Everything else follows from that: a mapping whose rule is undefined
// gives no user, and a validation passes only when its rule is defined. As errors
// only ever spread, or are absorbed by &&, ||, all and exists, a part that is
// undefined too often can refuse more tokens, but never let in more.
//
// What has no counterpart in Rego is refused, with its place in the expression.
package celrego
