// Package importer writes Verdict's configuration and policies from those of other
// programs.
//
// An AuthenticationConfiguration of kube-apiserver becomes a source of identities
// for each issuer and, in Rego, what kube-apiserver makes of the claims, its
// implicit checks included. Nothing is done in half: what has no counterpart is an
// error with its place.
package importer
