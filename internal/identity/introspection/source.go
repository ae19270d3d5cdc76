package introspection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// typeName is what the configuration and input.identity.type call the kind.
const typeName = "introspection"

// maxIntrospectionBytes leaves room for thousands of groups.
const maxIntrospectionBytes = 256 << 10

// Options say which authorization server is asked, and what it has
// to say.
type Options struct {
	// Name is what policies, metrics and logs call the source.
	Name string `yaml:"-"`
	// URL is the introspection endpoint.
	URL string `yaml:"url"`
	// ClientID and ClientSecretFile authenticate by HTTP Basic (RFC 6749 §2.3.1).
	// The file's content is the secret, without the newline at its end.
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	// MutualTLS says that the client presents a certificate, which authenticates
	// it instead of a secret (RFC 8705 §2); ClientID is then sent in the form.
	MutualTLS bool `yaml:"-"`
	// Issuer has to be the answer's "iss", when set.
	Issuer string `yaml:"issuer"`
	// Audiences: "aud" has to name one of them, and the token is then good for
	// the API server. When empty, the token is good for what "aud" names, and not
	// limited when the answer has none.
	Audiences []string `yaml:"audiences"`
	// Leeway is how far clocks may differ.
	Leeway sources.Leeway `yaml:"leeway"`
	Tokens remote.Tokens  `yaml:"tokens"`
	// Connection is how New reaches the server.
	Connection remote.Connection `yaml:"connection"`
	// Timeout bounds one verification; 0 means 5 seconds.
	Timeout time.Duration `yaml:"-"`
	// Now is the clock that tokens expire by; nil means time.Now.
	Now func() time.Time `yaml:"-"`
}

// Source asks an authorization server about each token (RFC 7662).
//
// A token is accepted when the answer says "active": true, and nothing else in
// it speaks against the token: "exp" (optional) and "nbf", "iss" and "aud" as
// configured, a "token_type" that is not Bearer, or a "cnf" (RFC 7800). The
// latter two mark tokens that are worth nothing without a proof of a key (RFC
// 8705 §3, RFC 9449 §6.2), of which a TokenReview has none.
//
// The subject is "sub", or "username" when there is no "sub". It is never
// "client_id": a client may bear the name of a user. The claims are the answer as
// it is. An answer that is odd, such as one with neither, refuses its token; what
// is no answer at all, such as a page for people, is a fault.
//
// The methods may be called from several goroutines.
type Source struct {
	options Options
	url     *url.URL
	client  *http.Client
	secret  atomic.Pointer[string]
	files   *filewatch.Files // nil without a secret
}

var _ remote.Source = (*Source)(nil)

// New returns a source that asks by client, which must follow no
// redirects: see NewClient. The secret's file is read before it returns.
func New(options Options, client *http.Client) (*Source, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	i := &Source{options: options, client: client}
	if err := i.configure(); err != nil {
		return nil, fmt.Errorf("identity source %s: %w", options.Name, err)
	}
	if options.ClientSecretFile == "" {
		return i, nil
	}
	i.files = &filewatch.Files{
		Subject: "identity source " + options.Name, Create: "write the client secret into it", Paths: []string{options.ClientSecretFile},
		Limit: filewatch.MaxSmallFile, Take: i.takeSecret,
	}
	if err := i.files.Load(); err != nil {
		return nil, err
	}
	return i, nil
}

func (i *Source) configure() error {
	o := i.options
	var err error
	if i.url, err = remote.CheckURL("url", o.URL); err != nil {
		return err
	}
	switch {
	case o.ClientID == "":
		return errors.New("clientID is missing: set the name under which the authorization server knows Verdict")
	case o.ClientSecretFile == "" && !o.MutualTLS:
		return errors.New("nothing authenticates Verdict, without which no authorization server may answer (RFC 7662 §2.1): set clientSecretFile, or a client certificate for the connection")
	case o.Leeway.Negative():
		return errors.New("the leeway is negative")
	case slices.Contains(o.Audiences, ""):
		return errors.New("audiences has an empty one: remove it")
	}
	return o.Tokens.Check()
}

