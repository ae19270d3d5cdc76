// Package identity verifies tokens: a Chain asks the sources in turn, and a
// Verifier keeps what they said.
//
// Beside it are sources, what every kind of source shares; remote, what those
// share that ask another host; a package for each kind; and kinds, the table of
// them. No error of these packages quotes a token or the value of a hash.
package identity
