package handlers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// A token that is refused is a 200 with authenticated: false, which apiserver keeps
// for two minutes; status.error is set only for faults that may pass, since
// apiserver keeps none of those.

// tokenQuestion is what a TokenReview asks about.
type tokenQuestion struct {
	token     string
	audiences []string // nil where it names none
}

// readTokenReview takes the token out of the review: what is left is what policies
// see.
func readTokenReview(r review) (q tokenQuestion, err error) {
	if q.token, err = r.payload.String("token"); err != nil {
		return q, fmt.Errorf("spec.%w", err)
	}
	if q.token == "" {
		return q, errNoToken
	}
	q.audiences, err = hideToken(r)
	return q, err
}

// hideToken leaves of the review what policies see, and returns its audiences.
func hideToken(r review) ([]string, error) {
	audiences, err := r.payload.Strings("audiences")
	if err != nil {
		return nil, fmt.Errorf("spec.%w", err)
	}
	r.payload.Hide("token")
	// The status is ours to write; one that was sent along says nothing.
	r.root.Hide("status")
	return audiences, nil
}

var errNoToken = errors.New("spec.token: is missing")

// tokenOutcome is what a TokenReview comes to.
type tokenOutcome = outcome[authenticationv1.TokenReviewStatus]

// The names of the outcomes of TokenReviews in the metrics.
const (
	tokenAuthenticated = "authenticated"
	tokenDenied        = "denied"
	tokenUnknown       = "unknownToken"
	tokenNotYetValid   = "notYetValid"
	tokenAudience      = "audience"
)

// authenticated lets the bearer in as user.
func authenticated(user *policy.User, audiences []string, expires policy.Expiry) tokenOutcome {
	status := authenticationv1.TokenReviewStatus{
		Authenticated: true,
		Audiences:     audiences,
		User: authenticationv1.UserInfo{
			Username: user.Username,
			UID:      user.UID,
			Groups:   user.Groups,
		},
	}
	if len(user.Extra) > 0 {
		status.User.Extra = make(map[string]authenticationv1.ExtraValue, len(user.Extra))
		for key, values := range user.Extra {
			status.User.Extra[key] = values
		}
	}
	return decided(status, tokenAuthenticated, expires)
}

// unauthenticated refuses the token; apiserver keeps the answer.
func unauthenticated(name string, expires policy.Expiry) tokenOutcome {
	return decided(authenticationv1.TokenReviewStatus{}, name, expires)
}

// tokenFault refuses the token because of something that may pass, which message
// names: apiserver does not keep such an answer.
func tokenFault(message, name string) tokenOutcome {
	return uncached(authenticationv1.TokenReviewStatus{Error: message}, name)
}

// authenticate decides a TokenReview. A token that no source knows is verified
// again each time: a flood of such tokens must not push out the answers to others.
func (h *handler) authenticate(ctx context.Context, view *policy.View, root document.Value, q tokenQuestion) tokenOutcome {
	verified, err := h.Verifier.Verify(ctx, q.token)
	if err != nil {
		return h.unverified(err, secrets{q.token})
	}
	common, ok := negotiate(verified, q.audiences, h.Audiences)
	if !ok {
		h.refusals.refused("token refused: it is not good for the audiences asked for", verified.Source, func() []zap.Field {
			return []zap.Field{
				zap.String("source", verified.Source), zap.String("subject", verified.Subject),
				zap.Strings("tokenAudiences", verified.Audiences),
				zap.Strings("asked", showsAudiences(q.audiences, h.Audiences, verified.Audiences)), zap.Strings("assumed", h.Audiences),
			}
		})
		return unauthenticated(tokenAudience, policy.AtOnce)
	}
	decision, err := view.Authenticate(ctx, root, verified)
	if err != nil {
		h.failed(policy.AuthenticationPoint, reviewVerb, secretsOf(q.token, q.audiences, h.Audiences, verified.Audiences).hideError(err))
		return tokenFault(authenticationFault(err), outcomeError)
	}
	expires := min(decision.Expires, policy.ExpiryOf(verified.Expires), policy.ExpiryOf(verified.VerifiedUntil))
	if decision.User == nil {
		h.refusals.refused("token refused by policy", verified.Source, func() []zap.Field {
			hidden := secretsOf(q.token, q.audiences, h.Audiences, verified.Audiences)
			return []zap.Field{
				zap.String("source", verified.Source), zap.String("subject", verified.Subject),
				zap.Strings("reasons", hidden.hideAll(decision.Reasons)),
			}
		})
		return unauthenticated(tokenDenied, expires)
	}
	return authenticated(decision.User, common, expires)
}

// unverified is the outcome of a token that no source verified, and says why in
// the log.
func (h *handler) unverified(err error, hidden secrets) tokenOutcome {
	reason := func() []zap.Field { return []zap.Field{zap.String("reason", hidden.hide(err.Error()))} }
	early, isEarly := errors.AsType[*identity.NotYetValidError](err)
	switch {
	case err == identity.ErrUnknownToken: //nolint:errorlint // one without a reason
		h.refusals.refused("token refused: no source knows it", "", func() []zap.Field { return nil })
		return unauthenticated(tokenUnknown, policy.AtOnce)
	case errors.Is(err, identity.ErrUnknownToken):
		h.refusals.refused("token refused", err.Error(), reason)
		return unauthenticated(tokenUnknown, policy.AtOnce)
	case isEarly:
		h.refusals.refused("token refused: it is not valid yet", "", func() []zap.Field {
			return append(reason(), zap.Time("from", early.From))
		})
		// An error, so that apiserver does not keep it until after that.
		return tokenFault("the token is not valid yet", tokenNotYetValid)
	case errors.Is(err, identity.ErrNotLoaded):
		// A source that was not read for the first time might know a token that no
		// other source does.
		h.faults.Warn("token review refused: the identity sources are not ready", zap.Error(hidden.hideError(err)))
		return undecided[authenticationv1.TokenReviewStatus](errSourcesNotReady, "")
	}
	h.faults.Error("an identity source could not verify a token", zap.Error(hidden.hideError(err)))
	message := "an identity source could not verify the token; see verdict's log"
	switch {
	case errors.Is(err, identity.ErrUnreachable):
		message = "an identity source could not be reached"
	case errors.Is(err, context.DeadlineExceeded):
		message = "no time left to verify the token"
	}
	return tokenFault(message, outcomeError)
}

var errSourcesNotReady = errors.New("the identity sources are not ready")

// negotiate returns the audiences of the review that the token is valid for, and
// false when there is none. For a source that does not limit its tokens, or whose
// configuration lists the audiences to accept, it returns no audiences, which
// Kubernetes reads as "valid for the API server's own". Any other token with
// audiences is refused when the review names none and the token has none of the
// assumed ones.
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

// appendTokenReview appends the wire form of authentication.k8s.io TokenReview,
// whose status is the same in v1 and v1beta1. The spec, and with it the token,
// is never sent back.
func appendTokenReview(b []byte, apiVersion string, status authenticationv1.TokenReviewStatus) []byte {
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
		return b // not authenticated
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