// takeSecret puts a changed secret in use.
func (i *Source) takeSecret(contents [][]byte) (changed bool, err error) {
	secret := string(bytes.TrimRight(contents[0], "\r\n"))
	if secret == "" {
		return false, fmt.Errorf("%s is empty: write the client secret into it", i.options.ClientSecretFile)
	}
	i.secret.Store(&secret)
	return true, nil
}

// Watch reads the secret again when its file changes, until ctx is done, as
// ConnectionFiles.Watch does. Without a secret it only waits for ctx.
func (i *Source) Watch(ctx context.Context, onReload func(), onError func(error)) {
	if i.files == nil {
		<-ctx.Done()
		return
	}
	i.files.Watch(ctx, onReload, onError)
}

// Name implements Source.
func (i *Source) Name() string { return i.options.Name }

// Applies implements Source.
func (i *Source) Applies(token *sources.Token) bool { return i.options.Tokens.Applies(token) }

// Remote implements Source.
func (i *Source) Remote() bool { return true }

// Ready implements Source: there is nothing to load.
func (i *Source) Ready() error { return nil }

// Generation implements Source. It stays the same: what the server will say next
// cannot be known.
func (i *Source) Generation() uint64 { return 0 }

// Verify implements Source.
func (i *Source) Verify(ctx context.Context, token *sources.Token) (identity.Identity, error) {
	if !i.Applies(token) {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	said, err := i.ask(ctx, token)
	if err != nil {
		return identity.Identity{}, i.named(err)
	}
	verified, err := i.identityOf(said, token)
	switch {
	case err == nil:
		return verified, nil
	case sources.IsEarly(err), remote.IsProvoked(err):
		return identity.Identity{}, i.named(err)
	case errors.Is(err, identity.ErrUnknownToken):
		return identity.Identity{}, err
	}
	return identity.Identity{}, said.Odd("%w", err)
}

// named says whose fault it is.
func (i *Source) named(err error) error {
	return fmt.Errorf("identity source %s: %w", i.Name(), err)
}

// Probe implements Source: it asks about a random token.
func (i *Source) Probe(ctx context.Context) error {
	token, err := i.options.Tokens.Random()
	if err != nil {
		return i.named(err)
	}
	said, err := i.ask(ctx, token)
	if err != nil {
		return i.named(err)
	}
	active, err := isActive(said)
	if err == nil && active {
		err = errors.New("a random token is said to be active")
	}
	if err != nil {
		// It is no refusal of the token, whatever it is.
		return i.named(errors.New("no answer about a random token: " + err.Error()))
	}
	return nil
}

// ask sends the token (RFC 7662 §2.1) and returns what claims to be an answer
// about it (§2.2).
func (i *Source) ask(ctx context.Context, token *sources.Token) (*remote.Answer, error) {
	ctx, cancel := remote.Bounded(ctx, i.options.Timeout)
	defer cancel()
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {"access_token"}}
	secret := i.secret.Load()
	if secret == nil {
		form.Set("client_id", i.options.ClientID)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the request cannot be made") // cannot be, since the URL was checked
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if secret != nil {
		// RFC 6749 §2.3.1 has both form-encoded before they are joined.
		request.SetBasicAuth(url.QueryEscape(i.options.ClientID), url.QueryEscape(*secret))
	}
	said, err := remote.Ask(i.client, request, maxIntrospectionBytes)
	switch {
	case err != nil:
		return nil, err
	case said.Status == http.StatusUnauthorized || said.Status == http.StatusForbidden:
		// Something before the server may answer so because of the token all the same.
		return nil, said.NoAnswer("the answer has status %d, which is not about the token: Verdict's own clientID and secret, or its client certificate, are not accepted", said.Status)
	case said.Status != http.StatusOK:
		return nil, said.Unexpected()
	}
	// A signed answer (application/token-introspection+jwt, RFC 9701) was not
	// asked for, and is not verified.
	if kind, _, err := mime.ParseMediaType(said.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, said.NoAnswer("the answer is not of type application/json")
	}
	return said, nil
}

// isActive reads "active", the one member that every answer has.
func isActive(said *remote.Answer) (bool, error) {
	if err := said.CheckLength(); err != nil {
		return false, err
	}
	parsed, err := document.ParseObject(said.Body)
	if err != nil {
		return false, said.Unreadable(err)
	}
	defer parsed.Release()
	active := parsed.Root().Get("active")
	if active.Absent() {
		return false, errors.New("the answer has no member active")
	}
	switch string(active.Raw()) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("active: must be true or false, not %s", remote.KindOf(active))
}

func (i *Source) identityOf(said *remote.Answer, token *sources.Token) (identity.Identity, error) {
	active, err := isActive(said)
	if err != nil {
		return identity.Identity{}, err
	}
	if !active {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	text, err := remote.WithoutToken(said.Body, token)
	if err != nil {
		return identity.Identity{}, err
	}
	parsed, err := document.ParseObject(text)
	if err != nil {
		return identity.Identity{}, sources.InvalidJSON(err)
	}
	defer parsed.Release()
	verified := identity.Identity{Source: i.Name(), Type: typeName, Claims: identity.NewClaims(string(text))}
	for _, check := range []func(*identity.Identity, document.Value) error{i.checkKind, i.checkTimes, i.checkIssuer, i.checkAudiences, i.setSubject} {
		if err := check(&verified, parsed.Root()); err != nil {
			return identity.Identity{}, err
		}
	}
	return verified, nil
}

func (i *Source) checkKind(_ *identity.Identity, claims document.Value) error {
	kind, err := claims.String("token_type")
	switch {
	case err != nil:
		return err
	case kind != "" && !strings.EqualFold(kind, "Bearer"):
		return sources.Refused("it is not a bearer token")
	}
	// Present is enough, whatever it is.
	confirmation, err := claims.Object("cnf")
	if err != nil || !confirmation.Absent() {
		return sources.Refused("it is bound to a key, of which a review has no proof")
	}
	return nil
}

func (i *Source) checkTimes(verified *identity.Identity, claims document.Value) error {
	now := i.options.Now()
	expires, err := instantAt(claims, "exp")
	if err != nil {
		return err
	}
	begins, err := instantAt(claims, "nbf")
	if err != nil {
		return err
	}
	var issued time.Time
	if i.options.Leeway.IssuedAt != nil {
		if issued, err = instantAt(claims, "iat"); err != nil {
			return err
		}
	}
	from := i.options.Leeway.From(begins, issued)
	switch {
	case !expires.IsZero() && i.options.Leeway.Expired(expires, now):
		return sources.Refused("it expired")
	case now.Before(from):
		return &identity.NotYetValidError{From: from}
	}
	verified.Expires = expires
	return nil
}

// instantAt returns the zero time where there is none.
func instantAt(claims document.Value, key string) (time.Time, error) {
	seconds, has, err := claims.Number(key)
	if err != nil || !has {
		return time.Time{}, err
	}
	instant, err := remote.SinceEpoch(seconds)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", key, err)
	}
	return instant, nil
}

func (i *Source) checkIssuer(_ *identity.Identity, claims document.Value) error {
	issuer, err := claims.String("iss")
	switch {
	case i.options.Issuer == "":
	case err != nil:
		return err
	case issuer != i.options.Issuer:
		return sources.Refused("iss is not the configured issuer")
	}
	return nil
}

func (i *Source) checkAudiences(verified *identity.Identity, claims document.Value) error {
	audiences, err := claims.StringOrStrings("aud")
	switch {
	case err != nil:
		return err
	case audiences != nil && (len(audiences) == 0 || slices.Contains(audiences, "")):
		// Not the same as no limit.
		return sources.Refused("aud names no audience")
	case len(i.options.Audiences) == 0:
	case !slices.ContainsFunc(audiences, func(one string) bool { return slices.Contains(i.options.Audiences, one) }):
		return sources.Refused("aud names none of the configured audiences")
	default:
		verified.AudiencesAccepted = true
	}
	verified.Audiences = audiences
	return nil
}

func (i *Source) setSubject(verified *identity.Identity, claims document.Value) error {
	for _, key := range []string{"sub", "username"} {
		subject, err := claims.String(key)
		switch {
		case err != nil:
			return err
		case strings.Contains(subject, sources.Hidden):
			return fmt.Errorf("%s: holds the token, which must not be shown", key)
		case subject != "":
			verified.Subject = subject
			return nil
		}
	}
	return errors.New("the answer names no user: it has neither sub nor username")
}
