package jwt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// typeName is what the configuration and input.identity.type call the kind.
const typeName = "jwt"

const (
	defaultSubjectClaim  = "sub"
	defaultAudienceClaim = "aud"
	defaultFetchTimeout  = 5 * time.Second
	// clockDifference is how far the clocks of issuers may be ahead, for whether a
	// key could have been published before a token was issued.
	clockDifference = 10 * time.Second
)

// Google's tokens spell their issuer in either way (OpenID Connect Core 1.0
// §15.6.2), and its discovery document in the first.
const (
	googleIssuer      = "https://accounts.google.com"
	googleIssuerShort = "accounts.google.com"
)

// Options say which tokens a JWT source accepts, and where it gets keys.
type Options struct {
	// Issuers are the values that "iss" may have, compared exactly, but for the two
	// spellings of Google's. Without JWKSURL and JWKSFile each one's keys are found
	// by OpenID Connect Discovery.
	Issuers []string `yaml:"issuers"`
	// DiscoveryURL is where the only issuer's discovery document is, when not at
	// the well-known place below the issuer.
	DiscoveryURL string `yaml:"discoveryURL"`
	// JWKSURL and JWKSFile are where the keys of all issuers are. At most one of
	// the three is set. URLs are https, or http at a loopback address.
	JWKSURL  string `yaml:"jwksURL"`
	JWKSFile string `yaml:"jwksFile"`
	// Audiences are accepted when AudienceClaim names one of them. When empty, a
	// token is good for what that claim of its own names.
	Audiences []string `yaml:"audiences"`
	// AudienceClaim is a string or a list of strings; "" means "aud". With
	// AudienceOptional a token without it is good for the API server.
	AudienceClaim    string `yaml:"audienceClaim"`
	AudienceOptional bool   `yaml:"audienceOptional"`
	// Algorithms are those that are accepted (RFC 7518, RFC 8037), of RS, PS and
	// ES with 256, 384 or 512, and EdDSA; empty means all of these.
	Algorithms []string `yaml:"algorithms"`
	// Leeway is how far clocks may differ.
	Leeway sources.Leeway `yaml:"leeway"`
	// RequiredClaims are claims that have to be there, as these very strings.
	RequiredClaims map[string]string `yaml:"requiredClaims"`
	// SubjectClaim becomes the identity's subject; "" means "sub". With
	// SubjectOptional a token without it is taken, and the identity has none.
	SubjectClaim    string `yaml:"subjectClaim"`
	SubjectOptional bool   `yaml:"subjectOptional"`
	// Connection is how New reaches the hosts of the issuers.
	Connection remote.Connection `yaml:"connection"`
	// Client fetches keys; redirects are refused whatever it says. It has to be
	// set unless there is a JWKSFile.
	Client *http.Client `yaml:"-"`
	// Timeout bounds one fetch of keys, that of the discovery document included;
	// 0 means five seconds.
	Timeout time.Duration    `yaml:"-"`
	Metrics *sources.Metrics `yaml:"-"`
	// Now is the clock; nil means time.Now.
	Now func() time.Time `yaml:"-"`
	// OnError gets the reason why keys could not be read, once for each different cause.
	// OnChange reports that the keys of an issuer (of all, joined by commas, when
	// they share them) are others, and how many. Both may be nil, may be called
	// from several goroutines, and must not block for long.
	OnError  func(error)                   `yaml:"-"`
	OnChange func(issuer string, keys int) `yaml:"-"`
}

// Source verifies signed JSON Web Tokens (RFC 7519), as RFC 8725 advises: issuer and
// key belong together, only asymmetric algorithms that fit the key, and no key
// that the token brings along.
//
// Keys are kept in memory and fetched in the background by Run, so that verifying
// waits for an issuer only when a token was signed with a key that is not known.
//
// The methods may be called from several goroutines.
type Source struct {
	name       string
	algorithms map[string]jwtAlgorithm
	rules      claimRules
	now        func() time.Time
	byIssuer   map[string]keyring
	keyrings   []keyring // each once
	remote     bool
}

var _ sources.Source = (*Source)(nil)

// New returns the source called name. Nothing is read or fetched before Load
// or Run.
func New(name string, options Options) (*Source, error) {
	options.setDefaults()
	j := &Source{
		name:       name,
		algorithms: map[string]jwtAlgorithm{},
		rules: claimRules{
			audiences: slices.Clone(options.Audiences), audience: options.AudienceClaim, audienceOptional: options.AudienceOptional,
			leeway: options.Leeway, required: requiredClaims(options.RequiredClaims),
			subject: options.SubjectClaim, subjectOptional: options.SubjectOptional,
		},
		now:      options.Now,
		byIssuer: map[string]keyring{},
		remote:   options.JWKSFile == "",
	}
	for _, algorithm := range options.Algorithms {
		known, ok := jwtAlgorithmOf(algorithm)
		if !ok {
			return nil, fmt.Errorf("identity source %s: algorithm %q: must be one of %s", name, algorithm, strings.Join(jwtAlgorithmNames(), ", "))
		}
		j.algorithms[algorithm] = known
	}
	if err := options.check(); err != nil {
		return nil, fmt.Errorf("identity source %s: %w", name, err)
	}
	j.addKeyrings(&options)
	return j, nil
}

