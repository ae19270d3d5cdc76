package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
)

var accessReviewVersions = versionsOf(authorizationv1.GroupName, "SubjectAccessReview")

// subjectAccessReview answers POST /authorize.
func (h *handler) subjectAccessReview(c *call) {
	view := h.Revisions.View()
	var generation *policy.Generation
	if view != nil {
		generation = view.Generation(policy.AuthorizationPoint)
		if kept, ok := h.accessReviews.get(generation, c.body, c.began); ok {
			h.accessDecisions.of(kept.outcome).Inc()
			writeJSON(c, http.StatusOK, kept.body)
			return
		}
	}
	review, err := accessReviewVersions.parse(c)
	if err != nil {
		c.refuse(err)
		return
	}
	defer review.json.Release()
	if err := canonicalAccessReview(review); err != nil {
		writeStatus(c, http.StatusBadRequest, err.Error())
		return
	}
	if view == nil {
		writeStatus(c, http.StatusServiceUnavailable, policy.ErrNoRevision.Error())
		return
	}
	ctx := c.context()
	status, outcome, expires, err := h.authorize(ctx, view, review.root)
	h.accessDecisions.of(outcome).Inc()
	if err != nil {
		writeStatus(c, http.StatusServiceUnavailable, err.Error())
		return
	}
	body := appendAccessReview(make([]byte, 0, 256), review.apiVersion, &status)
	h.accessReviews.keep(c.body, keptAnswer{generation: generation, expires: expires, body: body, outcome: outcome})
	writeJSON(c, http.StatusOK, body)
}

// appendAccessReview appends the wire form of authorization.k8s.io
// SubjectAccessReview, whose status is the same in v1 and v1beta1.
func appendAccessReview(b []byte, apiVersion string, status *authorizationv1.SubjectAccessReviewStatus) []byte {
	b = append(b, `{"apiVersion":"`...)
	b = append(b, apiVersion...)
	b = append(b, `","kind":"SubjectAccessReview","status":{"allowed":`...)
	if status.Allowed {
		b = append(b, "true"...)
	} else {
		b = append(b, "false"...)
	}
	if status.Denied {
		b = append(b, `,"denied":true`...)
	}
	b = appendText(b, `,"reason":`, status.Reason)
	b = appendText(b, `,"evaluationError":`, status.EvaluationError)
	return append(b, "}}"...)
}

// appendText appends a member whose value is a string, unless that is empty.
func appendText(b []byte, member, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(append(b, member...), value)
}

// appendQuoted appends a JSON string. Invalid UTF-8 comes out as U+FFFD.
func appendQuoted(b []byte, value string) []byte {
	b, _ = jsontext.AppendQuote(b, value)
	return b
}

// What the metrics call an authorization that gave no decision.
const (
	outcomeError       = "error"
	outcomeUnavailable = "unavailable"
)

// authorize returns the status to answer with, its name in the metrics, and
// until when the answer may be given again; an error means that there is no
// decision to answer with.
func (h *handler) authorize(ctx context.Context, view *policy.View, review document.Value) (authorizationv1.SubjectAccessReviewStatus, string, policy.Expiry, error) {
	decision, err := view.Authorize(ctx, review)
	switch {
	case errors.Is(err, policy.ErrTimeout):
		h.failed(policy.AuthorizationPoint, "review", err)
		if h.OnUnavailable == OnUnavailableDeny {
			message := "no time left to decide"
			return authorizationv1.SubjectAccessReviewStatus{Denied: true, Reason: message, EvaluationError: message}, outcomeUnavailable, policy.AtOnce, nil
		}
		return authorizationv1.SubjectAccessReviewStatus{}, outcomeUnavailable, policy.AtOnce, errors.New("no time left to decide")
	case err != nil:
		h.failed(policy.AuthorizationPoint, "review", err)
		status := authorizationv1.SubjectAccessReviewStatus{EvaluationError: err.Error()}
		if h.OnError != OnErrorNoOpinion {
			// apiserver ignores evaluationError, so the cause is in the reason too.
			status.Denied, status.Reason = true, "policy error: "+err.Error()
		}
		return status, outcomeError, policy.AtOnce, nil
	}
	return authorizationv1.SubjectAccessReviewStatus{
		Allowed: decision.Outcome == policy.Allow,
		Denied:  decision.Outcome == policy.Deny,
		Reason:  strings.Join(decision.Reasons, "; "),
	}, string(decision.Outcome), decision.Expires, nil
}

// canonicalAccessReview checks the review and brings it into its v1 form:
// v1beta1 calls the groups `group`. What the caller sent as status says
// nothing, and rawSelector is meant for the one who made the review, not for a
// decision, so neither reaches a policy.
func canonicalAccessReview(r review) error {
	if r.apiVersion == accessReviewVersions.known[1] {
		// v1 readers would look at groups, v1beta1 ones at group.
		r.spec.Hide("groups")
		r.spec.Rename("group", "groups")
	}
	if err := checkAccessSpec(r.spec); err != nil {
		return fmt.Errorf("spec.%w", err)
	}
	r.root.Hide("status")
	r.root.Replace("apiVersion", accessReviewVersions.known[0])
	return nil
}

func checkAccessSpec(spec document.Value) error {
	// A review may be about nobody, whom no rule should let do anything.
	if err := spec.CheckString("user"); err != nil {
		return err
	}
	if err := spec.CheckString("uid"); err != nil {
		return err
	}
	if _, err := spec.CheckStrings("groups"); err != nil {
		return err
	}
	if err := spec.CheckStringLists("extra"); err != nil {
		return err
	}
	resource, err := spec.Object("resourceAttributes")
	if err != nil {
		return err
	}
	other, err := spec.Object("nonResourceAttributes")
	if err != nil {
		return err
	}
	switch {
	case resource.Absent() == other.Absent():
		return errors.New("resourceAttributes: a review has either these or nonResourceAttributes")
	case resource.Absent():
		return checkStrings(other, "nonResourceAttributes", "path", "verb")
	}
	if err := checkStrings(resource, "resourceAttributes", "namespace", "verb", "group", "version", "resource", "subresource", "name"); err != nil {
		return err
	}
	for _, name := range [...]string{"fieldSelector", "labelSelector"} {
		if err := checkSelector(resource, name); err != nil {
			return fmt.Errorf("resourceAttributes.%w", err)
		}
	}
	return nil
}

func checkStrings(object document.Value, path string, fields ...string) error {
	for _, field := range fields {
		if err := object.CheckString(field); err != nil {
			return fmt.Errorf("%s.%w", path, err)
		}
	}
	return nil
}

// checkSelector checks a FieldSelectorAttributes or LabelSelectorAttributes
// and hides its rawSelector.
func checkSelector(resource document.Value, name string) error {
	selector, err := resource.Object(name)
	if err != nil || selector.Absent() {
		return err
	}
	requirements, err := selector.Objects("requirements")
	if err != nil {
		return fmt.Errorf("%s.%w", name, err)
	}
	for i, requirement := range requirements {
		path := fmt.Sprintf("%s.requirements[%d]", name, i)
		if err := checkStrings(requirement, path, "key", "operator"); err != nil {
			return err
		}
		if _, err := requirement.CheckStrings("values"); err != nil {
			return fmt.Errorf("%s.%w", path, err)
		}
	}
	selector.Hide("rawSelector")
	return nil
}
