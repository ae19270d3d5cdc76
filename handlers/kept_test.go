package handlers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/identity"
)

const subjects = "package kubernetes.authentication\n\nuser.username := input.identity.subject\n"

// reloading is a service with every cache, and its engine.
func reloading(t testing.TB, modules []string, change ...func(*handlers.Options)) (*service, *policy.Engine) {
	t.Helper()
	e := engine(t, policy.Options{Cache: policy.CacheOptions{Bytes: 4 << 20, Entries: 1000}}, modules...)
	change = append(change, caching(4<<20), func(o *handlers.Options) { o.Revisions = e })
	return newService(t, nil, change...), e
}

func load(t testing.TB, e *policy.Engine, modules ...string) {
	t.Helper()
	var content policy.Content
	for i, source := range modules {
		content.Modules = append(content.Modules, policy.Module{Path: fmt.Sprintf("p%d.rego", i), Source: []byte(source)})
	}
	if err := e.Load(t.Context(), content); err != nil {
		t.Fatal(err)
	}
}

// verifications counts how often a token is verified.
func verifications(v *verifier) *int {
	times := new(int)
	v.verify = func(_ context.Context, token string) (identity.Identity, error) {
		*times++
		if identity, ok := v.identities[token]; ok {
			return identity, nil
		}
		return identity.Identity{}, identity.ErrUnknownToken
	}
	return times
}

// TestTokenAnswersHold asks three times, so that the answer is kept, makes a
// change, and asks again.
func TestTokenAnswersHold(t *testing.T) {
	type fixture struct {
		verifier *verifier
		engine   *policy.Engine
	}
	denying := subjects + "\ndeny contains \"no\" if input.identity.subject\n"
	for name, test := range map[string]struct {
		expires time.Duration // of the identity, 0 for never
		policy  string
		change  func(*testing.T, fixture)
		kept    bool
		user    string // after the change, "" for nobody
	}{
		"nothing changed":                  {change: func(*testing.T, fixture) {}, kept: true, user: "alice"},
		"a year later":                     {change: func(*testing.T, fixture) { time.Sleep(365 * 24 * time.Hour) }, kept: true, user: "alice"},
		"other policies":                   {change: func(t *testing.T, f fixture) { load(t, f.engine, subjects, allowAlice) }, kept: true, user: "alice"},
		"a comment":                        {change: func(t *testing.T, f fixture) { load(t, f.engine, subjects+"# A comment.\n") }, kept: true, user: "alice"},
		"the user rule":                    {change: func(t *testing.T, f fixture) { load(t, f.engine, subjects+"\nuser.uid := \"1\"\n") }, user: "alice"},
		"a denial":                         {change: func(t *testing.T, f fixture) { load(t, f.engine, denying) }},
		"a denial goes":                    {policy: denying, change: func(t *testing.T, f fixture) { load(t, f.engine, subjects) }, user: "alice"},
		"the sources, saying the same":     {change: func(_ *testing.T, f fixture) { f.verifier.generation.Add(1) }, user: "alice"},
		"the token is revoked":             {change: func(_ *testing.T, f fixture) { clear(f.verifier.identities); f.verifier.generation.Add(1) }},
		"just before the identity expires": {expires: time.Minute, change: func(*testing.T, fixture) { time.Sleep(time.Minute - 1) }, kept: true, user: "alice"},
		"the identity expires":             {expires: time.Minute, change: func(_ *testing.T, f fixture) { time.Sleep(time.Minute); clear(f.verifier.identities) }},
		"it expires in 1,000 years":        {expires: 1<<63 - 1, change: func(*testing.T, fixture) {}, kept: true, user: "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				verified := identity.Identity{Source: "tokens", Subject: "alice"}
				if test.expires > 0 {
					verified.Expires = time.Now().Add(test.expires)
				}
				if test.expires == 1<<63-1 {
					verified.Expires = time.Now().AddDate(1000, 0, 0)
				}
				f := fixture{verifier: &verifier{identities: map[string]identity.Identity{secretToken: verified}}}
				times := verifications(f.verifier)
				source := subjects
				if test.policy != "" {
					source = test.policy
				}
				var s *service
				s, f.engine = reloading(t, []string{source}, func(o *handlers.Options) { o.Verifier = f.verifier })
				body := tokenReviewBody(t, "v1", secretToken)
				var first string
				for i := range 3 {
					w := s.post(t, "/authenticate", body)
					if i == 0 {
						first = w.Body.String()
					} else if w.Body.String() != first {
						t.Errorf("answer %d is %s, the first was %s", i, w.Body, first)
					}
				}
				if *times != 2 {
					t.Fatalf("verified %d times of three, want twice: an answer is kept when it is asked for again", *times)
				}
				test.change(t, f)
				var answer struct {
					Status struct {
						Authenticated bool
						User          struct{ Username string }
					}
				}
				w := s.post(t, "/authenticate", body)
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
					t.Fatal(err)
				}
				if got := answer.Status; got.User.Username != test.user || got.Authenticated != (test.user != "") {
					t.Errorf("answered %+v, want %q", got, test.user)
				}
				if kept := *times == 2; kept != test.kept {
					t.Errorf("the kept answer was given: %t, want %t", kept, test.kept)
				}
			})
		})
	}
}

