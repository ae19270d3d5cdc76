package identity

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/identity"
)

// told is a Source that answers what it is told, and counts.
type told struct {
	mu       sync.Mutex
	answer   func(ctx context.Context, token string) (identity.Identity, error)
	calls    atomic.Int32
	gen      atomic.Uint64
	notReady error
}

func (s *told) Name() string                { return "told" }
func (s *told) Applies(*sources.Token) bool { return true }
func (s *told) Remote() bool                { return true }
func (s *told) Ready() error                { return s.notReady }
func (s *told) Generation() uint64          { return s.gen.Load() }
func (s *told) Verify(ctx context.Context, token *sources.Token) (identity.Identity, error) {
	s.calls.Add(1)
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx, token.Reveal())
}

func (s *told) says(answer func(ctx context.Context, token string) (identity.Identity, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func accepts(context.Context, string) (identity.Identity, error) {
	return identity.Identity{Source: "told", Subject: "alice"}, nil
}

func refuses(context.Context, string) (identity.Identity, error) {
	return identity.Identity{}, fmt.Errorf("%w: expired", identity.ErrUnknownToken)
}

func newVerifier(source sources.Source, change func(*VerifierOptions)) *Verifier {
	options := VerifierOptions{
		TTL: 10 * time.Minute, RejectedTTL: 10 * time.Second, Budget: cache.Budget{Bytes: 256 << 20, Entries: 10_000},
		MaxVerifications: 100, Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&options)
	}
	return NewVerifier(NewChain(sources.NewMetrics(nil), source), options)
}

// asked is how often the source is asked when the token is verified once more.
func (s *told) asked(t *testing.T, v *Verifier, token string, want error) int32 {
	t.Helper()
	before := s.calls.Load()
	verified, err := v.Verify(t.Context(), token)
	if !errors.Is(err, want) || want == nil && verified.Subject != "alice" {
		t.Fatalf("got %+v, %v, want %v", verified, err, want)
	}
	return s.calls.Load() - before
}

func TestVerifierKeepsWhatIsAccepted(t *testing.T) {
	for name, test := range map[string]struct {
		expires time.Duration // from the first verification; 0 means never
		until   time.Duration // from the first verification
	}{
		"until it is to be asked again":     {0, 10 * time.Minute},
		"not longer for a longer life":      {time.Hour, 10 * time.Minute},
		"until it expires":                  {time.Minute, time.Minute},
		"not at all when it expired before": {-time.Second, -time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &told{}
				expires := time.Time{}
				if test.expires != 0 {
					expires = time.Now().Add(test.expires)
				}
				source.says(func(context.Context, string) (identity.Identity, error) {
					return identity.Identity{Subject: "alice", Expires: expires}, nil
				})
				v := newVerifier(source, nil)
				began := time.Now()
				verified, err := v.Verify(t.Context(), identitytest.SecretToken)
				identitytest.Must(t, err)
				if !verified.VerifiedUntil.Equal(began.Add(test.until)) || verified.TokenSHA256 != sources.ParseToken(identitytest.SecretToken).SHA256() {
					t.Errorf("got %+v", verified)
				}
				if test.until > 0 {
					time.Sleep(test.until - 1)
					if source.asked(t, v, identitytest.SecretToken, nil) != 0 {
						t.Error("asked again while it was good")
					}
					time.Sleep(time.Nanosecond)
				}
				if source.asked(t, v, identitytest.SecretToken, nil) != 1 {
					t.Error("not asked again")
				}
			})
		})
	}
}

func TestVerifierKeepsNothingWithoutALifetime(t *testing.T) {
	source := &told{}
	v := newVerifier(source, func(o *VerifierOptions) { o.TTL, o.RejectedTTL = 0, 0 })
	source.says(accepts)
	if source.asked(t, v, "token", nil)+source.asked(t, v, "token", nil) != 2 {
		t.Error("a verified token was kept")
	}
	source.says(refuses)
	if source.asked(t, v, "token", identity.ErrUnknownToken)+source.asked(t, v, "token", identity.ErrUnknownToken) != 2 {
		t.Error("a rejected token was kept")
	}
	if len(v.CacheStats()) != 0 {
		t.Errorf("there are caches %v", v.CacheStats())
	}
}

