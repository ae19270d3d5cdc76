// Package identity holds what a verified token proves, what is revoked, and the
// errors of verifying. Sources of identities and the engine share it: it imports
// nothing of either, and nothing of OPA.
package identity
