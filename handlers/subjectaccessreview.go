package handlers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
)

// nothing is the question of a review whose document says all of it.
type nothing struct{}

// readAccessReview checks the review and brings it into its v1 form: v1beta1 calls
// the groups `group`. What the caller sent as status says nothing, and rawSelector
// is meant for the server that made the review, not for a decision, so neither reaches a
// policy.
func readAccessReview(r review) (nothing, error) {
	if r.apiVersion == r.kind.known[1] {
		// v1 readers would look at groups, v1beta1 ones at group.
		r.payload.Hide("groups")
		r.payload.Rename("group", "groups")
	}
	if err := checkAccessSpec(r.payload); err != nil {
		return nothing{}, fmt.Errorf("spec.%w", err)
	}
	r.root.Hide("status")
	r.root.Replace("apiVersion", r.kind.known[0])
	return nothing{}, nil
}

func checkAccessSpec(spec document.Value) error {
	// A review may have no user: no rule should allow such a review anything.
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

// accessOutcome is what a SubjectAccessReview comes to.
type accessOutcome = outcome[authorizationv1.SubjectAccessReviewStatus]

// reviewed is the answer with the decision of the policy.
func reviewed(decision policy.Decision) accessOutcome {
	return decided(authorizationv1.SubjectAccessReviewStatus{
		Allowed: decision.Outcome == policy.Allow,
		Denied:  decision.Outcome == policy.Deny,
		Reason:  strings.Join(decision.Reasons, "; "),
	}, string(decision.Outcome), decision.Expires)
}

// accessFault answers with an error, and denies with it as the reason where denies
// is set: apiserver ignores evaluationError.
func accessFault(denies bool, reason, message, name string) accessOutcome {
	status := authorizationv1.SubjectAccessReviewStatus{EvaluationError: message}
	if denies {
		status.Denied, status.Reason = true, reason
	}
	return uncached(status, name)
}

var errNoTimeToDecide = errors.New("no time left to decide")

// authorize decides a SubjectAccessReview.
func (h *handler) authorize(ctx context.Context, view *policy.View, root document.Value, _ nothing) accessOutcome {
	decision, err := view.Decide(ctx, policy.AuthorizationPoint, root)
	if err == nil {
		return reviewed(decision)
	}
	h.failed(policy.AuthorizationPoint, reviewVerb, err)
	switch {
	case !errors.Is(err, policy.ErrTimeout):
		return accessFault(h.OnError != OnErrorNoOpinion, "policy error: "+err.Error(), err.Error(), outcomeError)
	case h.OnUnavailable == OnUnavailableDeny:
		return accessFault(true, errNoTimeToDecide.Error(), errNoTimeToDecide.Error(), outcomeUnavailable)
	}
	return undecided[authorizationv1.SubjectAccessReviewStatus](errNoTimeToDecide, outcomeUnavailable)
}

// appendAccessReview appends the wire form of authorization.k8s.io
// SubjectAccessReview, whose status is the same in v1 and v1beta1.
func appendAccessReview(b []byte, apiVersion string, status authorizationv1.SubjectAccessReviewStatus) []byte {
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