func TestTokenAnswersThatAreNotKept(t *testing.T) {
	fault := errors.New("unreachable")
	for name, test := range map[string]struct {
		verify func(token string) (identity.Identity, error)
		policy string
		bodies []string
	}{
		"an unknown token": {verify: func(string) (identity.Identity, error) { return identity.Identity{}, identity.ErrUnknownToken }},
		"a source's fault": {verify: func(string) (identity.Identity, error) { return identity.Identity{}, fault }},
		"another audience": {verify: func(string) (identity.Identity, error) {
			return identity.Identity{Subject: "a", Audiences: []string{"x"}}, nil
		}},
		"a policy's error": {policy: "package kubernetes.authentication\n\nuser.username := sprintf(\"%d\", [to_number(input.identity.subject)])\n"},
		"the clock":        {policy: subjects + "\ndeny contains \"x\" if time.now_ns() < 0\n"},
		"an identity's past": {verify: func(string) (identity.Identity, error) {
			return identity.Identity{Subject: "a", Expires: time.Unix(1, 0)}, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			times := 0
			source := subjects
			if test.policy != "" {
				source = test.policy
			}
			s, _ := reloading(t, []string{source}, func(o *handlers.Options) {
				o.Verifier = &verifier{verify: func(_ context.Context, token string) (identity.Identity, error) {
					times++
					if test.verify == nil {
						return identity.Identity{Subject: "a"}, nil
					}
					return test.verify(token)
				}}
			})
			for range 4 {
				s.post(t, "/authenticate", tokenReviewBody(t, "v1", "any"))
			}
			if times != 4 {
				t.Errorf("verified %d times of four", times)
			}
			s.wantMetric(t, 0, "verdict_cache_hits_total", "cache", "tokenAnswers")
		})
	}
}

// TestReviewsOfOneTokenAreKeptApart: the key is of the whole review.
func TestReviewsOfOneTokenAreKeptApart(t *testing.T) {
	s, _ := reloading(t, []string{subjects}, knowing(secretToken, identity.Identity{Subject: "alice", Audiences: []string{"api"}}))
	for range 3 {
		for body, want := range map[string]bool{
			tokenReviewBody(t, "v1", secretToken, "api"):       true,
			tokenReviewBody(t, "v1", secretToken, "other"):     false,
			tokenReviewBody(t, "v1", secretToken+"x", "api"):   false,
			tokenReviewBody(t, "v1beta1", secretToken, "api"):  true,
			tokenReviewBody(t, "v1", secretToken, "x", "api"):  true,
			tokenReviewBody(t, "v1", secretToken, "api", "no"): true,
		} {
			if got := strings.Contains(s.post(t, "/authenticate", body).Body.String(), `"authenticated":true`); got != want {
				t.Errorf("%s: authenticated is %t, want %t", body, got, want)
			}
		}
	}
	if s.metric(t, "verdict_cache_hits_total", "cache", "tokenAnswers") == 0 {
		t.Error("nothing was kept, so nothing was tested")
	}
}

