package handlers

import "github.com/verdict-dev/verdict/policy"

// outcome is what a review comes to, before it is put into the wire form.
type outcome[Status any] struct {
	status Status
	// name is that of the outcome in the metrics.
	name string
	// expires is until when the answer may be given again while its generations are
	// the current ones.
	expires policy.Expiry
	// err, where there is no status to answer with, is why.
	err error
}

// decided is an answer that may be kept until expires.
func decided[Status any](status Status, name string, expires policy.Expiry) outcome[Status] {
	return outcome[Status]{status: status, name: name, expires: expires}
}

// uncached is an answer to one request only: it is not kept.
func uncached[Status any](status Status, name string) outcome[Status] {
	return decided(status, name, policy.AtOnce)
}

// undecided is answered 503, which Kubernetes does not cache. Without a name it is
// not counted as a decision.
func undecided[Status any](err error, name string) outcome[Status] {
	return outcome[Status]{name: name, err: err}
}

// The names of outcomes that several kinds of reviews have.
const (
	outcomeError       = "error"
	outcomeUnavailable = "unavailable"
)
