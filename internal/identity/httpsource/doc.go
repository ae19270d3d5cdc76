// Package httpsource verifies tokens by asking an HTTP service for what belongs to
// them. Each service that is known has a file of its own, and a row in presets.
package httpsource
