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

// Options say what is asked, and what is made of the answers.
type Options struct {
	// Name is what policies, metrics and logs call the source.
	Name string `yaml:"-"`
	// Preset names a service that is known: it fills in the fields that are not
	// set. "" is none.
	Preset string `yaml:"preset"`
	// BaseURL comes before those URLs of Requests that begin with "/".
	BaseURL string `yaml:"baseURL"`
	// AllowedHosts are the hosts, with a port where it is not the scheme's, that
	// requests may go to: those of Requests and those of further pages.
	AllowedHosts []string `yaml:"allowedHosts"`
	// Requests are made in this order, until one says that the token is no good.
	// One of them has to carry the token and have no Absent statuses, so that
	// something proves the token.
	Requests []Request `yaml:"requests"`
	// Subject is where the subject is found in the claims: names joined by dots.
	// It has to be a string or a whole number there.
	Subject string `yaml:"subject"`
	// Expires likewise for when the token expires, in seconds since 1970 or in
	// RFC 3339; "" when the service does not say. It may be absent or null.
	Expires string        `yaml:"expires"`
	Tokens  remote.Tokens `yaml:"tokens"`
	// Connection is how New reaches the service.
	Connection remote.Connection `yaml:"connection"`
	// Timeout bounds one verification, all requests of it; 0 means 5 seconds.
	Timeout time.Duration `yaml:"-"`
	// Now is the clock that tokens expire by; nil means time.Now.
	Now func() time.Time `yaml:"-"`
}

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

func (h *Source) configure() error {
	o := h.options
	switch {
	case len(o.Requests) == 0:
		return errors.New("requests is empty: nothing would verify a token; add one, or name a preset")
	case len(o.AllowedHosts) == 0:
		return errors.New("allowedHosts is empty: list the hosts that tokens may be sent to")
	}
	if o.BaseURL != "" {
		base, err := remote.CheckURL("baseURL", o.BaseURL)
		switch {
		case err != nil:
			return err
		case base.RawQuery != "" || base.ForceQuery || strings.Contains(o.BaseURL, tokenMark):
			return errors.New("baseURL has a query or {token}: put them into the URLs of the requests")
		}
	}
	for i, host := range o.AllowedHosts {
		parsed, err := url.Parse("https://" + host)
		if err != nil || parsed.Host != host || parsed.Hostname() == "" {
			return fmt.Errorf("allowedHosts[%d] is %q: write a host without scheme and path, with a port only where it is not the usual one", i, host)
		}
		h.allowed = append(h.allowed, authority(parsed))
		if parsed.Port() == "" {
			parsed.Scheme = "http" // which checkURL lets through for loopback hosts
			h.allowed = append(h.allowed, authority(parsed))
		}
	}
	claims := map[string]bool{}
	proven := false
	for i, request := range o.Requests {
		prepared, err := h.prepare(request)
		if err != nil {
			return fmt.Errorf("requests[%d].%w", i, err)
		}
		if claims[request.Claim] {
			return fmt.Errorf("requests[%d].claim is %q, as that of an earlier request: each needs a place of its own", i, request.Claim)
		}
		claims[request.Claim] = true
		proven = proven || prepared.carries && len(prepared.Absent) == 0
		h.requests = append(h.requests, prepared)
	}
	if !proven {
		return errors.New("no request proves the token: one has to have {token} in its url or headers, and no absent statuses")
	}
	if err := checkClaimPath("subject", o.Subject); err != nil {
		return err
	}
	if o.Expires != "" {
		if err := checkClaimPath("expires", o.Expires); err != nil {
			return err
		}
	}
	return o.Tokens.Check()
}

func checkClaimPath(field, path string) error {
	if slices.Contains(strings.Split(path, "."), "") {
		return fmt.Errorf("%s is %q: name where it is found in the claims, such as user.id", field, path)
	}
	return nil
}

// isFieldName is RFC 9110 §5.1.
func isFieldName(name string) bool {
	for i := range len(name) {
		if !isTokenCharacter(name[i]) {
			return false
		}
	}
	return name != ""
}

// authority is the host and the port that the URL leads to.
func authority(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	return strings.ToLower(u.Hostname()) + " " + port
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

// read returns the JSON of all pages of one request, nil when it is absent.
func (e *exchange) read(ctx context.Context, request *preparedRequest) ([]byte, error) {
	at := request.expand(e.token)
	var items [][]byte // of the pages of a list
	size := 0
	for page := 1; ; page++ {
		said, err := e.send(ctx, request, at)
		if err != nil {
			return nil, err
		}
		absent, err := request.judge(said)
		switch {
		case err != nil:
			return nil, err
		case absent && page > 1:
			return nil, said.NoAnswer("page %d of a list is missing: the answer has status %d", page, said.Status)
		case absent:
			return nil, nil
		}
		content, err := contentOf(said, request)
		if err != nil {
			return nil, err
		}
		next, err := nextLink(said.Header.Values("Link"))
		if err != nil {
			return nil, said.NoAnswer("%w", err)
		}
		isList := content[0] == '['
		switch {
		case !isList && (page > 1 || next != ""):
			return nil, said.Odd("there are several pages, and one of them is not a list: only lists can be put together")
		case !isList:
			return content, nil
		}
		if size += len(content); size > maxClaimsBytes {
			return nil, said.Odd("the pages have more than %d bytes together", maxClaimsBytes)
		}
		if inside := bytes.TrimSpace(content[1 : len(content)-1]); len(inside) > 0 {
			items = append(items, inside)
		}
		switch {
		case next == "":
			return slices.Concat([]byte("["), bytes.Join(items, []byte(",")), []byte("]")), nil
		case page == request.Pages:
			return nil, said.Odd("the list has more than the %d pages that are allowed", request.Pages)
		}
		if at, err = e.follow(at, next); err != nil {
			return nil, said.NoAnswer("%w", err)
		}
	}
}

// contentOf checks the whole text of an answer.
func contentOf(said *remote.Answer, request *preparedRequest) ([]byte, error) {
	if err := said.CheckLength(); err != nil {
		return nil, err
	}
	parsed, err := document.Parse(said.Body)
	if err != nil {
		return nil, said.Unreadable(err)
	}
	defer parsed.Release()
	root := parsed.Root()
	if request.Claim == "" && !root.IsObject() {
		return nil, said.Odd("the answer becomes the claims: it has to be an object, not %s", remote.KindOf(root))
	}
	return root.Raw(), nil
}

// follow returns where a link on the page at from leads, when it may be asked.
func (h *Source) follow(from, link string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", errors.New("the URL of the page cannot be read") // it was, to send it
	}
	to, err := base.Parse(link)
	if err != nil {
		return "", errors.New("the next page has no valid URL")
	}
	to.Fragment, to.RawFragment = "", ""
	if _, err := remote.CheckURL("the URL of the next page", to.String()); err != nil {
		return "", errors.New("the next page is not at an https URL")
	}
	if !h.allows(to) {
		return "", errors.New("the next page is on a host that allowedHosts does not list")
	}
	return to.String(), nil
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
