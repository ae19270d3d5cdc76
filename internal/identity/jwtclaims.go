package identity

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

// claimRules say which claims (RFC 7519 §4.1) a token must have to be accepted.
// A claim that is null counts as absent.
type claimRules struct {
	audiences []string
	leeway    time.Duration
	required  []requiredClaim
	subject   string // the claim
}

// requiredClaim is a claim that has to be that very string.
type requiredClaim struct{ name, value string }

// requiredClaims are those of a map, by name.
func requiredClaims(claims map[string]string) []requiredClaim {
	var required []requiredClaim
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		required = append(required, requiredClaim{name, claims[name]})
	}
	return required
}

// accept returns what the claims say when they are as they have to be at now,
// and when the token was issued; the zero time when it does not say.
func (r *claimRules) accept(t *unverifiedJWT, now time.Time) (identity policy.Identity, issued time.Time, err error) {
	expires, issued, err := r.acceptTimes(t, now)
	if err != nil {
		return policy.Identity{}, time.Time{}, err
	}
	audiences, err := r.acceptAudiences(t)
	if err != nil {
		return policy.Identity{}, time.Time{}, err
	}
	for _, required := range r.required {
		switch value, err := t.text(required.name); {
		case err != nil:
			return policy.Identity{}, time.Time{}, refused("%w", err)
		case value != required.value:
			return policy.Identity{}, time.Time{}, refused("%s: is not what is required", required.name)
		}
	}
	subject, err := t.text(r.subject)
	if err != nil {
		return policy.Identity{}, time.Time{}, refused("%w", err)
	}
	if subject == "" {
		return policy.Identity{}, time.Time{}, refused("%s: there is no subject", r.subject)
	}
	return policy.Identity{
		Subject: subject, Claims: t.claims,
		Audiences: audiences, AudiencesAccepted: len(r.audiences) > 0,
		Expires: expires,
	}, issued, nil
}

func (r *claimRules) acceptTimes(t *unverifiedJWT, now time.Time) (expires, issued time.Time, err error) {
	expires, found, err := t.expires.instant("exp")
	switch {
	case err != nil:
		return time.Time{}, time.Time{}, err
	case !found:
		return time.Time{}, time.Time{}, refused("exp: does not say when it expires")
	case !now.Before(expires.Add(r.leeway)):
		return time.Time{}, time.Time{}, refused("expired at %s", expires.Format(time.RFC3339))
	}
	notBefore, found, err := t.from.instant("nbf")
	switch {
	case err != nil:
		return time.Time{}, time.Time{}, err
	case found && now.Add(r.leeway).Before(notBefore):
		return time.Time{}, time.Time{}, refused("not valid before %s", notBefore.Format(time.RFC3339))
	}
	issued, found, err = t.when.instant("iat")
	switch {
	case err != nil:
		return time.Time{}, time.Time{}, err
	case found && now.Add(r.leeway).Before(issued):
		return time.Time{}, time.Time{}, refused("issued in the future, at %s", issued.Format(time.RFC3339))
	}
	return expires, issued, nil
}

// lastInstant is the last second of the year 9999, beyond which RFC 3339 has no
// form.
const lastInstant = 253402300799

// text is the string at a claim, "" when it is absent or null.
func (t *unverifiedJWT) text(claim string) (string, error) {
	if claim == defaultSubjectClaim {
		return t.subject, t.subjectFault
	}
	return t.claims.String(claim)
}

// instant returns the NumericDate (RFC 7519 §2), which is called name.
func (d numericDate) instant(name string) (at time.Time, found bool, err error) {
	switch {
	case d.fault != nil:
		return time.Time{}, false, refused("%w", d.fault)
	case !d.found:
		return time.Time{}, false, nil
	case d.seconds < 0 || d.seconds > lastInstant:
		return time.Time{}, false, refused("%s: is out of range", name)
	}
	whole, fraction := math.Modf(d.seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))).UTC(), true, nil
}

// acceptAudiences returns those that the token names.
func (r *claimRules) acceptAudiences(t *unverifiedJWT) ([]string, error) {
	audiences, err := t.audiences, t.audiencesFault
	switch {
	case err != nil:
		return nil, refused("%w", err)
	case len(audiences) == 0:
		return nil, refused("aud: names no audience")
	case slices.Contains(audiences, ""):
		return nil, refused("aud: has an empty audience")
	case len(r.audiences) > 0 && !slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(r.audiences, a) }):
		return nil, refused("aud: is for %s, not for this API server", listShort(audiences))
	}
	return audiences, nil
}

// listShort is the first few of a token's texts, as they may be shown.
func listShort(texts []string) string {
	const limit = 3
	var shown []string
	for _, text := range texts[:min(len(texts), limit)] {
		shown = append(shown, quoteShort(text))
	}
	list := strings.Join(shown, ", ")
	if more := len(texts) - len(shown); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
