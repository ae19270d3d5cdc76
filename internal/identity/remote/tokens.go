package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/document"
)

// TokenFormat is the shape of a token.
type TokenFormat string

// The values of TokenFormat. "" means TokenFormatOpaque.
const (
	TokenFormatOpaque TokenFormat = "opaque" // anything that is not a JWT
	TokenFormatJWT    TokenFormat = "jwt"
	TokenFormatAny    TokenFormat = "any"
)

// Tokens say which tokens may be sent to a remote source at all.
type Tokens struct {
	Format TokenFormat `yaml:"format"`
	// Prefixes: a token begins with one of them; none means any.
	Prefixes []string `yaml:"prefixes"`
}

// CheckConfig checks what the configuration says at path.
func (t Tokens) CheckConfig(c sources.Checker, path string) {
	c.OneOf(path+".format", string(t.Format), []string{string(TokenFormatOpaque), string(TokenFormatJWT), string(TokenFormatAny)})
	c.Names(path+".prefixes", t.Prefixes)
}

// Check says what is wrong with the values.
func (t Tokens) Check() error {
	switch t.Format {
	case "", TokenFormatOpaque, TokenFormatJWT, TokenFormatAny:
	default:
		return fmt.Errorf("tokens.format is %q: use opaque, jwt or any", t.Format)
	}
	for i, prefix := range t.Prefixes {
		if prefix == "" || !isVisibleASCII(prefix) {
			return fmt.Errorf("tokens.prefixes[%d] is %q: a prefix is one or more visible ASCII characters; without prefixes any token may be sent", i, prefix)
		}
	}
	return nil
}

// Applies reports whether the token may be sent. One that could not stand in a
// header field never is (RFC 9110 §5.5), nor are spaces, which no bearer token
// has (RFC 6750 §2.1).
//
// A prefix says more than the shape does: a token with one of the prefixes is
// sent, unless it is a JWT where none is wanted.
func (t Tokens) Applies(token *sources.Token) bool {
	text := token.Reveal()
	if text == "" || !isVisibleASCII(text) {
		return false
	}
	if len(t.Prefixes) > 0 && !slices.ContainsFunc(t.Prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) }) {
		return false
	}
	switch t.Format {
	case TokenFormatAny:
		return true
	case TokenFormatJWT:
		return len(t.Prefixes) > 0 || token.IsJWT()
	default:
		return !token.IsJWT()
	}
}

// Random returns a token that no user has, and that may be sent.
func (t Tokens) Random() (*sources.Token, error) {
	text, err := sources.NewToken()
	if err != nil {
		return nil, err
	}
	if len(t.Prefixes) > 0 {
		text = t.Prefixes[0] + strings.TrimPrefix(text, sources.TokenPrefix)
	}
	return sources.ParseToken(text), nil
}

func isVisibleASCII(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// leastHidden is the length from which on a token is hidden inside a longer
// text. A shorter one is no secret, and would be found where it is not meant.
const leastHidden = 16

// WithoutToken returns the JSON text with "[token]" in every string that holds
// the token, as it is or escaped for a URL: a service that repeats the token it
// was asked about must not show it to policies and logs.
func WithoutToken(text []byte, token *sources.Token) ([]byte, error) {
	forms := []string{token.Reveal(), url.PathEscape(token.Reveal()), url.QueryEscape(token.Reveal())}
	in := jsontext.NewDecoder(bytes.NewReader(text))
	out := bytes.NewBuffer(make([]byte, 0, len(text)))
	encoder := jsontext.NewEncoder(out)
	for {
		read, err := in.ReadToken()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, sources.InvalidJSON(document.NewSyntaxError(err, in.InputOffset()))
		}
		if read.Kind() == '"' && repeats(read.String(), forms) {
			read = jsontext.String(sources.Hidden)
		}
		if err := encoder.WriteToken(read); err != nil {
			return nil, errors.New("two names in an object of the answer hold the token")
		}
	}
}

func repeats(text string, forms []string) bool {
	for _, form := range forms {
		if text == form || len(form) >= leastHidden && strings.Contains(text, form) {
			return true
		}
	}
	return false
}
