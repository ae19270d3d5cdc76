package jwt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	identities "github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/identity"
)

const corp = "https://corp.test"

// reports are what a source reported.
type reports struct {
	mu      sync.Mutex
	errors  []string
	changes []string
}

func (t *reports) options(o *Options) {
	o.OnError = func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.errors = append(t.errors, err.Error())
	}
	o.OnChange = func(issuer string, keys int) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.changes = append(t.changes, fmt.Sprintf("%s: %d", issuer, keys))
	}
}

// running runs the source until the test ends.
func running(t *testing.T, source *Source) *Source {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	runs.Go(func() { source.Run(ctx) })
	t.Cleanup(func() { cancel(); runs.Wait() })
	return source
}

func verify(t *testing.T, source *Source, token string) error {
	t.Helper()
	_, err := source.Verify(t.Context(), sources.ParseToken(token))
	if err != nil {
		hidesToken(t, err, token)
	}
	return err
}

// faulty fails unless it cannot be told, now, what the token is.
func faulty(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || errors.Is(err, identity.ErrUnknownToken) || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want a fault with %q in it", err, part)
	}
}

func accepted(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("not accepted: %v", err)
	}
}

func definitely(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, identity.ErrUnknownToken) {
		t.Errorf("got %v, want %v", err, identity.ErrUnknownToken)
	}
}

func fetches(t *testing.T, i *keyIssuer, want int32) {
	t.Helper()
	if got := i.fetches.Load(); got != want {
		t.Errorf("%d fetches, want %d", got, want)
	}
}

func TestJWTRotation(t *testing.T) {
	for name, ids := range map[string][2]string{"with key IDs": {"old", "new"}, "without key IDs": {"", ""}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := newIssuerInMemory(corp, identitytest.JWKOf(ids[0], identitytest.RsaA()))
				issuer.header = http.Header{"Cache-Control": {"max-age=3600"}}
				source := running(t, loaded(t, issuer.newJWT(t, nil)))
				token := func(id string, key any) string {
					header := identitytest.Values{"alg": "RS256", "kid": id}
					if id == "" {
						delete(header, "kid")
					}
					return identitytest.JWTOf(t, key, header, issuer.claims(time.Now(), identitytest.Values{"exp": time.Now().Add(24 * time.Hour).Unix()}))
				}
				oldToken := token(ids[0], identitytest.RsaA())
				accepted(t, verify(t, source, oldToken))
				first := source.Generation()

				time.Sleep(time.Minute)
				issuer.publish(identitytest.JWKOf(ids[0], identitytest.RsaA()), identitytest.JWKOf(ids[1], identitytest.RsaB()))
				newToken := token(ids[1], identitytest.RsaB())
				accepted(t, verify(t, source, newToken))
				accepted(t, verify(t, source, newToken))
				accepted(t, verify(t, source, oldToken))
				fetches(t, issuer, 2)
				if got := source.Generation(); got <= first {
					t.Errorf("generation %d after %d, with another key", got, first)
				}

				// The same keys again, in another order.
				second := source.Generation()
				issuer.publish(identitytest.JWKOf(ids[1], identitytest.RsaB()), identitytest.JWKOf(ids[0], identitytest.RsaA()))
				time.Sleep(time.Hour)
				if got := source.Generation(); got != second || issuer.fetches.Load() < 3 {
					t.Errorf("generation %d after %d with the same keys, %d fetches", got, second, issuer.fetches.Load())
				}

				issuer.publish(identitytest.JWKOf(ids[1], identitytest.RsaB()))
				time.Sleep(time.Hour)
				definitely(t, verify(t, source, oldToken))
				accepted(t, verify(t, source, newToken))
				if got := source.Generation(); got <= second {
					t.Errorf("generation %d after %d, without a key", got, second)
				}
			})
		})
	}
}

// An identity that is kept ends with the key that signed it.
func TestJWTRemovedKeyEndsWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()), identitytest.JWKOf("b", identitytest.RsaB()))
		source := running(t, loaded(t, issuer.newJWT(t, nil)))
		verifier := identities.NewVerifier(identities.NewChain(sources.NewMetrics(nil), source), identities.VerifierOptions{
			TTL: 24 * time.Hour, Budget: cache.Budget{Bytes: 1 << 20, Entries: 10}, MaxVerifications: 1, Timeout: time.Second,
		})
		token := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), identitytest.Values{"exp": time.Now().Add(24 * time.Hour).Unix()}))
		_, err := verifier.Verify(t.Context(), token)
		accepted(t, err)
		issuer.publish(identitytest.JWKOf("b", identitytest.RsaB()))
		_, err = verifier.Verify(t.Context(), token)
		accepted(t, err)
		time.Sleep(defaultKeyLifetime)
		_, err = verifier.Verify(t.Context(), token)
		definitely(t, err)
	})
}

func TestJWTReusedKeyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		issuer.header = http.Header{"Cache-Control": {"max-age=86400"}}
		source := running(t, loaded(t, issuer.newJWT(t, nil)))
		issuer.publish(identitytest.JWKOf("a", identitytest.RsaB()))
		token := identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), nil))
		for range 100 {
			definitely(t, verify(t, source, token))
		}
		synctest.Wait()
		fetches(t, issuer, 1) // too early
		time.Sleep(minKeyLifetime)
		// The first is answered before anybody looks, however many follow.
		definitely(t, verify(t, source, token))
		for range 100 {
			_ = verify(t, source, token)
		}
		synctest.Wait()
		fetches(t, issuer, 2)
		accepted(t, verify(t, source, token))
	})
}

func TestJWTIssuerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		var told reports
		source := running(t, loaded(t, issuer.newJWT(t, told.options)))
		good := identitytest.Values{"alg": "RS256", "kid": "a"}
		token := func(header identitytest.Values, key any) string {
			return identitytest.JWTOf(t, key, header, issuer.claims(time.Now(), nil))
		}
		accepted(t, verify(t, source, token(good, identitytest.RsaA())))

		issuer.answer(http.StatusServiceUnavailable)
		time.Sleep(72 * time.Hour)
		accepted(t, verify(t, source, token(good, identitytest.RsaA())))
		definitely(t, verify(t, source, token(good, identitytest.RsaB())))
		if err := source.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if err := source.Err(); err == nil || !strings.Contains(err.Error(), "status 503") {
			t.Errorf("error %v, want the status", err)
		}
		if status := source.Status(); !strings.Contains(status, corp+": 1 keys, read 71h") && !strings.Contains(status, corp+": 1 keys, read 72h") || !strings.Contains(status, "status 503") {
			t.Errorf("status %q", status)
		}
		synctest.Wait()
		// The retry before may be longer ago than tokens have to wait for.
		_ = verify(t, source, token(identitytest.With(good, identitytest.Values{"kid": "x"}), identitytest.RsaA()))
		asked := issuer.discoveries.Load()
		began := time.Now()
		for i := range 100 {
			faulty(t, verify(t, source, token(identitytest.With(good, identitytest.Values{"kid": fmt.Sprint(i)}), identitytest.RsaA())), "status 503")
		}
		if waited := time.Since(began); waited > 0 || issuer.discoveries.Load() != asked {
			t.Errorf("tokens waited %v and asked %d times", waited, issuer.discoveries.Load()-asked)
		}
		told.mu.Lock()
		if len(told.errors) != 1 || !strings.Contains(told.errors[0], "identity source corp: keys of "+corp+": discovery document "+corp+discoveryPath+": status 503") {
			t.Errorf("told %q, want one cause once", told.errors)
		}
		told.mu.Unlock()

		issuer.answer(http.StatusInternalServerError)
		time.Sleep(2 * maxRetry)
		issuer.answer(0)
		time.Sleep(2 * maxRetry)
		if err := source.Err(); err != nil {
			t.Errorf("still failing: %v", err)
		}
		issuer.answer(http.StatusInternalServerError)
		time.Sleep(2 * time.Hour)
		told.mu.Lock()
		defer told.mu.Unlock()
		if len(told.errors) != 3 {
			t.Errorf("told %q, want three causes", told.errors)
		}
		if want := []string{corp + ": 1"}; !slices.Equal(told.changes, want) {
			t.Errorf("told of changes %q, want %q", told.changes, want)
		}
	})
}

func TestJWTStartsWhileTheIssuerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		issuer.answer(http.StatusServiceUnavailable)
		source := issuer.newJWT(t, nil)
		if err := source.Ready(); !errors.Is(err, identity.ErrNotLoaded) {
			t.Errorf("ready before anything was asked: %v", err)
		}
		identitytest.Must(t, source.Load(t.Context()))
		if err := source.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if got := source.Generation(); got != 0 {
			t.Errorf("generation %d without keys", got)
		}
		token := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), nil))
		faulty(t, verify(t, source, token), "status 503")
		definitely(t, verify(t, source, identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), identitytest.Values{"exp": 0}))))

		running(t, source)
		time.Sleep(maxRetry)
		issuer.answer(0)
		time.Sleep(2 * maxRetry)
		accepted(t, verify(t, source, token))
	})
}

// Without Load, Run looks for the keys at once; without either, a token does.
func TestJWTWithoutLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		token := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), nil))
		source := running(t, issuer.newJWT(t, nil))
		synctest.Wait()
		if err := source.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		fetches(t, issuer, 1)
		accepted(t, verify(t, source, token))

		accepted(t, verify(t, issuer.newJWT(t, nil), token))
		fetches(t, issuer, 2)
	})
}

func TestJWTRetriesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp)
		var asked []time.Time
		issuer.answering = func(w http.ResponseWriter, _ *http.Request) bool {
			asked = append(asked, time.Now())
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		running(t, issuer.newJWT(t, nil))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i, want := range []time.Duration{
			time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second,
			time.Minute, time.Minute, time.Minute,
		} {
			if got := asked[i+1].Sub(asked[i]); got < want || got > want*5/4 {
				t.Errorf("retry %d after %v, want %v and up to a quarter more", i+1, got, want)
			}
		}
	})
}

func TestJWTFloodOfUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		issuer.answering = func(http.ResponseWriter, *http.Request) bool {
			time.Sleep(100 * time.Millisecond)
			return false
		}
		source := loaded(t, issuer.newJWT(t, nil))
		all := issuer.claims(time.Now(), nil)
		var tokens []string
		for i := range 1000 {
			tokens = append(tokens, identitytest.JWTOf(t, nil, identitytest.Values{"alg": "RS256", "kid": fmt.Sprint(i)}, all, "none"))
		}
		flood := func() (definite int32) {
			var no atomic.Int32
			var all sync.WaitGroup
			for _, token := range tokens {
				all.Go(func() {
					switch _, err := source.Verify(t.Context(), sources.ParseToken(token)); {
					case err == nil:
						t.Error("accepted")
					case errors.Is(err, identity.ErrUnknownToken):
						no.Add(1)
					}
				})
			}
			all.Wait()
			return no.Load()
		}
		// They may be signed with a key that is just being published.
		if got := flood(); got != 0 {
			t.Errorf("%d of 1000 were refused for good, want none", got)
		}
		fetches(t, issuer, 1)
		time.Sleep(lookAgainAfter)
		for range 2 {
			if got := flood(); got != 1000 {
				t.Errorf("%d of 1000 were refused for good, want all", got)
			}
			fetches(t, issuer, 2)
			time.Sleep(lookAgainAfter / 2)
		}
		time.Sleep(lookAgainAfter)
		flood()
		fetches(t, issuer, 3)
	})
}

func TestJWTSlowIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		issuer.answering = func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		}
		source := issuer.newJWT(t, func(o *Options) { o.Timeout = 3 * time.Second })
		token := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), nil))

		began := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := source.Verify(short, sources.ParseToken(token))
		faulty(t, err, "deadline exceeded")
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited %v, want as long as the context", waited)
		}
		// The fetch went on, and this joins it.
		faulty(t, verify(t, source, token), "no answer within 3s")
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited %v, want as long as the timeout", waited)
		}
		faulty(t, verify(t, source, token), "no answer within 3s")
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited %v more for an issuer that was slow just now", waited-3*time.Second)
		}
		if got := issuer.discoveries.Load(); got != 1 {
			t.Errorf("asked %d times, want once", got)
		}

		stopped, stop := context.WithCancel(t.Context())
		stop()
		if err := issuer.newJWT(t, nil).Load(stopped); !errors.Is(err, context.Canceled) {
			t.Errorf("loading after the end of its context: %v", err)
		}
	})
}

