// Package identitytest helps to test sources of identities.
package identitytest
