package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// unverifiedJWT is what a token says of itself: nothing here is true before its
// signature was checked. It does not change.
type unverifiedJWT struct {
	// input is what was signed (RFC 7515 §5.2), signature what came of it.
	input, signature []byte
	// algorithm and keyID are "alg" and "kid" of the header (RFC 7515 §4.1).
	algorithm, keyID string
	// header says why the header is not acceptable to anybody; nil when it is.
	header error
	// issuer is "iss", "" when there is none.
	issuer string
	// odd says why the claims are JSON that is not accepted, such as a name twice;
	// nil when they are. What follows is not set then.
	odd error
	registered
	// claims are all of them.
	claims identity.Claims
}

// registered are the claims that every token is judged by (RFC 7519 §4.1).
type registered struct {
	subject             string
	hasSubject          bool
	audiences           []string
	expires, from, when numericDate // "exp", "nbf", "iat"
	// What is wrong with the types of "sub" and "aud".
	subjectFault, audiencesFault error
}

// numericDate is a number of seconds, found, or of another type.
type numericDate struct {
	seconds float64
	found   bool
	fault   error
}

// parseJWT reads a signed JWT in the compact form (RFC 7515 §7.1), strictly: the
// one base64url text that stands for the bytes (RFC 4648 §3.5). It returns nil
// for what is no JWT. One whose JSON has duplicate names, invalid UTF-8 or the
// like is a JWT, and says what is odd about it.
func parseJWT(text string) *unverifiedJWT {
	// The decoder would skip line breaks.
	if strings.ContainsAny(text, "\r\n") {
		return nil
	}
	raw := []byte(text)
	encoded := bytes.Split(raw, []byte{'.'})
	if len(encoded) != 3 {
		return nil
	}
	var parts [3][]byte
	decoded := make([]byte, 0, base64.RawURLEncoding.DecodedLen(len(raw)))
	for i, part := range encoded {
		from := len(decoded)
		var err error
		if decoded, err = base64.RawURLEncoding.Strict().AppendDecode(decoded, part); err != nil || len(part) == 0 {
			return nil
		}
		parts[i] = decoded[from:]
	}
	t := &unverifiedJWT{input: raw[:len(encoded[0])+1+len(encoded[1])], signature: parts[2]}
	if !t.parseHeader(parts[0]) {
		return nil
	}
	if !t.parseClaims(parts[1]) {
		return nil
	}
	return t
}

// isOdd reports whether the claims are JSON that is not accepted.
func (t *unverifiedJWT) isOdd() bool { return t.odd != nil }

// parseClaims returns false when text is no set of claims with an issuer, or
// none, in it.
func (t *unverifiedJWT) parseClaims(text []byte) bool {
	document, err := document.ParseObject(text)
	if err != nil {
		// Where JSON is odd, others may read it as another issuer than this.
		var claims struct {
			Issuer string `json:"iss"`
		}
		if json.Unmarshal(text, &claims) != nil || claims.Issuer == "" {
			return false
		}
		t.issuer, t.odd = claims.Issuer, sources.OddJSON(err)
		return true
	}
	defer document.Release()
	root := document.Root()
	if t.issuer, err = root.String("iss"); err != nil {
		return false
	}
	t.subject, t.subjectFault = root.String("sub")
	t.hasSubject = !root.Get("sub").IsNull()
	t.audiences, t.audiencesFault = root.StringOrStrings("aud")
	t.expires, t.from, t.when = dateAt(root, "exp"), dateAt(root, "nbf"), dateAt(root, "iat")
	// A copy, since the text is beside the signature, which must not be kept.
	t.claims = identity.NewClaims(string(text))
	return true
}

func dateAt(claims document.Value, name string) (d numericDate) {
	d.seconds, d.found, d.fault = claims.Number(name)
	return d
}

// parseHeader returns false when text is no header at all. "jwk", "jku", "x5c"
// and "x5u" are not looked at: who signs does not say with what to verify.
func (t *unverifiedJWT) parseHeader(text []byte) bool {
	document, err := document.ParseObject(text)
	if err != nil {
		if !sources.IsJSONObject(text) {
			return false
		}
		t.header = sources.Refused("header: %w", sources.OddJSON(err))
		return true
	}
	defer document.Release()
	root := document.Root()
	var problems [3]error
	var mediaType string
	t.algorithm, problems[0] = root.String("alg")
	t.keyID, problems[1] = root.String("kid")
	mediaType, problems[2] = root.String("typ")
	switch err := errors.Join(problems[:]...); {
	case err != nil:
		t.header = sources.Refused("header: %w", err)
	case !root.Get("crit").Absent():
		t.header = sources.Refused("header: has critical extensions, of which none is understood")
	case !root.Get("b64").Absent():
		t.header = sources.Refused("header: has the unencoded payload option (RFC 7797)")
	case !isJWTMediaType(mediaType):
		t.header = sources.Refused("header: typ is not JWT, JOSE or at+jwt")
	}
	return true
}

// isJWTMediaType reports whether "typ" may be that of a token presented as a
// bearer: absent, a JWT (RFC 7519 §5.1), an access token (RFC 9068 §2.1) or any
// object in the compact form (RFC 7515 §4.1.9). Others, such as logout+jwt, are
// JWTs of the same issuer for another purpose.
func isJWTMediaType(mediaType string) bool {
	if mediaType == "" {
		return true
	}
	const prefix = "application/"
	if len(mediaType) > len(prefix) && strings.EqualFold(mediaType[:len(prefix)], prefix) {
		mediaType = mediaType[len(prefix):]
	}
	return strings.EqualFold(mediaType, "JWT") || strings.EqualFold(mediaType, "JOSE") || strings.EqualFold(mediaType, "at+jwt")
}

// jwtIn returns what the token says as a JWT, none of it verified; nil when it is
// not one.
func jwtIn(token *sources.Token) *unverifiedJWT {
	parsed, _ := token.ParsedJWT(func(text string) any { return parseJWT(text) }).(*unverifiedJWT)
	return parsed
}
