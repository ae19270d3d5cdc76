// Package tools pins the linters: this module golangci-lint, and the module in
// opa the opa command, since the two need versions of one library that exclude
// each other. make builds them into bin/ and runs the tests here, which hold
// what the linters are set up to hold.
package tools
