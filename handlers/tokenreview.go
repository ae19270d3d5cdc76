package handlers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"go.uber.org/zap"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

var tokenReviewVersions = versionsOf(authenticationv1.GroupName, "TokenReview")

// tokenReview answers POST /authenticate. A token that is refused is a 200 with
// authenticated: false, which apiserver caches for two minutes; status.error is
// set only for faults that may pass, since apiserver caches none of those.
func (h *handler) tokenReview(c *call) {
	view := h.Revisions.View()
	var key []byte
	var current keptAnswer
	if view != nil && h.tokenReviews.kept != nil {
		var sealed [64]byte
		key = h.sealer.Append(sealed[:0], c.body)
		// Read before the token is verified: what is kept then holds no longer.
		current = keptAnswer{generation: view.Generation(policy.AuthenticationPoint), identities: h.Verifier.Generation()}
		if kept, ok := h.tokenReviews.find(current, key, c.began); ok {
			h.tokenDecisions.of(kept.outcome).Inc()
			writeJSON(c, http.StatusOK, kept.body)
			return
		}
	}
	review, err := tokenReviewVersions.parse(c)
	if err != nil {
		c.refuse(err)
		return
	}
	defer review.json.Release()
	token, audiences, err := splitTokenReview(review)
	if err != nil {
		writeStatus(c, http.StatusBadRequest, err.Error())
		return
	}
	if view == nil {
		writeStatus(c, http.StatusServiceUnavailable, policy.ErrNoRevision.Error())
		return
	}
	ctx := c.context()
	status, outcome, expires := h.authenticate(ctx, view, review.root, token, audiences)
	if outcome == notReady {
		writeStatus(c, http.StatusServiceUnavailable, "the identity sources are not ready")
		return
	}
	h.tokenDecisions.of(outcome).Inc()
	body := appendTokenReview(make([]byte, 0, 512), review.apiVersion, &status)
	current.expires, current.body, current.outcome = expires, body, outcome
	h.tokenReviews.keep(key, current)
	writeJSON(c, http.StatusOK, body)
}

// appendTokenReview appends the wire form of authentication.k8s.io TokenReview,
// whose status is the same in v1 and v1beta1. The spec, and with it the token,
// is never sent back.
func appendTokenReview(b []byte, apiVersion string, status *authenticationv1.TokenReviewStatus) []byte {
	b = append(b, `{"apiVersion":"`...)
	b = append(b, apiVersion...)
	b = append(b, `","kind":"TokenReview","status":{`...)
	if status.Authenticated {
		b = append(b, `"authenticated":true,`...)
	}
	b = append(appendUser(append(b, `"user":{`...), &status.User), '}')
	if len(status.Audiences) > 0 {
		b = appendStrings(append(b, `,"audiences":`...), status.Audiences)
	}
	b = appendText(b, `,"error":`, status.Error)
	return append(b, "}}"...)
}

// appendUser appends the members of a UserInfo.
func appendUser(b []byte, user *authenticationv1.UserInfo) []byte {
	if user.Username == "" {
		return b // nobody
	}
	b = appendText(b, `"username":`, user.Username)
	b = appendText(b, `,"uid":`, user.UID)
	if len(user.Groups) > 0 {
		b = appendStrings(append(b, `,"groups":`...), user.Groups)
	}
	if len(user.Extra) == 0 {
		return b
	}
	b = append(b, `,"extra":`...)
	between := byte('{')
	for _, key := range slices.Sorted(maps.Keys(user.Extra)) {
		b = append(appendQuoted(append(b, between), key), ':')
		b = appendStrings(b, user.Extra[key])
		between = ','
	}
	return append(b, '}')
}

// appendStrings appends a list of strings.
func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, item)
	}
	return append(b, ']')
}

// splitTokenReview takes the token out of the review: what is left is what
// policies see.
func splitTokenReview(r review) (token string, audiences []string, err error) {
	if token, err = r.spec.String("token"); err != nil {
		return "", nil, fmt.Errorf("spec.%w", err)
	}
	if token == "" {
		return "", nil, errNoToken
	}
	if audiences, err = r.spec.Strings("audiences"); err != nil {
		return "", nil, fmt.Errorf("spec.%w", err)
	}
	r.spec.Hide("token")
	// The status is ours to write; one that was sent along says nothing.
	r.root.Hide("status")
	return token, audiences, nil
}

var errNoToken = errors.New("spec.token: is missing")

// notReady is the outcome when a source that was not read for the first time
// might know a token that no other does. It is answered with a 503.
const notReady = "notReady"

