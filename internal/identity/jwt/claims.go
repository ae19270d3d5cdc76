package jwt

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// claimRules say which claims (RFC 7519 §4.1) a token must have to be accepted.
// A claim that is null counts as absent.
type claimRules struct {
	audiences        []string
	audience         string // the claim
	audienceOptional bool
	leeway           sources.Leeway
	required         []requiredClaim
	subject          string // the claim
	subjectOptional  bool
}

// acceptedClaims are what the claims of a token say.
type acceptedClaims struct {
	identity identity.Identity
	// issued is "iat", from the instant from which on the token is valid; each is
	// the zero time when the token does not say.
	issued, from time.Time
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

// accept returns what the claims say when they are as they have to be at now, or
// will be later. Of odd claims nothing is said.
func (r *claimRules) accept(t *unverifiedJWT, now time.Time) (acceptedClaims, error) {
	if t.isOdd() {
		return acceptedClaims{}, nil
	}
	out, err := r.acceptTimes(t, now)
	if err != nil {
		return acceptedClaims{}, err
	}
	audiences, err := r.acceptAudiences(t)
	if err != nil {
		return acceptedClaims{}, err
	}
	for _, required := range r.required {
		switch value, found, err := t.text(required.name); {
		case err != nil:
			return acceptedClaims{}, sources.Refused("%w", err)
		case !found || value != required.value:
			return acceptedClaims{}, sources.Refused("%s: is not what is required", required.name)
		}
	}
	subject, _, err := t.text(r.subject)
	switch {
	case err != nil:
		return acceptedClaims{}, sources.Refused("%w", err)
	case subject == "" && !r.subjectOptional:
		return acceptedClaims{}, sources.Refused("%s: there is no subject", r.subject)
	}
	out.identity.Subject, out.identity.Claims = subject, t.claims
	out.identity.Audiences, out.identity.AudiencesAccepted = audiences, len(audiences) > 0 && len(r.audiences) > 0
	return out, nil
}

func (r *claimRules) acceptTimes(t *unverifiedJWT, now time.Time) (out acceptedClaims, err error) {
	expires, found, err := t.expires.instant("exp")
	switch {
	case err != nil:
		return acceptedClaims{}, err
	case !found:
		return acceptedClaims{}, sources.Refused("exp: does not say when it expires")
	case r.leeway.Expired(expires, now):
		return acceptedClaims{}, sources.Refused("expired at %s", expires.Format(time.RFC3339))
	}
	notBefore, _, err := t.from.instant("nbf")
	if err != nil {
		return acceptedClaims{}, err
	}
	if out.issued, _, err = t.when.instant("iat"); err != nil {
		return acceptedClaims{}, err
	}
	out.identity.Expires, out.from = expires, r.leeway.From(notBefore, out.issued)
	return out, nil
}

// lastInstant is the last second of the year 9999, beyond which RFC 3339 has no
// form.
const lastInstant = 253402300799

// text is the string at a claim; found is false when it is absent or null.
func (t *unverifiedJWT) text(claim string) (value string, found bool, err error) {
	if claim == defaultSubjectClaim {
		return t.subject, t.hasSubject, t.subjectFault
	}
	// One name for a string and a list of one would be a guess.
	err = t.readClaims(func(claims document.Value) error {
		if found = !claims.Get(claim).IsNull(); found {
			value, err = claims.String(claim)
		}
		return err
	})
	return value, found && err == nil, err
}

// readClaims reads claims that are not among the registered ones.
func (t *unverifiedJWT) readClaims(read func(claims document.Value) error) error {
	document, err := document.ParseObject([]byte(t.claims.Text()))
	if err != nil {
		return sources.OddJSON(err) // it was parsed before
	}
	defer document.Release()
	return read(document.Root())
}

// instant returns the NumericDate (RFC 7519 §2), which is called name.
func (d numericDate) instant(name string) (at time.Time, found bool, err error) {
	switch {
	case d.fault != nil:
		return time.Time{}, false, sources.Refused("%w", d.fault)
	case !d.found:
		return time.Time{}, false, nil
	case d.seconds < 0 || d.seconds > lastInstant:
		return time.Time{}, false, sources.Refused("%s: is out of range", name)
	}
	whole, fraction := math.Modf(d.seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))).UTC(), true, nil
}

// acceptAudiences returns those that the token names; none only where that is
// allowed.
func (r *claimRules) acceptAudiences(t *unverifiedJWT) ([]string, error) {
	audiences, err := t.audiences, t.audiencesFault
	if r.audience != defaultAudienceClaim {
		err = t.readClaims(func(claims document.Value) error {
			audiences, err = claims.StringOrStrings(r.audience)
			return err
		})
	}
	switch {
	case err != nil:
		return nil, sources.Refused("%w", err)
	case audiences == nil && r.audienceOptional:
		return nil, nil
	case len(audiences) == 0:
		return nil, sources.Refused("%s: names no audience", r.audience)
	case slices.Contains(audiences, ""):
		return nil, sources.Refused("%s: has an empty audience", r.audience)
	case len(r.audiences) > 0 && !slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(r.audiences, a) }):
		return nil, sources.Refused("%s: is for %s, not for this API server", r.audience, listShort(audiences))
	}
	return audiences, nil
}

// listShort is the first few of a token's texts, as they may be shown.
func listShort(texts []string) string {
	const limit = 3
	var shown []string
	for _, text := range texts[:min(len(texts), limit)] {
		shown = append(shown, sources.QuoteShort(text))
	}
	list := strings.Join(shown, ", ")
	if more := len(texts) - len(shown); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
