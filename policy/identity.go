package policy

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// ErrUnknownToken says that a token is not, or no longer, one that an identity
// source vouches for: a definite no. Any other error of a verification is a
// fault that may pass.
var ErrUnknownToken = errors.New("unknown token")

// ErrUnreachable says that an identity source could not be reached: there was no
// connection, or none to a host that is trusted, or no answer in time.
var ErrUnreachable = errors.New("could not be reached")

// NotYetValidError says that a token is sound, and valid from an instant on. It
// is no definite no, since waiting helps.
type NotYetValidError struct {
	// From is the first instant at which the token is taken.
	From time.Time
	// Fixed says that the token itself says so, and not a service that may say
	// something else when it is asked again.
	Fixed bool
}

// Error implements error.
func (e *NotYetValidError) Error() string {
	return "the token is not valid before " + e.From.UTC().Format(time.RFC3339)
}

// ErrNotLoaded says that an identity source has not been read for the first
// time, so that it cannot tell.
var ErrNotLoaded = errors.New("not loaded yet")

// Identity is what a verified token proves. Policies see it as
// `input.identity`; the token itself they never see.
type Identity struct {
	// Source is the configured name of the identity source that verified the token.
	Source string
	// Type is the kind of that source, such as "jwt" or "tokenFile".
	Type string
	// Subject is the source's own name for the caller. Empty only where the
	// configuration lets a source take tokens that name none; policies then see
	// no subject.
	Subject string
	// Claims are what the source says of the subject. May be absent.
	Claims Object
	// Audiences are those the token names; empty when it names none, which
	// Kubernetes reads as "the API server's own".
	Audiences []string
	// AudiencesAccepted says that the source was told which audiences to
	// accept, and one of Audiences is among them: the token is then good for
	// the API server's own, whatever these are called.
	AudiencesAccepted bool
	// Expires is when the token stops being valid; the zero time means never.
	Expires time.Time
	// VerifiedUntil is until when the verification may be relied on without
	// asking the source again; the zero time means for as long as the source's
	// generation stays what it is.
	VerifiedUntil time.Time
	// TokenSHA256 is the token's digest, by which it may be revoked; the zero
	// value when it is not known. Policies do not see it.
	TokenSHA256 [sha256.Size]byte
}

// value is what policies see as `input.identity`.
func (i *Identity) value() ast.Object {
	pairs := make([][2]*ast.Term, 0, 6)
	add := func(key, value *ast.Term) { pairs = append(pairs, [2]*ast.Term{key, value}) }
	add(sourceKey, ast.StringTerm(i.Source))
	add(typeKey, ast.StringTerm(i.Type))
	if i.Subject != "" {
		add(subjectKey, ast.StringTerm(i.Subject))
	}
	if !i.Claims.IsZero() {
		add(claimsKey, ast.NewTerm(i.Claims.object()))
	}
	if len(i.Audiences) > 0 {
		audiences := make([]*ast.Term, len(i.Audiences))
		for at, audience := range i.Audiences {
			audiences[at] = ast.StringTerm(audience)
		}
		add(audiencesKey, ast.ArrayTerm(audiences...))
	}
	if !i.Expires.IsZero() {
		add(expiresKey, ast.StringTerm(i.Expires.UTC().Format(time.RFC3339)))
	}
	return ast.NewObject(pairs...)
}

// JSON is what policies see as `input.identity`, as JSON text.
func (i *Identity) JSON() ([]byte, error) {
	return Object{value: i.value()}.JSON()
}

var (
	sourceKey    = ast.StringTerm("source")
	typeKey      = ast.StringTerm("type")
	subjectKey   = ast.StringTerm("subject")
	claimsKey    = ast.StringTerm("claims")
	audiencesKey = ast.StringTerm("audiences")
	expiresKey   = ast.StringTerm("expires")
)
