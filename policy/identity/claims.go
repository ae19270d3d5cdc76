package identity

import (
	"encoding/json"
	"sync"
)

// Claims are what a source says of a subject: one JSON object, as text. They are
// immutable and safe to share. The zero value is absent claims.
type Claims struct{ content *content }

// content is behind a pointer, so that all copies share what is decoded.
type content struct {
	text    string
	once    sync.Once
	decoded any
}

// NewClaims returns the claims of a JSON object. The text was checked as package
// policy checks JSON: it is an object, and no name is in it twice.
func NewClaims(text string) Claims { return Claims{&content{text: text}} }

// ClaimsOf returns the claims of that JSON form.
func ClaimsOf(values map[string]any) (Claims, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return Claims{}, err
	}
	return NewClaims(string(text)), nil
}

// IsZero reports whether the claims are absent.
func (c Claims) IsZero() bool { return c.content == nil }

// Text is the JSON object, "" when the claims are absent.
func (c Claims) Text() string {
	if c.IsZero() {
		return ""
	}
	return c.content.text
}

// Decoded returns what decode makes of the text, nil when the claims are absent.
// The first call decodes, and every other gets the same: package policy evaluates
// the claims in a form of its own, which it makes once for each token that is
// kept.
func (c Claims) Decoded(decode func(text string) any) any {
	if c.IsZero() {
		return nil
	}
	c.content.once.Do(func() { c.content.decoded = decode(c.content.text) })
	return c.content.decoded
}
