package httpsource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// typeName is what the configuration and input.identity.type call the kind.
const typeName = "http"

// tokenMark stands for the token in URLs and headers.
const tokenMark = "{token}"

const (
	// maxAnswerBytes bounds one answer, maxClaimsBytes all of one verification.
	maxAnswerBytes = 1 << 20
	maxClaimsBytes = 4 << 20
	// maxPages bounds what can be configured.
	maxPages = 100
	// maxSubjectBytes bounds a name.
	maxSubjectBytes = 1 << 10
)

// Source verifies tokens by asking a service for what belongs to them, such
// as the user of a GitHub token.
//
// A token that the service repeats in an answer shows as "[token]" in the claims.
// The methods may be called from several goroutines.
type Source struct {
	options  Options
	client   *http.Client
	allowed  []string // host:port, in lower case
	requests []preparedRequest
	InPath   bool // a URL has the token in its path
}

var _ remote.Source = (*Source)(nil)

// New returns a source that asks by client, which must follow no
// redirects: see NewClient.
func New(options Options, client *http.Client) (*Source, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	h := &Source{options: options, client: client}
	if err := h.configure(); err != nil {
		return nil, fmt.Errorf("identity source %s: %w", options.Name, err)
	}
	return h, nil
}

func (h *Source) allows(u *url.URL) bool { return slices.Contains(h.allowed, authority(u)) }

// Name implements Source.
func (h *Source) Name() string { return h.options.Name }

// Applies implements Source.
func (h *Source) Applies(token *sources.Token) bool {
	text := token.Reveal()
	if !h.options.Tokens.Applies(token) {
		return false
	}
	// Servers that undo the escaping too early would take such a token for a way
	// to another place. What is left are the characters of RFC 6750 §2.1.
	return !h.InPath || strings.Trim(text, ".") != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !sources.IsBase64URL(string(r)) && !strings.ContainsRune(".~+=", r)
	})
}

// Remote implements Source.
func (h *Source) Remote() bool { return true }

// Ready implements Source: there is nothing to load.
func (h *Source) Ready() error { return nil }

// Generation implements Source. It stays the same: what the service will say next
// cannot be known.
func (h *Source) Generation() uint64 { return 0 }

// named says whose fault it is.
func (h *Source) named(err error) error {
	return fmt.Errorf("identity source %s: %w", h.Name(), err)
}

// Probe implements Source: it asks about a random token. Any answer below
// 300 or from 400 to 499 shows that the service is there. That it thinks little
// of the token, or of how often it was asked about such ones, says nothing of
// real tokens.
func (h *Source) Probe(ctx context.Context) error {
	ctx, cancel := remote.Bounded(ctx, h.options.Timeout)
	defer cancel()
	token, err := h.options.Tokens.Random()
	if err != nil {
		return h.named(err)
	}
	first := h.requests[slices.IndexFunc(h.requests, func(r preparedRequest) bool { return r.carries })]
	said, err := (&exchange{Source: h, token: token}).send(ctx, &first, first.expand(token))
	if err != nil {
		return h.named(err)
	}
	if !isSuccess(said.Status) && !isRefusal(said.Status) {
		return h.named(said.Unexpected())
	}
	return nil
}

