package handlers

import (
	"errors"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// CapturedReview brings a review of the point that was kept somewhere into the form
// in which policies see it, as a request would be.
func CapturedReview(point policy.Point, root document.Value) error {
	r := review{kind: kindOf(point), root: root}
	if err := r.check(); err != nil {
		return err
	}
	return r.kind.read(r)
}

// CapturedTokenReview does the same with a TokenReview, out of which it takes the
// token; "" where that was taken out before. audiences are those that the review
// asks for.
func CapturedTokenReview(root document.Value) (token string, audiences []string, err error) {
	r := review{kind: kindOf(policy.AuthenticationPoint), root: root}
	if err := r.checkHeader(); err != nil {
		return "", nil, err
	}
	if r.payload.Absent() {
		r.root.Hide("status")
		return "", nil, nil
	}
	q, err := readTokenReview(r)
	if errors.Is(err, errNoToken) {
		q.audiences, err = hideToken(r)
	}
	return q.token, q.audiences, err
}

// ReviewKind is the apiVersion, as policies see it, and the kind of the reviews of
// a point; "" where the point is not asked by reviews.
func ReviewKind(point policy.Point) (apiVersion, kind string) {
	k := kindOf(point)
	if k == nil {
		return "", ""
	}
	return k.known[0], k.kind
}

// kindOf is the kind of the reviews of a point, nil where it is not asked by reviews.
func kindOf(point policy.Point) *reviewKind {
	for i := range reviewKinds {
		if reviewKinds[i].point == point {
			return &reviewKinds[i]
		}
	}
	return nil
}

// AcceptsAudiences reports whether the audiences of an identity are among those
// asked for, or among those assumed where none is asked for.
func AcceptsAudiences(verified identity.Identity, asked, assumed []string) bool {
	_, ok := negotiate(verified, asked, assumed)
	return ok
}
