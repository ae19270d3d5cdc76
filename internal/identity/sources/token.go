package sources

import (
	"crypto/sha256"
	"encoding"
	"encoding/base64"
	"strings"
	"sync"
)

// DefaultTokenBytes is how long a token that is verified may be, unless the
// configuration says otherwise. Tokens travel in a header, and header limits are
// below this.
const DefaultTokenBytes = 64 << 10

// Token is a bearer token as a caller presented it, not verified. It never
// prints: whatever formats or encodes it gets "[token]".
type Token struct {
	// Behind pointers, so that printing what holds a Token shows addresses.
	text   *string
	parsed *parsedJWT
}

// parsedJWT is what a token says as a JWT, once a source has asked.
type parsedJWT struct {
	once sync.Once
	jwt  any

	shape sync.Once
	isJWT bool
}

// ParseToken returns the token of that text. It never fails: whether the text
// is anything is for the sources to say.
func ParseToken(text string) *Token {
	content := &struct {
		text   string
		parsed parsedJWT
	}{text: text}
	return &Token{text: &content.text, parsed: &content.parsed}
}

// Reveal returns the token itself, for a source that has to send or parse it.
func (t *Token) Reveal() string { return *t.text }

// SHA256 is the token's digest. It is computed by each call, since most tokens
// are known without it.
func (t *Token) SHA256() [sha256.Size]byte { return sha256.Sum256([]byte(*t.text)) }

// LooksLikeJWT reports whether the token has the shape of a signed JWT: three
// parts of base64url without padding, joined by dots (RFC 7515 §7.1). Nothing is
// decoded.
func (t *Token) LooksLikeJWT() bool {
	header, rest, ok := strings.Cut(*t.text, ".")
	if !ok {
		return false
	}
	payload, signature, ok := strings.Cut(rest, ".")
	return ok && IsBase64URL(header) && IsBase64URL(payload) && IsBase64URL(signature)
}

// IsJWT reports whether the token is a signed JWT, of whatever issuer: it
// looks like one, and its first part says a JSON object. Tokens of other forms
// may have two dots as well.
func (t *Token) IsJWT() bool {
	t.parsed.shape.Do(func() {
		if !t.LooksLikeJWT() {
			return
		}
		part, _, _ := strings.Cut(*t.text, ".")
		header, err := base64.RawURLEncoding.DecodeString(part)
		t.parsed.isJWT = err == nil && IsJSONObject(header)
	})
	return t.parsed.isJWT
}

// ParsedJWT returns what parse makes of the token. However many sources ask, it is
// parsed once.
func (t *Token) ParsedJWT(parse func(text string) any) any {
	t.parsed.once.Do(func() { t.parsed.jwt = parse(*t.text) })
	return t.parsed.jwt
}

// IsBase64URL reports whether the text has characters of base64url alone (RFC 4648
// §5), and at least one.
func IsBase64URL(part string) bool {
	for i := range len(part) {
		switch c := part[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return part != ""
}

// Hidden is shown where a token would be.
const Hidden = "[token]"

// String implements fmt.Stringer.
func (t *Token) String() string { return Hidden }

// GoString implements fmt.GoStringer.
func (t *Token) GoString() string { return Hidden }

var _ encoding.TextMarshaler = (*Token)(nil)

// MarshalText implements encoding.TextMarshaler, for JSON and structured logs.
func (t *Token) MarshalText() ([]byte, error) { return []byte(Hidden), nil }
