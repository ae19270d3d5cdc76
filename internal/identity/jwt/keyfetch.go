package jwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/policy/document"
)

// How long fetched keys are used before they are fetched again, whatever HTTP
// says: neither does every replica ask all the time, nor is a withdrawn key good
// for days.
const (
	minKeyLifetime     = time.Minute
	maxKeyLifetime     = 24 * time.Hour
	defaultKeyLifetime = time.Hour
)

// discoveryPath is where a discovery document is below its issuer (OpenID
// Connect Discovery 1.0 §4).
const discoveryPath = "/.well-known/openid-configuration"

// keyFetcher gets the keys of one issuer over HTTP.
type keyFetcher struct {
	client *http.Client
	// discoveryURL leads to keysURL; with "" that is fixed.
	discoveryURL string
	keysURL      string
	// issuer has to be that of the discovery document.
	issuer string
	now    func() time.Time
}

// withoutRedirects is client, except that it gives back a redirect as it is: an
// issuer's keys come from where its discovery document or the configuration says.
func withoutRedirects(client *http.Client) *http.Client {
	strict := *client
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &strict
}

// fetch gets the keys. The discovery document is read each time, so that keys
// may move; how long it is good for therefore does not matter. No error holds
// anything of an answer's body.
func (f *keyFetcher) fetch(ctx context.Context) (*keySet, error) {
	asked := f.now()
	keysURL := f.keysURL
	if f.discoveryURL != "" {
		var err error
		if keysURL, err = f.discover(ctx); err != nil {
			return nil, fmt.Errorf("discovery document %s: %w", f.discoveryURL, err)
		}
	}
	content, header, err := f.get(ctx, keysURL)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	set, err := parseKeySet(content)
	if err != nil {
		return nil, fmt.Errorf("keys: the answer %w", err)
	}
	set.asked, set.lifetime = asked, keyLifetime(header, f.now())
	return set, nil
}

// discover returns the "jwks_uri" of the discovery document (OpenID Connect
// Discovery 1.0 §3, §4.3).
func (f *keyFetcher) discover(ctx context.Context) (keysURL string, err error) {
	content, _, err := f.get(ctx, f.discoveryURL)
	if err != nil {
		return "", err
	}
	document, err := document.ParseObject(content)
	if err != nil {
		return "", errors.New("the answer is not a JSON object")
	}
	defer document.Release()
	issuer, err := document.Root().String("issuer")
	switch {
	case err != nil:
		return "", err
	case issuer == f.issuer:
	case strings.TrimSuffix(issuer, "/") == strings.TrimSuffix(f.issuer, "/"):
		return "", fmt.Errorf("its issuer differs from the configured %q by a slash at the end: configure it as the issuer writes it", f.issuer)
	default:
		return "", fmt.Errorf("its issuer is not the configured %q", f.issuer)
	}
	keysURL, err = document.Root().String("jwks_uri")
	if err == nil {
		err = checkKeyURL(keysURL)
	}
	if err != nil {
		return "", fmt.Errorf("its jwks_uri: %w", err)
	}
	return keysURL, nil
}

func (f *keyFetcher) get(ctx context.Context, from string) (content []byte, header http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, nil, errors.New("cannot be asked for")
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, _, err := remote.Send(f.client, request)
	if err != nil {
		return nil, nil, fetchFault(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= 300 && response.StatusCode <= 399:
		return nil, nil, fmt.Errorf("status %d: redirects are not followed", response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("status %d", response.StatusCode)
	}
	content, err = io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, nil, fetchFault(ctx, err)
	}
	if len(content) > maxKeySetBytes {
		return nil, nil, fmt.Errorf("the answer has more than %d bytes", maxKeySetBytes)
	}
	return content, response.Header, nil
}

// fetchFault is why there is no answer, without what differs each time.
func fetchFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return remote.Unreachable(context.Cause(ctx))
	}
	return remote.Unreachable(remote.CauseOf(err))
}

// checkKeyURL says what is wrong with a URL that keys come from. It must not be
// possible to change them on the way; for tests and development a loopback host
// may do without TLS. The error does not quote the URL.
func checkKeyURL(text string) error {
	parsed, err := url.Parse(text)
	switch {
	case err != nil || parsed.Hostname() == "":
		return errors.New("must be a URL with a host")
	case parsed.User != nil:
		return errors.New("must not hold a username or password")
	case parsed.Fragment != "":
		return errors.New("must not have a fragment")
	case parsed.Scheme == "https", parsed.Scheme == "http" && remote.IsLoopback(parsed.Hostname()):
		return nil
	}
	return errors.New("must be https, without which anybody on the way can put in keys (http only at a loopback address)")
}

// keyLifetime is how long an answer is fresh (RFC 9111 §4.2), within bounds.
func keyLifetime(header http.Header, now time.Time) time.Duration {
	lifetime := defaultKeyLifetime
	directives := cacheDirectives(header)
	_, noStore := directives["no-store"]
	_, noCache := directives["no-cache"]
	maxAge, hasMaxAge := directives["max-age"]
	switch {
	case noStore || noCache:
		lifetime = 0
	case hasMaxAge:
		// What a cache on the way kept is as old as it says.
		lifetime = seconds(maxAge) - seconds(header.Get("Age"))
	case header.Get("Expires") != "":
		if date, err := http.ParseTime(header.Get("Date")); err == nil {
			now = date
		}
		lifetime = 0 // when it cannot be read, it is in the past
		if expires, err := http.ParseTime(header.Get("Expires")); err == nil {
			lifetime = expires.Sub(now)
		}
	}
	return min(max(lifetime, minKeyLifetime), maxKeyLifetime)
}

// cacheDirectives are those of Cache-Control, in lower case; the first of each.
func cacheDirectives(header http.Header) map[string]string {
	directives := map[string]string{}
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		name = strings.ToLower(name)
		if _, found := directives[name]; !found {
			directives[name] = strings.Trim(value, `"`)
		}
	}
	return directives
}

// seconds reads delta-seconds (RFC 9111 §1.2.2); 0 when it is none.
func seconds(text string) time.Duration {
	count, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || count > uint64(maxKeyLifetime/time.Second):
		return maxKeyLifetime
	case err != nil:
		return 0
	}
	return time.Duration(count) * time.Second
}
