// Package document reads JSON texts that come from outside the service, and
// takes out of them what rules read.
//
// Parse checks a text whole and makes an index of its values: a Document, which can be
// edited and whose values stay text. Decode makes the form that OPA evaluates. A
// Selection is the part of a document that rules read: a Source gives that part as
// a value, or as a key that is equal for equal values. A Walker finds parts of
// a large text without an index.
//
// The package evaluates nothing, and knows no kind of document: what a review, a node
// or a call of the scheduler has to contain is checked by the packages that use it.
package document
