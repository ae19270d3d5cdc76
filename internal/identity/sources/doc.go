// Package sources is what every kind of identity source shares: the interface of
// a source, tokens, the errors of a verification, metrics, and what a kind is.
package sources