// TestNoMemoryHoldsTheToken looks for the token in everything that is left of
// requests whose answers are kept. The test itself knows it by its hash alone.
func TestNoMemoryHoldsTheToken(t *testing.T) {
	const length = 48
	token := func() []byte {
		out := make([]byte, length)
		for i := range out {
			out[i] = byte('A' + i*7%26)
		}
		return out
	}
	// In goroutines of their own, whose stacks are gone afterwards.
	apart := func(do func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			do()
		}()
		<-done
	}
	var sum [sha256.Size]byte
	apart(func() { sum = sha256.Sum256(token()) })
	s, _ := reloading(t, []string{subjects}, func(o *handlers.Options) {
		o.Verifier = &verifier{verify: func(_ context.Context, token string) (identity.Identity, error) {
			if sha256.Sum256([]byte(token)) != sum {
				return identity.Identity{}, identity.ErrUnknownToken
			}
			return identity.Identity{Subject: "alice"}, nil
		}}
	})
	apart(func() {
		for range 4 {
			body := append(append([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"`), token()...), `"}}`...)
			if w := s.post(t, "/authenticate", string(body)); !strings.Contains(w.Body.String(), "alice") {
				t.Errorf("answered %s", w.Body)
			}
		}
	})
	s.wantMetric(t, 2, "verdict_cache_hits_total", "cache", "tokenAnswers")
	// Twice: pools keep what they have through one collection.
	runtime.GC()
	runtime.GC()
	runtime.GC()
	file, err := os.Create(filepath.Join(t.TempDir(), "heap"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	debug.WriteHeapDump(file.Fd())
	dump, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(dump), "alice") {
		t.Error("the dump does not even hold the answer, so nothing was tested")
	}
	if bytes.Contains(dump, token()) {
		t.Error("the token is in memory after its requests are over")
	}
	runtime.KeepAlive(s)
}

// TestAccessAnswersHold likewise of access reviews.
func TestAccessAnswersHold(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*testing.T, *policy.Engine)
		kept    bool
		allowed bool
	}{
		"nothing changed": {func(*testing.T, *policy.Engine) {}, true, true},
		"other policies":  {func(t *testing.T, e *policy.Engine) { load(t, e, allowAlice, subjects, placementPolicy) }, true, true},
		"a comment":       {func(t *testing.T, e *policy.Engine) { load(t, e, "# A comment.\n"+allowAlice) }, true, true},
		"broken policies": {func(t *testing.T, e *policy.Engine) {
			_ = e.Load(t.Context(), policy.Content{Modules: []policy.Module{{Path: "x"}}})
		}, true, true},
		"another denial": {func(t *testing.T, e *policy.Engine) {
			load(t, e, allowAlice+"\ndeny contains \"x\" if input.spec.user == \"eve\"\n")
		}, false, true},
		"a denial": {func(t *testing.T, e *policy.Engine) {
			load(t, e, allowAlice+"\ndeny contains \"x\" if input.spec.user == \"alice\"\n")
		}, false, false},
		"no grant any more": {func(t *testing.T, e *policy.Engine) { load(t, e, subjects) }, false, false},
		"there and back": {func(t *testing.T, e *policy.Engine) {
			load(t, e, subjects)
			load(t, e, allowAlice)
		}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, e := reloading(t, []string{allowAlice})
			body := reviewOf("alice", "get")
			for i, hits := range []float64{0, 0, 1, 2} {
				s.post(t, "/authorize", body)
				if got := s.metric(t, "verdict_cache_hits_total", "cache", "answers"); got != hits {
					t.Fatalf("after request %d: %v hits, want %v", i+1, got, hits)
				}
			}
			test.change(t, e)
			w := s.post(t, "/authorize", body)
			if got := strings.Contains(w.Body.String(), `"allowed":true`); got != test.allowed {
				t.Errorf("answered %s, want allowed: %t", w.Body, test.allowed)
			}
			if kept := s.metric(t, "verdict_cache_hits_total", "cache", "answers") == 3; kept != test.kept {
				t.Errorf("the kept answer was given: %t, want %t", kept, test.kept)
			}
		})
	}
}

// paddedNode begins with what is the same for all of them.
func paddedNode(pad int, name, full string) string {
	return fmt.Sprintf(`{"metadata":{"annotations":{"pad":%q},"labels":{"full":%q},"name":%q}}`, strings.Repeat("x", pad), full, name)
}

// TestKnownNodesDecideAlike sends nodes that change between calls to a service
// that keeps them and to one that does not.
func TestKnownNodesDecideAlike(t *testing.T) {
	for name, calls := range map[string][][]string{
		"the same again":                {{paddedNode(300, "a", "no")}, {paddedNode(300, "a", "no")}},
		"one byte is another":           {{paddedNode(300, "a", "no ")}, {paddedNode(300, "a", "yes")}, {paddedNode(300, "a", "no ")}},
		"many with one beginning":       {{paddedNode(300, "a", "no"), paddedNode(300, "b", "yes"), paddedNode(300, "c", "no")}, {paddedNode(300, "c", "no"), paddedNode(300, "b", "yes"), paddedNode(300, "a", "no")}},
		"short ones":                    {{paddedNode(0, "a", "no"), paddedNode(0, "b", "yes")}, {paddedNode(0, "a", "yes"), paddedNode(0, "b", "no")}},
		"a short one before a long one": {{paddedNode(0, "a", "no"), paddedNode(300, "b", "yes")}, {paddedNode(0, "a", "yes"), paddedNode(300, "b", "yes")}},
	} {
		t.Run(name, func(t *testing.T) {
			keeping, _ := reloading(t, []string{placementPolicy})
			plain := newService(t, []string{placementPolicy})
			for range 2 {
				for _, nodes := range calls {
					body := wholeNodes(`{}`, nodes...)
					for _, path := range []string{"/scheduler/filter", "/scheduler/prioritize"} {
						if got, want := keeping.post(t, path, body), plain.post(t, path, body); got.Body.String() != want.Body.String() {
							t.Errorf("%s: kept nodes give %s, want %s", path, got.Body, want.Body)
						}
					}
				}
			}
			if name == "the same again" && keeping.metric(t, "verdict_cache_hits_total", "cache", "nodes") == 0 {
				t.Error("no node was known")
			}
		})
	}
}

// TestNodesGoBackAsTheyCame, whatever stands between and in them.
func TestNodesGoBackAsTheyCame(t *testing.T) {
	odd := func(name, full string) string {
		return fmt.Sprintf("{ \"metadata\" :\t{\"labels\":{\"full\":%q}, \"name\":\"%s\"},\"a\":1.0,\"b\":[ ] }", full, name)
	}
	large := `{"x":"` + strings.Repeat("x", 300<<10) + `","metadata":{"name":"large"}}`
	for name, test := range map[string]struct {
		between []string
		nodes   []string
		full    map[int]bool // by place
	}{
		"nothing between":  {[]string{","}, []string{odd("a", ""), odd("b", ""), odd("c", "")}, nil},
		"spaces":           {[]string{" , ", ",\n", "\t,"}, []string{odd("a", ""), odd("b", ""), odd("c", ""), odd("d", "")}, nil},
		"some, some not":   {[]string{",", ", "}, []string{odd("a", ""), odd("b", ""), odd("c", ""), odd("d", ""), odd("e", "")}, nil},
		"gaps":             {[]string{","}, []string{odd("a", ""), odd("b", "yes"), odd("c", ""), odd("d", "yes")}, map[int]bool{1: true, 3: true}},
		"all full":         {[]string{","}, []string{odd("a", "yes"), odd("b", "yes")}, map[int]bool{0: true, 1: true}},
		"large ones":       {[]string{","}, []string{odd("a", ""), large, odd("b", ""), strings.Replace(large, "large", "larger", 1)}, nil},
		"large and a gap":  {[]string{", "}, []string{large, odd("a", "yes"), odd("b", "")}, map[int]bool{1: true}},
		"an escaped name":  {[]string{","}, []string{odd(`\u0061`, ""), odd("b", "")}, nil},
		"nothing to place": {[]string{","}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := reloading(t, []string{placementPolicy})
			var items strings.Builder
			var want []string
			for i, each := range test.nodes {
				if i > 0 {
					items.WriteString(test.between[i%len(test.between)])
				}
				items.WriteString(each)
				if !test.full[i] {
					want = append(want, each)
				}
			}
			body := `{"Pod":{},"Nodes":{"items":[ ` + items.String() + "\n]}}"
			for range 2 {
				w := s.post(t, "/scheduler/filter", body)
				var answer struct {
					Nodes       struct{ Items []json.RawMessage }
					FailedNodes map[string]string
				}
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
					t.Fatalf("%v: %.500s", err, w.Body)
				}
				if length := w.Header().Get("Content-Length"); length != "" && length != fmt.Sprint(w.Body.Len()) {
					t.Errorf("the Content-Length is %s, and %d bytes came", length, w.Body.Len())
				}
				if len(answer.Nodes.Items) != len(want) || len(answer.FailedNodes) != len(test.full) {
					t.Fatalf("%d nodes are accepted and %d not, want %d and %d", len(answer.Nodes.Items), len(answer.FailedNodes), len(want), len(test.full))
				}
				for i, item := range answer.Nodes.Items {
					if string(item) != want[i] {
						t.Errorf("node %d came as %.100s and goes back as %.100s", i, want[i], item)
					}
				}
			}
		})
	}
}

// TestACallerThatGoesAwayEndsTheDecision looks at what the verifier is told.
func TestACallerThatGoesAwayEndsTheDecision(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	s := newService(t, []string{subjects}, func(o *handlers.Options) {
		o.Verifier = &verifier{verify: func(ctx context.Context, _ string) (identity.Identity, error) {
			close(begun)
			<-ctx.Done()
			ended <- ctx.Err()
			return identity.Identity{}, ctx.Err()
		}}
	})
	ctx, leave := context.WithCancel(t.Context())
	code := s.inBackground(ctx, "/authenticate", tokenReviewBody(t, "v1", "any"))
	waitFor(t, begun, "the verification")
	leave()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the verification ended with %v, want context.Canceled", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the verification goes on")
	}
	if got := <-code; got != http.StatusOK {
		t.Errorf("code is %d", got)
	}
}
