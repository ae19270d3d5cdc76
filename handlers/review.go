package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/verdict-dev/verdict/policy"
)

// readReview decodes the body and checks that it is a review of the kind, in
// one of the versions "v1" and "v1beta1" of group. ok is false when the answer
// has been written.
func readReview(w http.ResponseWriter, r *http.Request, group, kind string) (review policy.Object, apiVersion string, ok bool) {
	review, err := policy.DecodeObject(bodyOf(r))
	if err == nil {
		apiVersion, err = checkKind(review, group, kind)
	}
	if err != nil {
		writeStatus(w, http.StatusBadRequest, err.Error())
		return policy.Object{}, "", false
	}
	return review, apiVersion, true
}

func checkKind(review policy.Object, group, kind string) (string, error) {
	gotKind, err := review.String("kind")
	if err != nil {
		return "", err
	}
	if gotKind != kind {
		return "", fmt.Errorf("kind: must be %s, not %s", kind, printable(gotKind))
	}
	apiVersion, err := review.String("apiVersion")
	if err != nil {
		return "", err
	}
	known := []string{group + "/v1", group + "/v1beta1"}
	if !slices.Contains(known, apiVersion) {
		return "", fmt.Errorf("apiVersion: must be %s, not %s", strings.Join(known, " or "), printable(apiVersion))
	}
	return apiVersion, nil
}

// specOf returns the review's spec, which has to be there.
func specOf(review policy.Object) (policy.Object, error) {
	spec, err := review.Object("spec")
	if err != nil {
		return policy.Object{}, err
	}
	if spec.IsZero() {
		return policy.Object{}, fmt.Errorf("spec: is missing")
	}
	return spec, nil
}
