package jwt

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// keyIssuer publishes keys. It serves over TLS, or in memory for a fake clock.
type keyIssuer struct {
	url    string
	client *http.Client

	discoveries, fetches atomic.Int32

	mu        sync.Mutex
	keys      []any
	header    http.Header
	status    int                 // of all answers; 0 for 200
	body      []byte              // in place of the keys
	discovery identitytest.Values // what differs in the discovery document
	answering func(http.ResponseWriter, *http.Request) bool
}

func newIssuer(tb testing.TB, keys ...any) *keyIssuer {
	tb.Helper()
	i := &keyIssuer{keys: keys}
	server := httptest.NewTLSServer(i)
	tb.Cleanup(server.Close)
	i.url, i.client = server.URL, server.Client()
	return i
}

func newIssuerInMemory(url string, keys ...any) *keyIssuer {
	i := &keyIssuer{url: url, keys: keys}
	i.client = &http.Client{Transport: i}
	return i
}

// set changes the issuer.
func (i *keyIssuer) set(change func(*keyIssuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *keyIssuer) publish(keys ...any) { i.set(func(i *keyIssuer) { i.keys = keys }) }
func (i *keyIssuer) answer(status int)   { i.set(func(i *keyIssuer) { i.status = status }) }

// RoundTrip implements http.RoundTripper.
func (i *keyIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	return w.Result(), nil
}

func (i *keyIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys, header, status, body, discovery, answering := slices.Clone(i.keys), i.header.Clone(), i.status, i.body, i.discovery, i.answering
	i.mu.Unlock()
	isKeys := r.URL.Path == "/keys"
	if isKeys {
		i.fetches.Add(1)
	} else {
		i.discoveries.Add(1)
	}
	if answering != nil && answering(w, r) {
		return
	}
	maps.Copy(w.Header(), header)
	switch {
	case status != 0:
		w.WriteHeader(status)
	case isKeys && body != nil:
		_, _ = w.Write(body)
	case isKeys:
		answerJSON(w, identitytest.Values{"keys": keys})
	case r.URL.Path == discoveryPath:
		answerJSON(w, identitytest.With(identitytest.Values{"issuer": i.url, "jwks_uri": i.url + "/keys"}, discovery))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func answerJSON(w http.ResponseWriter, value identitytest.Values) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(err) // a mistake in the test
	}
}

// claims are those of a good token.
func (i *keyIssuer) claims(now time.Time, others identitytest.Values) identitytest.Values {
	return identitytest.With(identitytest.Values{"iss": i.url, "sub": "alice", "aud": "api", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}, others)
}

// newJWT is a source for the issuer's tokens.
func (i *keyIssuer) newJWT(tb testing.TB, change func(*Options)) *Source {
	tb.Helper()
	options := Options{
		Issuers: []string{i.url}, Client: i.client, Leeway: evenLeeway(10 * time.Second), Timeout: 5 * time.Second,
		OnError: func(err error) { tb.Logf("told: %v", err) },
	}
	if change != nil {
		change(&options)
	}
	source, err := New("corp", options)
	if err != nil {
		tb.Fatal(err)
	}
	return source
}

// evenLeeway is the same for every claim.
func evenLeeway(d time.Duration) sources.Leeway {
	return sources.Leeway{Expires: d, NotBefore: d, IssuedAt: &d}
}