func (o *Options) setDefaults() {
	o.Issuers = oneGoogle(o.Issuers)
	if len(o.Algorithms) == 0 {
		o.Algorithms = jwtAlgorithmNames()
	}
	if o.SubjectClaim == "" {
		o.SubjectClaim = defaultSubjectClaim
	}
	if o.AudienceClaim == "" {
		o.AudienceClaim = defaultAudienceClaim
	}
	if o.Timeout == 0 {
		o.Timeout = defaultFetchTimeout
	}
	if o.Metrics == nil {
		o.Metrics = sources.NewMetrics(nil)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	if o.OnChange == nil {
		o.OnChange = func(string, int) {}
	}
}

// check says what is wrong with the options.
func (o *Options) check() error {
	places := 0
	for _, place := range []string{o.DiscoveryURL, o.JWKSURL, o.JWKSFile} {
		if place != "" {
			places++
		}
	}
	switch {
	case len(o.Issuers) == 0:
		return errors.New("there is no issuer")
	case slices.Contains(o.Issuers, ""):
		return errors.New("an issuer is empty")
	case slices.Contains(o.Audiences, ""):
		return errors.New("an audience is empty")
	case places > 1:
		return errors.New("keys come from one place: a discovery URL, a JWKS URL, or a JWKS file")
	case o.DiscoveryURL != "" && len(o.Issuers) > 1:
		return errors.New("a discovery URL belongs to one issuer")
	case o.Leeway.Negative():
		return errors.New("the leeway is negative")
	case o.Timeout < 0:
		return errors.New("the timeout is negative")
	case o.Client == nil && o.JWKSFile == "":
		return errors.New("there is no HTTP client to fetch keys with")
	}
	seen := map[string]bool{}
	for _, issuer := range o.Issuers {
		if seen[issuer] {
			return fmt.Errorf("issuer %q is there twice", issuer)
		}
		seen[issuer] = true
	}
	for claim := range o.RequiredClaims {
		if claim == "" {
			return errors.New("a required claim has no name")
		}
	}
	return o.checkURLs(places == 0)
}

func (o *Options) checkURLs(discovered bool) error {
	for what, address := range map[string]string{"discovery URL": o.DiscoveryURL, "JWKS URL": o.JWKSURL} {
		if address == "" {
			continue
		}
		if err := checkKeyURL(address); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if !discovered {
		return nil
	}
	for _, issuer := range o.Issuers {
		if err := checkKeyURL(issuer); err != nil {
			return fmt.Errorf("issuer %q: %w", issuer, err)
		}
		if strings.Contains(issuer, "?") {
			return fmt.Errorf("issuer %q: must not have a query, since its discovery document is below it", issuer)
		}
	}
	return nil
}

func (j *Source) addKeyrings(o *Options) {
	events := keyEvents{
		source: j.name, issuer: strings.Join(o.Issuers, ","),
		metrics: o.Metrics, now: o.Now, onError: o.OnError, onChange: o.OnChange,
	}
	if o.JWKSFile != "" {
		j.addKeyring(newFileKeys(o.JWKSFile, events), o.Issuers...)
		return
	}
	fetcher := keyFetcher{client: withoutRedirects(o.Client), now: o.Now}
	if o.JWKSURL != "" {
		fetcher.keysURL = o.JWKSURL
		j.addKeyring(newRemoteKeys(fetcher, o.Timeout, events), o.Issuers...)
		return
	}
	for _, issuer := range o.Issuers {
		events.issuer, fetcher.issuer = issuer, issuer
		fetcher.discoveryURL = o.DiscoveryURL
		if fetcher.discoveryURL == "" {
			fetcher.discoveryURL = strings.TrimSuffix(issuer, "/") + discoveryPath
		}
		j.addKeyring(newRemoteKeys(fetcher, o.Timeout, events), issuer)
	}
}

func (j *Source) addKeyring(keys keyring, issuers ...string) {
	j.keyrings = append(j.keyrings, keys)
	for _, issuer := range issuers {
		j.byIssuer[issuer] = keys
		if issuer == googleIssuer {
			j.byIssuer[googleIssuerShort] = keys
		}
	}
}

// oneGoogle returns the issuers with one of Google's two spellings in place of
// the other or both.
func oneGoogle(issuers []string) []string {
	var out []string
	for _, issuer := range issuers {
		if issuer == googleIssuerShort {
			if slices.Contains(issuers, googleIssuer) {
				continue
			}
			issuer = googleIssuer
		}
		out = append(out, issuer)
	}
	return out
}

// Name implements Source.
func (j *Source) Name() string { return j.name }

// Applies implements Source: the token is a JWT that says it is of one of the
// issuers.
func (j *Source) Applies(token *sources.Token) bool {
	t := jwtIn(token)
	return t != nil && j.byIssuer[t.issuer] != nil
}

// Remote implements Source: with a JWKS file no host is ever asked.
func (j *Source) Remote() bool { return j.remote }

// Waits reports whether verifying the token may need keys that have to be
// fetched: it names no key, or one that is not known.
func (j *Source) Waits(token *sources.Token) bool {
	t := jwtIn(token)
	if t == nil || !j.remote {
		return false
	}
	keys, ok := j.byIssuer[t.issuer]
	return ok && (t.keyID == "" || !keys.current().has(t, j.algorithms[t.algorithm]))
}

// Verify implements Source. The claims are looked at before the signature, since
// that costs less; the reason for a refusal may therefore be what a forged token
// says.
func (j *Source) Verify(ctx context.Context, token *sources.Token) (identity.Identity, error) {
	t := jwtIn(token)
	if t == nil {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	keys, ok := j.byIssuer[t.issuer]
	if !ok {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	if t.header != nil {
		return identity.Identity{}, t.header
	}
	algorithm, ok := j.algorithms[t.algorithm]
	if !ok {
		return identity.Identity{}, sources.Refused("header: alg is not an accepted one")
	}
	now := j.now()
	accepted, err := j.rules.accept(t, now)
	if err != nil {
		return identity.Identity{}, err
	}
	if err := j.checkSignature(ctx, keys, t, algorithm, accepted.issued); err != nil {
		return identity.Identity{}, err
	}
	// After the signature: a caller with a forged token is not told to come back.
	switch {
	case t.isOdd():
		return identity.Identity{}, sources.Refused("it is signed, and its claims are odd: %w", t.odd)
	case now.Before(accepted.from):
		return identity.Identity{}, fmt.Errorf("identity source %s: %w", j.name, &identity.NotYetValidError{From: accepted.from, Fixed: true})
	}
	accepted.identity.Source, accepted.identity.Type = j.name, typeName
	return accepted.identity, nil
}

// checkSignature returns nil when one of the keys signed the token.
func (j *Source) checkSignature(ctx context.Context, keys keyring, t *unverifiedJWT, algorithm jwtAlgorithm, issued time.Time) error {
	outcome := keys.current().check(t, algorithm)
	var looking error
	if outcome == signatureUnknown {
		if looking = keys.lookAgain(ctx); looking != nil && !errors.Is(looking, errLookedJustNow) {
			return looking
		}
		outcome = keys.current().check(t, algorithm)
	}
	switch {
	case outcome == signatureValid:
		return nil
	case outcome == signatureForged:
		keys.reportBadSignature()
		return sources.Refused("it was not signed with the key %s of %s", sources.QuoteShort(t.keyID), sources.QuoteShort(t.issuer))
	// Issuers publish a key before they sign with it.
	case looking != nil && (issued.IsZero() || keys.current().asked.Before(issued.Add(clockDifference))):
		return fmt.Errorf("identity source %s: issuer %s: %w", j.name, sources.QuoteShort(t.issuer), looking)
	case t.keyID == "":
		return sources.Refused("it was not signed with a key of %s that fits its algorithm", sources.QuoteShort(t.issuer))
	}
	return sources.Refused("%s has no key %s that fits its algorithm", sources.QuoteShort(t.issuer), sources.QuoteShort(t.keyID))
}

// Ready implements Source: it returns nil once the keys were looked for, with or
// without success; a JWKS file has to be read.
func (j *Source) Ready() error {
	var missing []error
	for _, keys := range j.keyrings {
		missing = append(missing, keys.ready())
	}
	return errors.Join(missing...)
}

// Generation implements Source: it grows when keys come or go.
func (j *Source) Generation() uint64 {
	var sum uint64
	for _, keys := range j.keyrings {
		if set := keys.current(); set != nil {
			sum += set.generation
		}
	}
	return sum
}

// Load looks for the keys once, which takes at most the timeout. The error is
// that of a JWKS file, or of ctx: an issuer that is down is left to Run, and told
// to OnError.
func (j *Source) Load(ctx context.Context) error {
	failed := make([]error, len(j.keyrings))
	var loading sync.WaitGroup
	for i, keys := range j.keyrings {
		loading.Go(func() { failed[i] = keys.load(ctx) })
	}
	loading.Wait()
	return errors.Join(failed...)
}

// Run keeps the keys up to date until ctx is done, and returns then: it fetches
// them before their lifetime by HTTP runs out, tries again at growing intervals
// when that fails, and reads a JWKS file when it changes. Load need not have been
// called.
func (j *Source) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, keys := range j.keyrings {
		running.Go(func() { keys.run(ctx) })
	}
	running.Wait()
}

// Err returns why the latest look for keys failed, nil when none did. Keys that
// were found before stay in use.
func (j *Source) Err() error {
	var failed []error
	for _, keys := range j.keyrings {
		failed = append(failed, keys.failure())
	}
	return errors.Join(failed...)
}

// Status tells people about the keys, in one line for each issuer (or for all,
// when they share them): how many, how old, and what went wrong lately.
func (j *Source) Status() string {
	lines := make([]string, 0, len(j.keyrings))
	for _, keys := range j.keyrings {
		lines = append(lines, keys.status())
	}
	return strings.Join(lines, "\n")
}
