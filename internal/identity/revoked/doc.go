// Package revoked keeps what is revoked as a file says.
package revoked
