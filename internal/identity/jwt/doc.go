// Package jwt verifies signed JSON Web Tokens (RFC 7519).
package jwt
