// Package identity verifies tokens: one file for each kind of source, and a
// Chain that asks several in turn.
//
// No error of this package quotes a token or the value of a hash.
package identity
