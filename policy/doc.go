// Package policy turns Rego modules and data into decisions.
//
// An Engine holds the current Revision, which is one immutable, compiled set of
// modules and data. It decides the requests of each extension point by that revision.
// The package imports neither net/http nor client-go: handlers call it, sources give
// it modules and data, and cmd/verdict connects them.
package policy