func TestJWTLifetimes(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"nothing said": {nil, defaultKeyLifetime},
		"max-age":      {http.Header{"Cache-Control": {"public, max-age=7200"}}, 2 * time.Hour},
		"no-store":     {http.Header{"Cache-Control": {"no-store"}}, minKeyLifetime},
		"for ever":     {http.Header{"Cache-Control": {"max-age=31536000"}}, maxKeyLifetime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
				issuer.header = test.header
				running(t, issuer.newJWT(t, nil))
				time.Sleep(test.want * 79 / 100)
				synctest.Wait()
				fetches(t, issuer, 1)
				time.Sleep(test.want * 12 / 100)
				synctest.Wait()
				fetches(t, issuer, 2)
				if got := issuer.discoveries.Load(); got != 2 {
					t.Errorf("the discovery document was read %d times, want 2", got)
				}
			})
		})
	}
}

func TestJWTKeysMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		var paths []string
		issuer.answering = func(_ http.ResponseWriter, r *http.Request) bool {
			paths = append(paths, r.URL.Path)
			return false
		}
		running(t, issuer.newJWT(t, nil))
		synctest.Wait()
		issuer.set(func(i *keyIssuer) { i.discovery = identitytest.Values{"jwks_uri": corp + "/elsewhere"} })
		time.Sleep(defaultKeyLifetime)
		synctest.Wait()
		if want := []string{discoveryPath, "/keys", discoveryPath, "/elsewhere"}; !slices.Equal(paths[:4], want) {
			t.Errorf("asked for %q, want %q", paths, want)
		}
	})
}

func TestJWTWithoutKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		var told reports
		source := running(t, loaded(t, issuer.newJWT(t, told.options)))
		token := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), identitytest.Values{"exp": time.Now().Add(24 * time.Hour).Unix()}))
		accepted(t, verify(t, source, token))
		issuer.publish(identitytest.Values{"kty": "oct", "k": "c2VjcmV0"})
		time.Sleep(defaultKeyLifetime)
		definitely(t, verify(t, source, token))
		told.mu.Lock()
		defer told.mu.Unlock()
		if len(told.errors) != 1 || !strings.Contains(told.errors[0], "none of its 1 keys can verify signatures") {
			t.Errorf("told %q", told.errors)
		}
	})
}

func TestJWTMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuerInMemory(corp, identitytest.JWKOf("a", identitytest.RsaA()))
		registry := prometheus.NewRegistry()
		source := issuer.newJWT(t, func(o *Options) { o.Metrics = sources.NewMetrics(registry) })
		identitytest.Must(t, source.Load(t.Context()))
		issuer.answer(http.StatusNotFound)
		identitytest.Must(t, source.Load(t.Context()))
		got := map[string]float64{}
		families, err := registry.Gather()
		identitytest.Must(t, err)
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				name := family.GetName()
				for _, label := range metric.GetLabel() {
					name += " " + label.GetValue()
				}
				got[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
		want := map[string]float64{
			"verdict_identity_key_fetches_total https://corp.test error corp":        1,
			"verdict_identity_key_fetches_total https://corp.test success corp":      1,
			"verdict_identity_keys_fetched_timestamp_seconds https://corp.test corp": float64(time.Now().Unix()),
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

// Keys change under those who verify: for the race detector.
func TestJWTVerifiesWhileKeysChange(t *testing.T) {
	issuer := newIssuer(t, identitytest.JWKOf("a", identitytest.RsaA()), identitytest.JWKOf("b", identitytest.RsaB()))
	source := loaded(t, issuer.newJWT(t, func(o *Options) { o.OnError = nil }))
	running(t, source)
	a := identitytest.JWTOf(t, identitytest.RsaA(), identitytest.Values{"alg": "RS256", "kid": "a"}, issuer.claims(time.Now(), nil))
	b := identitytest.JWTOf(t, identitytest.RsaB(), identitytest.Values{"alg": "RS256", "kid": "b"}, issuer.claims(time.Now(), nil))
	shared := sources.ParseToken(a)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if _, err := source.Verify(t.Context(), shared); err != nil {
					t.Errorf("a key that is always there: %v", err)
				}
				_, _ = source.Verify(t.Context(), sources.ParseToken(b))
				source.Applies(shared)
				_, _, _ = source.Ready(), source.Generation(), source.Status()
			}
		})
	}
	for i := range 20 {
		if i%2 == 0 {
			issuer.publish(identitytest.JWKOf("a", identitytest.RsaA()))
		} else {
			issuer.publish(identitytest.JWKOf("a", identitytest.RsaA()), identitytest.JWKOf("b", identitytest.RsaB()))
		}
		identitytest.Must(t, source.Load(t.Context()))
	}
	all.Wait()
}