// authenticate returns the status to answer with, its name in the metrics, and
// until when the answer may be given again. Tokens that nobody knows are asked
// for anew each time: a flood of them shall not push out those of others.
func (h *handler) authenticate(ctx context.Context, view *policy.View, review document.Value, token string, audiences []string) (authenticationv1.TokenReviewStatus, string, policy.Expiry) {
	verified, err := h.Verifier.Verify(ctx, token)
	if err != nil {
		return h.unverified(err, secrets{token})
	}
	common, ok := negotiate(verified, audiences, h.Audiences)
	if !ok {
		h.refusals.refused("token refused: it is not good for the audiences asked for", verified.Source, func() []zap.Field {
			return []zap.Field{
				zap.String("source", verified.Source), zap.String("subject", verified.Subject),
				zap.Strings("tokenAudiences", verified.Audiences),
				zap.Strings("asked", showsAudiences(audiences, h.Audiences, verified.Audiences)), zap.Strings("assumed", h.Audiences),
			}
		})
		return authenticationv1.TokenReviewStatus{}, "audience", policy.AtOnce
	}
	decision, err := view.Authenticate(ctx, review, verified)
	if err != nil {
		h.failed(policy.AuthenticationPoint, "review", secretsOf(token, audiences, h.Audiences, verified.Audiences).hideError(err))
		return authenticationv1.TokenReviewStatus{Error: authenticationFault(err)}, "error", policy.AtOnce
	}
	expires := min(decision.Expires, policy.ExpiryOf(verified.Expires), policy.ExpiryOf(verified.VerifiedUntil))
	if decision.User == nil {
		h.refusals.refused("token refused by policy", verified.Source, func() []zap.Field {
			hidden := secretsOf(token, audiences, h.Audiences, verified.Audiences)
			return []zap.Field{
				zap.String("source", verified.Source), zap.String("subject", verified.Subject),
				zap.Strings("reasons", hidden.hideAll(decision.Reasons)),
			}
		})
		return authenticationv1.TokenReviewStatus{}, "denied", expires
	}
	status := authenticationv1.TokenReviewStatus{
		Authenticated: true,
		Audiences:     common,
		User: authenticationv1.UserInfo{
			Username: decision.User.Username,
			UID:      decision.User.UID,
			Groups:   decision.User.Groups,
		},
	}
	if len(decision.User.Extra) > 0 {
		status.User.Extra = make(map[string]authenticationv1.ExtraValue, len(decision.User.Extra))
		for key, values := range decision.User.Extra {
			status.User.Extra[key] = values
		}
	}
	return status, "authenticated", expires
}

// unverified returns the status of a token that no source verified, and says why
// in the log.
func (h *handler) unverified(err error, hidden secrets) (authenticationv1.TokenReviewStatus, string, policy.Expiry) {
	var status authenticationv1.TokenReviewStatus
	reason := func() []zap.Field { return []zap.Field{zap.String("reason", hidden.hide(err.Error()))} }
	early, isEarly := errors.AsType[*identity.NotYetValidError](err)
	switch {
	case err == identity.ErrUnknownToken: //nolint:errorlint // one without a reason
		h.refusals.refused("token refused: no source knows it", "", func() []zap.Field { return nil })
		return status, "unknownToken", policy.AtOnce
	case errors.Is(err, identity.ErrUnknownToken):
		h.refusals.refused("token refused", err.Error(), reason)
		return status, "unknownToken", policy.AtOnce
	case isEarly:
		h.refusals.refused("token refused: it is not valid yet", "", func() []zap.Field {
			return append(reason(), zap.Time("from", early.From))
		})
		// An error, so that apiserver does not keep it until after that.
		status.Error = "the token is not valid yet"
		return status, "notYetValid", policy.AtOnce
	case errors.Is(err, identity.ErrNotLoaded):
		h.faults.Warn("token review refused: the identity sources are not ready", zap.Error(hidden.hideError(err)))
		return status, notReady, policy.AtOnce
	}
	h.faults.Error("an identity source could not verify a token", zap.Error(hidden.hideError(err)))
	status.Error = "an identity source could not verify the token; see verdict's log"
	switch {
	case errors.Is(err, identity.ErrUnreachable):
		status.Error = "an identity source could not be reached"
	case errors.Is(err, context.DeadlineExceeded):
		status.Error = "no time left to verify the token"
	}
	return status, "error", policy.AtOnce
}

// negotiate returns the audiences that the token is good for among those asked
// for, and false when there is none. A source that does not limit its tokens,
// or was told which audiences to accept, stays silent about them, which
// Kubernetes reads as "good for the API server's own"; any other token that is
// limited is no good where no audience is named, and none of those assumed then
// is its own.
func negotiate(verified identity.Identity, asked, assumed []string) ([]string, bool) {
	if len(verified.Audiences) == 0 || verified.AudiencesAccepted {
		return nil, true
	}
	named := len(asked) > 0
	if !named {
		asked = assumed
	}
	var common []string
	for _, audience := range asked {
		if slices.Contains(verified.Audiences, audience) {
			common = append(common, audience)
		}
	}
	if len(common) == 0 {
		return nil, false
	}
	if !named {
		return nil, true
	}
	return common, true
}

func authenticationFault(err error) string {
	if errors.Is(err, policy.ErrTimeout) {
		return "no time left to decide"
	}
	return "the authentication policy failed; see verdict's log"
}

// failed logs and counts an evaluation that gave no decision.
func (h *handler) failed(point policy.Point, verb string, err error) {
	kind := "policy"
	if fault, ok := errors.AsType[*fault](err); ok {
		kind = fault.kind
	}
	if errors.Is(err, policy.ErrTimeout) {
		kind = "timeout"
	}
	h.Metrics.errors.WithLabelValues(point.String(), verb, kind).Inc()
	h.Log.Error("a policy gave no decision", zap.String("point", point.String()), zap.String("verb", verb), zap.Error(err))
}
