package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/verdict-dev/verdict/policy"
)

// subjectAccessReviewAnswer is the wire form of authorization.k8s.io
// SubjectAccessReview, whose status is the same in v1 and v1beta1.
type subjectAccessReviewAnswer struct {
	APIVersion string                                    `json:"apiVersion"`
	Kind       string                                    `json:"kind"`
	Status     authorizationv1.SubjectAccessReviewStatus `json:"status"`
}

// subjectAccessReview answers POST /authorize.
func (h *handler) subjectAccessReview(w http.ResponseWriter, r *http.Request) {
	revision := h.Revisions.Revision()
	if revision != nil {
		if kept, ok := h.accessReviews.get(revision.ID(), bodyOf(r)); ok {
			h.Metrics.decisions.WithLabelValues(string(Authorization), "review", kept.outcome).Inc()
			writeJSON(w, http.StatusOK, kept.body)
			return
		}
	}
	review, apiVersion, ok := readReview(w, r, authorizationv1.GroupName, "SubjectAccessReview")
	if !ok {
		return
	}
	input, err := canonicalAccessReview(review, apiVersion)
	if err != nil {
		writeStatus(w, http.StatusBadRequest, err.Error())
		return
	}
	if revision == nil {
		writeStatus(w, http.StatusServiceUnavailable, policy.ErrNoRevision.Error())
		return
	}
	status, outcome, err := h.authorize(r.Context(), revision, input)
	h.Metrics.decisions.WithLabelValues(string(Authorization), "review", outcome).Inc()
	if err != nil {
		writeStatus(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	body, err := json.Marshal(subjectAccessReviewAnswer{APIVersion: apiVersion, Kind: "SubjectAccessReview", Status: status})
	if err != nil {
		writeStatus(w, http.StatusServiceUnavailable, "encoding the answer: "+err.Error())
		return
	}
	if outcome != outcomeError && outcome != outcomeUnavailable && revision.AuthorizationIsFixed() {
		h.accessReviews.keep(bodyOf(r), keptAnswer{revision: revision.ID(), body: body, outcome: outcome})
	}
	writeJSON(w, http.StatusOK, body)
}

// What the metrics call an authorization that gave no decision.
const (
	outcomeError       = "error"
	outcomeUnavailable = "unavailable"
)

// authorize returns the status to answer with and its name in the metrics; an
// error means that there is no decision to answer with.
func (h *handler) authorize(ctx context.Context, revision *policy.Revision, input policy.Object) (authorizationv1.SubjectAccessReviewStatus, string, error) {
	decision, err := revision.Authorize(ctx, input)
	switch {
	case errors.Is(err, policy.ErrTimeout):
		h.failed(Authorization, "review", err)
		if h.OnUnavailable == OnUnavailableDeny {
			message := "no time left to decide"
			return authorizationv1.SubjectAccessReviewStatus{Denied: true, Reason: message, EvaluationError: message}, outcomeUnavailable, nil
		}
		return authorizationv1.SubjectAccessReviewStatus{}, outcomeUnavailable, errors.New("no time left to decide")
	case err != nil:
		h.failed(Authorization, "review", err)
		status := authorizationv1.SubjectAccessReviewStatus{EvaluationError: err.Error()}
		if h.OnError != OnErrorNoOpinion {
			// apiserver ignores evaluationError, so the cause is in the reason too.
			status.Denied, status.Reason = true, "policy error: "+err.Error()
		}
		return status, outcomeError, nil
	}
	return authorizationv1.SubjectAccessReviewStatus{
		Allowed: decision.Outcome == policy.Allow,
		Denied:  decision.Outcome == policy.Deny,
		Reason:  strings.Join(decision.Reasons, "; "),
	}, string(decision.Outcome), nil
}

// canonicalAccessReview checks the review and brings it into its v1 form:
// v1beta1 calls the groups `group`. What the caller sent as status says
// nothing, and rawSelector is meant for the one who made the review, not for a
// decision, so neither reaches a policy.
func canonicalAccessReview(review policy.Object, apiVersion string) (policy.Object, error) {
	spec, err := specOf(review)
	if err != nil {
		return policy.Object{}, err
	}
	if apiVersion == authorizationv1.GroupName+"/v1beta1" {
		// v1 readers would look at groups, v1beta1 ones at group.
		spec = spec.Without("groups").Renamed("group", "groups")
	}
	if spec, err = checkAccessSpec(spec); err != nil {
		return policy.Object{}, fmt.Errorf("spec.%w", err)
	}
	return review.Without("status").
		With("apiVersion", policy.StringField(authorizationv1.GroupName+"/v1")).
		With("spec", policy.ObjectField(spec)), nil
}

func checkAccessSpec(spec policy.Object) (policy.Object, error) {
	user, err := spec.String("user")
	if err != nil {
		return spec, err
	}
	if _, err := spec.String("uid"); err != nil {
		return spec, err
	}
	groups, err := spec.Strings("groups")
	if err != nil {
		return spec, err
	}
	if user == "" && len(groups) == 0 {
		return spec, errors.New("user: a review needs a user or groups")
	}
	if err := spec.StringLists("extra"); err != nil {
		return spec, err
	}
	resource, err := spec.Object("resourceAttributes")
	if err != nil {
		return spec, err
	}
	other, err := spec.Object("nonResourceAttributes")
	if err != nil {
		return spec, err
	}
	switch {
	case resource.IsZero() == other.IsZero():
		return spec, errors.New("resourceAttributes: a review has either these or nonResourceAttributes")
	case resource.IsZero():
		return spec, checkStrings(other, "nonResourceAttributes", "path", "verb")
	}
	if err := checkStrings(resource, "resourceAttributes", "namespace", "verb", "group", "version", "resource", "subresource", "name"); err != nil {
		return spec, err
	}
	for _, name := range []string{"fieldSelector", "labelSelector"} {
		if resource, err = checkSelector(resource, name); err != nil {
			return spec, fmt.Errorf("resourceAttributes.%w", err)
		}
	}
	return spec.With("resourceAttributes", policy.ObjectField(resource)), nil
}

func checkStrings(object policy.Object, path string, fields ...string) error {
	for _, field := range fields {
		if _, err := object.String(field); err != nil {
			return fmt.Errorf("%s.%w", path, err)
		}
	}
	return nil
}

// checkSelector checks a FieldSelectorAttributes or LabelSelectorAttributes
// and drops its rawSelector.
func checkSelector(resource policy.Object, name string) (policy.Object, error) {
	selector, err := resource.Object(name)
	if err != nil || selector.IsZero() {
		return resource, err
	}
	requirements, err := selector.Objects("requirements")
	if err != nil {
		return resource, fmt.Errorf("%s.%w", name, err)
	}
	for i, requirement := range requirements {
		path := fmt.Sprintf("%s.requirements[%d]", name, i)
		if err := checkStrings(requirement, path, "key", "operator"); err != nil {
			return resource, err
		}
		if _, err := requirement.Strings("values"); err != nil {
			return resource, fmt.Errorf("%s.%w", path, err)
		}
	}
	return resource.With(name, policy.ObjectField(selector.Without("rawSelector"))), nil
}
