// Package policy turns Rego modules and data into decisions.
//
// An Engine holds the current Revision, one immutable compiled set of modules
// and data, and answers each extension point's questions from it. The package
// knows nothing of HTTP and nothing of client-go: handlers call it, sources
// deliver to it, and cmd/verdict wires them.
package policy
