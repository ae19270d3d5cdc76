// Package tokenfile verifies tokens by a file of users.
package tokenfile
