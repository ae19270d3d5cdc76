package identity

import (
	"crypto/sha256"
	"encoding/json"
	"time"
)

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
	Claims Claims
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

// JSON is what policies see as `input.identity`, as JSON text.
func (i *Identity) JSON() ([]byte, error) {
	seen := struct {
		Audiences []string        `json:"audiences,omitempty"`
		Claims    json.RawMessage `json:"claims,omitempty"`
		Expires   string          `json:"expires,omitempty"`
		Source    string          `json:"source"`
		Subject   string          `json:"subject,omitempty"`
		Type      string          `json:"type"`
	}{
		Audiences: i.Audiences, Claims: json.RawMessage(i.Claims.Text()), Expires: i.ExpiresText(),
		Source: i.Source, Subject: i.Subject, Type: i.Type,
	}
	return json.Marshal(seen)
}

// ExpiresText is Expires as policies see it, in RFC 3339; "" for never.
func (i *Identity) ExpiresText() string {
	if i.Expires.IsZero() {
		return ""
	}
	return i.Expires.UTC().Format(time.RFC3339)
}
