package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// identityValue returns the value of `input.identity` for i.
func identityValue(i *identity.Identity) ast.Object {
	pairs := make([][2]*ast.Term, 0, 6)
	add := func(key, value *ast.Term) { pairs = append(pairs, [2]*ast.Term{key, value}) }
	add(sourceKey, ast.StringTerm(i.Source))
	add(typeKey, ast.StringTerm(i.Type))
	if i.Subject != "" {
		add(subjectKey, ast.StringTerm(i.Subject))
	}
	if claims := claimsObject(i.Claims); claims != nil {
		add(claimsKey, ast.NewTerm(claims))
	}
	if len(i.Audiences) > 0 {
		audiences := make([]*ast.Term, len(i.Audiences))
		for at, audience := range i.Audiences {
			audiences[at] = ast.StringTerm(audience)
		}
		add(audiencesKey, ast.ArrayTerm(audiences...))
	}
	if expires := i.ExpiresText(); expires != "" {
		add(expiresKey, ast.StringTerm(expires))
	}
	return ast.NewObject(pairs...)
}

var (
	sourceKey    = ast.StringTerm("source")
	typeKey      = ast.StringTerm("type")
	subjectKey   = ast.StringTerm("subject")
	claimsKey    = ast.StringTerm("claims")
	audiencesKey = ast.StringTerm("audiences")
	expiresKey   = ast.StringTerm("expires")
)

// claimsObject returns the claims in the form that OPA evaluates, nil when they are
// absent. All copies of the claims share one decoded object.
func claimsObject(claims identity.Claims) ast.Object {
	decoded, _ := claims.Decoded(decodeClaims).(ast.Object)
	return decoded
}

// decodeClaims is the function that claimsObject gives to Claims.Decoded. It returns an
// ast.Object.
func decodeClaims(text string) any {
	object, err := document.DecodeObject(text)
	if err != nil {
		return nil // not possible: the source parsed the text before
	}
	return object
}

// revokedReason returns the reason for which the identity is revoked, "" when it is not.
func revokedReason(revoked *revokedList, of *identity.Identity) string {
	if revoked == nil {
		return ""
	}
	return revoked.ReasonFor(of, func(name string) string {
		claims := claimsObject(of.Claims)
		if claims == nil {
			return ""
		}
		value, err := stringAt(claims, name)
		if err != nil {
			return ""
		}
		return value
	})
}

// revokedList is the list of revoked identities, and the same list as data.revoked.
type revokedList struct {
	*identity.Revoked
	document ast.Object
}

// newRevokedList returns nil when there is no list.
func newRevokedList(revoked *identity.Revoked) *revokedList {
	if revoked == nil {
		return nil
	}
	list, err := document.DecodeObject(string(revoked.JSON()))
	if err != nil {
		list = ast.NewObject() // not possible: it was encoded from known fields
	}
	return &revokedList{Revoked: revoked, document: list}
}