// Verify implements Source.
func (h *Source) Verify(ctx context.Context, token *sources.Token) (identity.Identity, error) {
	if !h.Applies(token) {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	ctx, cancel := remote.Bounded(ctx, h.options.Timeout)
	defer cancel()
	verified, err := h.verify(ctx, token)
	switch {
	case err == nil:
		return verified, nil
	case errors.Is(err, identity.ErrUnknownToken):
		return identity.Identity{}, err
	}
	return identity.Identity{}, h.named(err)
}

// exchange is the requests about one token.
type exchange struct {
	*Source
	token *sources.Token
	// answered says that the host has answered one of them.
	answered bool
}

func (h *Source) verify(ctx context.Context, token *sources.Token) (identity.Identity, error) {
	var members [][]byte // of the claims, as JSON text
	size := 0
	asking := &exchange{Source: h, token: token}
	for i := range h.requests {
		request := &h.requests[i]
		content, err := asking.read(ctx, request)
		if err != nil {
			return identity.Identity{}, err
		}
		if content == nil {
			continue
		}
		if size += len(content); size > maxClaimsBytes {
			return identity.Identity{}, sources.Refused("the answers have more than %d bytes together", maxClaimsBytes)
		}
		if request.Claim == "" {
			content = bytes.TrimSpace(content[1 : len(content)-1]) // without the braces
		} else {
			name, err := json.Marshal(request.Claim)
			if err != nil {
				return identity.Identity{}, errors.New("the claim has no JSON form")
			}
			content = slices.Concat(name, []byte(":"), content)
		}
		if len(content) > 0 {
			members = append(members, content)
		}
	}
	text, err := remote.WithoutToken(slices.Concat([]byte("{"), bytes.Join(members, []byte(",")), []byte("}")), token)
	if err != nil {
		return identity.Identity{}, sources.Refused("%w", err)
	}
	verified, err := h.identityOf(text)
	if err != nil && !errors.Is(err, identity.ErrUnknownToken) {
		err = sources.Refused("%w", err) // each answer was one, so that what is odd is the token's
	}
	return verified, err
}

func (h *Source) identityOf(text []byte) (identity.Identity, error) {
	parsed, err := document.ParseObject(text)
	if err != nil {
		return identity.Identity{}, fmt.Errorf("put together: %w", sources.InvalidJSON(err))
	}
	defer parsed.Release()
	verified := identity.Identity{Source: h.Name(), Type: typeName, Claims: identity.NewClaims(string(text))}
	if verified.Subject, err = subjectAt(parsed.Root(), h.options.Subject); err != nil {
		return identity.Identity{}, err
	}
	if h.options.Expires != "" {
		if verified.Expires, err = expiryAt(parsed.Root(), h.options.Expires); err != nil {
			return identity.Identity{}, err
		}
		if !verified.Expires.IsZero() && !h.options.Now().Before(verified.Expires) {
			return identity.Identity{}, sources.Refused("it expired")
		}
	}
	return verified, nil
}

// lookUp follows the names of path but the last, and returns what holds that.
func lookUp(root document.Value, path string) (holder document.Value, last string) {
	for {
		name, rest, more := strings.Cut(path, ".")
		if !more {
			return root, name
		}
		root, path = root.Get(name), rest
	}
}

func subjectAt(root document.Value, path string) (string, error) {
	holder, last := lookUp(root, path)
	value := holder.Get(last)
	if value.IsNull() {
		return "", fmt.Errorf("the answers have nothing at %s, which is the subject", path)
	}
	if number, ok := remote.WholeNumber(value.Raw()); ok {
		return number, nil
	}
	subject, err := holder.String(last)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is the subject: it has to be a string or a whole number, not %s", path, remote.KindOf(value))
	case subject == "":
		return "", fmt.Errorf("%s is the subject, and is empty", path)
	case len(subject) > maxSubjectBytes:
		return "", fmt.Errorf("%s is the subject, and has more than %d bytes", path, maxSubjectBytes)
	case strings.Contains(subject, sources.Hidden):
		return "", fmt.Errorf("%s is the subject, and holds the token, which must not be shown", path)
	}
	return subject, nil
}

// expiryAt returns the zero time where the answers say nothing.
func expiryAt(root document.Value, path string) (time.Time, error) {
	holder, last := lookUp(root, path)
	value := holder.Get(last)
	if value.IsNull() {
		return time.Time{}, nil
	}
	if text, err := holder.String(last); err == nil {
		instant, err := time.Parse(time.RFC3339, text)
		if err != nil || instant.IsZero() {
			return time.Time{}, fmt.Errorf("%s is not a time in RFC 3339", path)
		}
		return instant, nil
	}
	var seconds float64
	if err := json.Unmarshal(value.Raw(), &seconds); err != nil {
		return time.Time{}, fmt.Errorf("%s is when the token expires: it has to be a number or a string, not %s", path, remote.KindOf(value))
	}
	instant, err := remote.SinceEpoch(seconds)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s %w", path, err)
	}
	return instant, nil
}

// send asks once more about the token. A host that has answered is there: that it
// takes longer than there is time for the rest may be because of how much there is
// to say of this token.
func (e *exchange) send(ctx context.Context, p *preparedRequest, at string) (*remote.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, p.Method, at, http.NoBody)
	if err != nil {
		return nil, errors.New("the request cannot be made: its URL is not valid") // the error holds it
	}
	request.Header.Set("Accept", "application/json")
	for name, value := range p.Headers {
		request.Header.Set(name, strings.ReplaceAll(value, tokenMark, e.token.Reveal()))
	}
	said, err := remote.Ask(e.client, request, maxAnswerBytes)
	if err != nil && e.answered && remote.IsTimeout(err) {
		return nil, remote.Provoked(err)
	}
	e.answered = true
	return said, err
}