// TestVerifierFollowsGenerations holds which source's changes matter to what.
func TestVerifierFollowsGenerations(t *testing.T) {
	knows, other := &told{}, &told{}
	v := NewVerifier(NewChain(sources.NewMetrics(nil), knows, other), newVerifier(knows, nil).VerifierOptions)
	knows.says(accepts)
	other.says(refuses)
	if knows.asked(t, v, "token", nil) != 1 || knows.asked(t, v, "token", nil) != 0 {
		t.Error("what is accepted is not kept")
	}
	other.gen.Add(1)
	if knows.asked(t, v, "token", nil) != 0 {
		t.Error("what is accepted was dropped for another source's change")
	}
	knows.gen.Add(1)
	if knows.asked(t, v, "token", nil) != 1 {
		t.Error("what is accepted outlived a change of its source")
	}

	knows.says(refuses)
	no := identity.ErrUnknownToken
	if other.asked(t, v, "bad", no) != 1 || other.asked(t, v, "bad", no) != 0 {
		t.Error("what is rejected is not kept")
	}
	for _, source := range []*told{knows, other} {
		source.gen.Add(1)
		if other.asked(t, v, "bad", no) != 1 || other.asked(t, v, "bad", no) != 0 {
			t.Error("what is rejected outlived a change of a source")
		}
	}
	if v.Generation() != 4 {
		t.Errorf("generation %d", v.Generation())
	}
	other.notReady = identity.ErrNotLoaded
	if !errors.Is(v.Ready(), identity.ErrNotLoaded) {
		t.Error("it is ready before its sources are")
	}
}

// TestVerifierTakesTheGenerationFromBefore changes the source while it answers.
func TestVerifierTakesTheGenerationFromBefore(t *testing.T) {
	for name, answer := range map[string]func(context.Context, string) (identity.Identity, error){"accepted": accepts, "rejected": refuses} {
		t.Run(name, func(t *testing.T) {
			source := &told{}
			source.says(func(ctx context.Context, token string) (identity.Identity, error) {
				defer source.gen.Add(1)
				return answer(ctx, token)
			})
			v := newVerifier(source, nil)
			_, want := answer(t.Context(), "")
			if errors.Is(want, identity.ErrUnknownToken) {
				want = identity.ErrUnknownToken
			}
			if source.asked(t, v, "token", want)+source.asked(t, v, "token", want) != 2 {
				t.Error("what was said before a change holds after it")
			}
		})
	}
}

func TestVerifierKeepsRejectionsBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &told{}
		source.says(refuses)
		v := newVerifier(source, nil)
		no := identity.ErrUnknownToken
		asked := source.asked(t, v, "token", no)
		time.Sleep(10*time.Second - 1)
		asked += source.asked(t, v, "token", no)
		if asked != 1 {
			t.Errorf("asked %d times within the lifetime", asked)
		}
		if _, err := v.Verify(t.Context(), "token"); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("got %v, want what was said the first time", err)
		}
		time.Sleep(time.Nanosecond)
		source.says(accepts)
		if source.asked(t, v, "token", nil) != 1 || source.asked(t, v, "token", nil) != 0 {
			t.Error("a rejection outlived its lifetime")
		}
	})
}

func TestVerifierKeepsNoFaults(t *testing.T) {
	source := &told{}
	away := errors.New("the host is away")
	v := newVerifier(source, nil)
	source.says(func(context.Context, string) (identity.Identity, error) {
		return identity.Identity{Subject: "alice"}, away
	})
	for range 3 {
		if source.asked(t, v, "token", away) != 1 {
			t.Error("a fault was kept")
		}
	}
	if verified, _ := v.Verify(t.Context(), "token"); verified.Subject != "" {
		t.Error("an identity with a fault")
	}
	source.says(accepts)
	if source.asked(t, v, "token", nil) != 1 {
		t.Error("a fault was kept")
	}
}

func TestVerifierVerifiesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &told{}
		source.says(func(ctx context.Context, token string) (identity.Identity, error) {
			time.Sleep(time.Second)
			return identity.Identity{Subject: "of " + token}, ctx.Err()
		})
		v := newVerifier(source, nil)
		var reviews sync.WaitGroup
		for i := range 300 {
			token := fmt.Sprintf("token-%d", i%3)
			reviews.Go(func() {
				if verified, err := v.Verify(t.Context(), token); err != nil || verified.Subject != "of "+token {
					t.Errorf("%s: %q, %v", token, verified.Subject, err)
				}
			})
		}
		reviews.Wait()
		if got := source.calls.Load(); got != 3 {
			t.Errorf("3 tokens were verified %d times", got)
		}
	})
}

func TestVerifierOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &told{}
		source.says(func(ctx context.Context, _ string) (identity.Identity, error) {
			select {
			case <-time.After(time.Second):
				return identity.Identity{Subject: "alice"}, nil
			case <-ctx.Done():
				return identity.Identity{}, ctx.Err()
			}
		})
		v := newVerifier(source, nil)
		gone := errors.New("the first caller has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var reviews sync.WaitGroup
		reviews.Go(func() {
			if _, err := v.Verify(ctx, "token"); !errors.Is(err, gone) || errors.Is(err, identity.ErrUnknownToken) {
				t.Errorf("the first caller got %v", err)
			}
			if took := time.Since(bubbleBegan); took != time.Second/2 {
				t.Errorf("the first caller waited %s", took)
			}
		})
		synctest.Wait()
		reviews.Go(func() {
			if verified, err := v.Verify(t.Context(), "token"); err != nil || verified.Subject != "alice" {
				t.Errorf("the second caller got %v", err)
			}
		})
		time.Sleep(time.Second / 2)
		cancel(gone)
		reviews.Wait()
		if got := source.calls.Load(); got != 1 {
			t.Errorf("verified %d times", got)
		}
		// Even when everybody has gone, what was found out is kept.
		ctx, cancel = context.WithCancelCause(t.Context())
		cancel(gone)
		if _, err := v.Verify(ctx, "other"); !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		time.Sleep(2 * time.Second)
		if source.asked(t, v, "other", nil) != 0 {
			t.Error("a verification that nobody waited for was lost")
		}
	})
}

func TestVerifierLimitsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &told{}
		source.says(func(ctx context.Context, _ string) (identity.Identity, error) {
			<-ctx.Done()
			return identity.Identity{}, ctx.Err()
		})
		v := newVerifier(source, nil)
		_, err := v.Verify(t.Context(), "token")
		if took := time.Since(bubbleBegan); !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
			t.Errorf("got %v after %s", err, took)
		}
	})
}

func TestVerifierIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		source := &told{}
		source.says(func(context.Context, string) (identity.Identity, error) {
			<-release
			return identity.Identity{Subject: "alice"}, nil
		})
		v := newVerifier(source, nil)
		var reviews sync.WaitGroup
		for i := range 100 {
			reviews.Go(func() {
				if _, err := v.Verify(t.Context(), fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for i := range 10 {
			if _, err := v.Verify(t.Context(), fmt.Sprint("more", i)); !errors.Is(err, sources.ErrBusy) || errors.Is(err, identity.ErrUnknownToken) {
				t.Errorf("got %v, want %v", err, sources.ErrBusy)
			}
		}
		// Whoever waits for one of the hundred is no more.
		reviews.Go(func() {
			if _, err := v.Verify(t.Context(), "7"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(release)
		reviews.Wait()
		if got := source.asked(t, v, "more0", nil); got != 1 {
			t.Errorf("asked %d times: ErrBusy was kept", got)
		}
		if v.verifying.Load() != 0 {
			t.Errorf("%d are being verified", v.verifying.Load())
		}
	})
}

// TestVerifierKeepsAcceptedTokensInAFlood is the attack on the cache: anybody can
// send tokens that nobody knows.
func TestVerifierKeepsAcceptedTokensInAFlood(t *testing.T) {
	source := &told{}
	source.says(func(ctx context.Context, token string) (identity.Identity, error) {
		if strings.HasPrefix(token, "good") {
			return accepts(ctx, token)
		}
		return refuses(ctx, token)
	})
	v := newVerifier(source, nil)
	const good, bad = 1000, 60_000
	for i := range good {
		_ = source.asked(t, v, fmt.Sprint("good", i), nil)
	}
	for i := range bad {
		if _, err := v.Verify(t.Context(), fmt.Sprint("bad", i)); !errors.Is(err, identity.ErrUnknownToken) {
			t.Fatal(err)
		}
	}
	before := source.calls.Load()
	for i := range good {
		_ = source.asked(t, v, fmt.Sprint("good", i), nil)
	}
	if again := source.calls.Load() - before; again > 0 {
		t.Errorf("%d of %d good tokens were evicted", again, good)
	}
	stats := v.CacheStats()
	if got := stats["identities"](); got.Entries != good || got.Evictions != 0 {
		t.Errorf("identities: %+v", got)
	}
	rejected := stats["rejectedTokens"]()
	for began := time.Now(); rejected.Entries > v.Budget.Entries*11/10 && time.Since(began) < identitytest.Patience; rejected = stats["rejectedTokens"]() {
		time.Sleep(time.Millisecond) // evictions are made behind the scenes
	}
	if rejected.Entries > v.Budget.Entries*11/10 || rejected.Entries == 0 || rejected.Bytes > rejected.Limit*11/10 {
		t.Errorf("rejected: %+v", rejected)
	}
}

func TestVerifierTakesAPanicForAFault(t *testing.T) {
	source := &told{}
	source.says(func(_ context.Context, token string) (identity.Identity, error) { panic(token) })
	v := newVerifier(source, nil)
	for range 2 {
		_, err := v.Verify(t.Context(), identitytest.SecretToken)
		identitytest.IsFault(t, err, "panicked")
	}
	if v.verifying.Load() != 0 {
		t.Error("a panic counts as being verified for ever")
	}
	source.says(accepts)
	if source.asked(t, v, identitytest.SecretToken, nil) != 1 {
		t.Error("a panic was kept")
	}
}

func TestVerifierConcurrently(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	source := &told{}
	source.says(func(_ context.Context, token string) (identity.Identity, error) {
		switch token[len(token)-1] {
		case '0', '1':
			return identity.Identity{}, identity.ErrUnknownToken
		case '2':
			return identity.Identity{}, identitytest.ErrAway
		}
		return identity.Identity{Subject: token}, nil
	})
	v := newVerifier(source, nil)
	var reviews sync.WaitGroup
	for range 8 {
		reviews.Go(func() {
			for i := range 500 {
				token := fmt.Sprint("token", i%50)
				verified, err := v.Verify(t.Context(), token)
				if err == nil && verified.Subject != token || err != nil && token[len(token)-1] > '2' {
					t.Errorf("%s: %q, %v", token, verified.Subject, err)
				}
				source.gen.Add(1)
			}
		})
	}
	reviews.Wait()
}

// TestVerifierHoldsNoToken looks at all that can be reached from a Verifier that
// has seen tokens.
func TestVerifierHoldsNoToken(t *testing.T) {
	synctest.Test(t, holdsNoToken)
}

func holdsNoToken(t *testing.T) {
	source := &told{}
	v := newVerifier(source, nil)
	source.says(accepts)
	_ = source.asked(t, v, identitytest.SecretToken, nil)
	source.says(refuses)
	_ = source.asked(t, v, "x"+identitytest.SecretToken, identity.ErrUnknownToken)
	synctest.Wait() // what verified them is done
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if strings.Contains(fmt.Sprintf(verb, v)+fmt.Sprintf(verb, *v.chain)+fmt.Sprintf(verb, v.accepted)+fmt.Sprintf(verb, v.rejected), identitytest.SecretToken) {
			t.Errorf("%s prints the token", verb)
		}
	}
	seen := &reach{visited: map[place]bool{}, want: identitytest.SecretToken}
	seen.walk(reflect.ValueOf(v), "v", 0)
	for _, at := range seen.found {
		t.Errorf("the token is at %s", at)
	}
	// The keys, as what is looked up by them shows.
	digest := sources.ParseToken(identitytest.SecretToken).SHA256()
	key := v.sealer.Key(digest[:])
	if _, ok := v.accepted.Get(key); !ok || key == digest {
		t.Error("the key is not what the token is kept by, or is its plain digest")
	}
	if newVerifier(source, nil).sealer.Key(digest[:]) == key {
		t.Error("two processes have one key")
	}
	if seen.strings < 10 {
		t.Errorf("only %d texts were found: the test sees nothing", seen.strings)
	}
}

// place is where a pointer leads.
type place struct {
	address uintptr
	kind    reflect.Type
}

// reach walks values, unexported fields included.
type reach struct {
	visited map[place]bool
	want    string
	strings int
	found   []string
}

func (r *reach) walk(v reflect.Value, path string, depth int) {
	if depth > 40 || len(path) > 2000 {
		return
	}
	look := func(text string) {
		r.strings++
		if strings.Contains(text, r.want[len(r.want)-16:]) {
			r.found = append(r.found, path)
		}
	}
	switch v.Kind() {
	case reflect.String:
		look(v.String())
	case reflect.Pointer:
		at := place{v.Pointer(), v.Type()}
		if v.IsNil() || r.visited[at] {
			return
		}
		r.visited[at] = true
		r.walk(v.Elem(), path+"*", depth+1)
	case reflect.Interface:
		if !v.IsNil() {
			r.walk(v.Elem(), path, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.walk(v.Field(i), path+"."+v.Type().Field(i).Name, depth+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			text := make([]byte, v.Len())
			for i := range text {
				text[i] = byte(v.Index(i).Uint())
			}
			look(string(text))
			return
		}
		for i := range min(v.Len(), 1000) {
			r.walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			r.walk(entries.Key(), path+"[key]", depth+1)
			r.walk(entries.Value(), path+"[value]", depth+1)
		}
	default:
	}
}
