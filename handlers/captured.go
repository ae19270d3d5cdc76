package handlers

import (
	"errors"
	"fmt"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// CapturedAccessReview brings a SubjectAccessReview that somebody kept into the
// form in which policies see it, as a request would be.
func CapturedAccessReview(review document.Value) error {
	r, err := accessReviewVersions.captured(review)
	if err != nil {
		return err
	}
	return canonicalAccessReview(r)
}

// CapturedTokenReview does the same with a TokenReview, out of which it takes the
// token; "" where that was taken out before. audiences are those that the review
// asks for.
func CapturedTokenReview(review document.Value) (token string, audiences []string, err error) {
	r, err := tokenReviewVersions.captured(review)
	if err != nil {
		return "", nil, err
	}
	if r.spec.Absent() {
		r.root.Hide("status")
		return "", nil, nil
	}
	token, audiences, err = splitTokenReview(r)
	if errors.Is(err, errNoToken) {
		if audiences, err = r.spec.Strings("audiences"); err != nil {
			return "", nil, fmt.Errorf("spec.%w", err)
		}
		r.spec.Hide("token")
		r.root.Hide("status")
	}
	return token, audiences, err
}

// captured is check for a TokenReview that may lack its spec, or another review.
func (v *versions) captured(root document.Value) (review, error) {
	r := review{root: root}
	err := v.checkKind(&r)
	if err == nil {
		err = v.checkVersion(&r)
	}
	if err != nil {
		return r, err
	}
	if r.spec, err = root.Object("spec"); err != nil {
		return r, err
	}
	if r.spec.Absent() && v.kind != tokenReviewVersions.kind {
		return r, errors.New("spec: is missing")
	}
	return r, nil
}

// AcceptsAudiences reports whether the audiences of an identity are among those
// asked for, or among those assumed where none is asked for.
func AcceptsAudiences(verified identity.Identity, asked, assumed []string) bool {
	_, ok := negotiate(verified, asked, assumed)
	return ok
}
