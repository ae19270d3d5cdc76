package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	identities "github.com/verdict-dev/verdict/internal/identity"
	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/identity"
)

// cluster is a SecretWatcher that a test plays.
type cluster struct {
	missing error
	running chan sources.SecretReceiver
}

func (c *cluster) Run(ctx context.Context, receiver sources.SecretReceiver) {
	c.running <- receiver
	<-ctx.Done()
}
func (c *cluster) Ready() error   { return c.missing }
func (c *cluster) Status() string { return "last contact 3s ago" }

// secretsUnderTest are Secrets, and what they refused.
type secretsUnderTest struct {
	*secretSource
	t       *testing.T
	cluster *cluster
	refused []string
}

func newSecrets(t *testing.T, options Options) *secretsUnderTest {
	t.Helper()
	s := &secretsUnderTest{t: t, cluster: &cluster{}}
	options.OnRefused = func(err error) { s.refused = append(s.refused, err.Error()) }
	options.Now = func() time.Time { return identitytest.Noon }
	var err error
	s.secretSource, err = newSource("team", s.cluster, options)
	identitytest.Must(t, err)
	return s
}

// put makes a Secret of the token or changes it; more are pairs of its data.
func (s *secretsUnderTest) put(name, token, username string, more ...string) {
	data := dataOf(append([]string{"sha256", userlist.NewEntry(token, username).SHA256, "username", username}, more...)...)
	s.SecretChanged(sources.TokenSecret{Namespace: "tokens", Name: name, Type: sources.TokenSecretType, Data: data})
}

// user returns whom the token is of, "" for nobody.
func (s *secretsUnderTest) user(token string) string {
	s.t.Helper()
	verified, err := s.Verify(s.t.Context(), sources.ParseToken(token))
	if err != nil && !errors.Is(err, identity.ErrUnknownToken) {
		s.t.Errorf("verifying %s: %v", token, err)
	}
	return verified.Subject
}

// expectRefused compares what was refused since the last call.
func (s *secretsUnderTest) expectRefused(want ...string) {
	s.t.Helper()
	for i := range want {
		want[i] = "identity source team: Secret tokens/" + want[i]
	}
	if !slices.Equal(s.refused, want) {
		s.t.Errorf("refused\n%q\nwant\n%q", s.refused, want)
	}
	s.refused = nil
}

func TestSecretsVerify(t *testing.T) {
	s := newSecrets(t, Options{GroupPrefixes: []string{"team-"}})
	s.put("a", "vdt_alice", "alice", "uid", "7", "groups", "team-a\nteam-b", "audiences", "api", "expires", "2030-06-01T13:00:00Z", "extra", `{"x":["y"]}`)
	s.put("expired", "vdt_expired", "erin", "expires", "2030-06-01T12:00:00Z")
	s.expectRefused()

	verified, err := s.Verify(t.Context(), sources.ParseToken("vdt_alice"))
	identitytest.Must(t, err)
	want := identitytest.Claims(t, map[string]any{
		"username": "alice", "uid": "7", "groups": []any{"team-a", "team-b"}, "extra": map[string]any{"x": []any{"y"}},
	})
	if verified.Source != "team" || verified.Type != "secrets" || verified.Subject != "alice" || !identitytest.SameClaims(t, verified.Claims, want) ||
		!slices.Equal(verified.Audiences, []string{"api"}) || !verified.Expires.Equal(identitytest.Noon.Add(time.Hour)) {
		t.Errorf("verified %+v", verified)
	}
	for _, token := range []string{"vdt_other", "", userlist.NewEntry("vdt_alice", "a").SHA256} {
		if _, err := s.Verify(t.Context(), sources.ParseToken(token)); err != identity.ErrUnknownToken { //nolint:errorlint // as it is
			t.Errorf("%q: %v", token, err)
		}
	}
	if _, err := s.Verify(t.Context(), sources.ParseToken("vdt_expired")); !errors.Is(err, identity.ErrUnknownToken) || !strings.Contains(err.Error(), "expired at 2030-06-01T12:00:00Z") {
		t.Errorf("an expired token: %v", err)
	}
	if s.Name() != "team" || s.Remote() || !s.Applies(sources.ParseToken("x.y.z")) {
		t.Error("a source of another kind")
	}
}

func TestSecretsBeforeAllAreKnown(t *testing.T) {
	s := newSecrets(t, Options{})
	s.cluster.missing = errors.New("waiting for the API server")
	s.put("a", "vdt_alice", "alice")
	if err := s.Ready(); !errors.Is(err, identity.ErrNotLoaded) || !strings.Contains(err.Error(), "team") || !strings.Contains(err.Error(), "waiting for the API server") {
		t.Errorf("Ready returns %v", err)
	}
	for _, token := range []string{"vdt_alice", "vdt_bob"} {
		if _, err := s.Verify(t.Context(), sources.ParseToken(token)); err == nil || errors.Is(err, identity.ErrUnknownToken) {
			t.Errorf("%s: %v, want a fault", token, err)
		}
	}
	s.cluster.missing = nil
	if s.Ready() != nil || s.user("vdt_alice") != "alice" {
		t.Error("nothing is known, though all Secrets are")
	}
}

func TestSecretsRefuseWhatIsNotRight(t *testing.T) {
	const prefixes = `begins with none of "team-" "squad-"`
	tests := map[string]struct {
		options Options
		secret  sources.TokenSecret
		want    string
		state   string
	}{
		"another type": {
			secret: sources.TokenSecret{Type: "Opaque", Data: dataOf("sha256", identitytest.HashA, "username", "vdt_secret")},
			want:   "is of another type than verdict.dev/token", state: "type",
		},
		"malformed": {
			secret: sources.TokenSecret{Type: sources.TokenSecretType, Data: dataOf("sha256", "vdt_secret", "group", "a")},
			want:   "sha256: " + userlist.WantDigest + `; username: is missing; data: unknown key "group"`, state: "malformed",
		},
		"a group, where none may be": {
			secret: sources.TokenSecret{Type: sources.TokenSecretType, Data: dataOf("sha256", identitytest.HashA, "username", "vdt_secret", "groups", "team-a")},
			want:   "groups: no group may be named here", state: "group",
		},
		"a group of others": {
			options: Options{GroupPrefixes: []string{"team-", "squad-"}},
			secret:  sources.TokenSecret{Type: sources.TokenSecretType, Data: dataOf("sha256", identitytest.HashA, "username", "a", "groups", "team-a\nvdt_secret")},
			want:    "groups, line 2: " + prefixes, state: "group",
		},
		"a group in another case": {
			options: Options{GroupPrefixes: []string{"team-", "squad-"}},
			secret:  sources.TokenSecret{Type: sources.TokenSecretType, Data: dataOf("sha256", identitytest.HashA, "username", "a", "groups", "TEAM-a")},
			want:    "groups, line 1: " + prefixes, state: "group",
		},
		"a username of others": {
			options: Options{UsernamePrefixes: []string{"team-", "squad-"}},
			secret:  sources.TokenSecret{Type: sources.TokenSecretType, Data: dataOf("sha256", identitytest.HashA, "username", "vdt_secret")},
			want:    "username: " + prefixes, state: "username",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			test.options.Metrics = sources.NewMetrics(registry)
			s := newSecrets(t, test.options)
			s.put("right", "vdt_alice", "team-alice")
			test.secret.Namespace, test.secret.Name = "tokens", "wrong"
			generation := s.Generation()
			s.SecretChanged(test.secret)
			s.expectRefused("wrong is refused: " + test.want)
			s.SecretChanged(test.secret) // its annotations changed
			s.expectRefused()
			if s.user("vdt_alice") != "team-alice" {
				t.Error("another Secret is refused with it")
			}
			if s.Generation() != generation {
				t.Error("the generation grew, and no token changed")
			}
			if got, want := s.Status(), "identity source team: 1 tokens, 1 Secrets refused, last contact 3s ago"; got != want {
				t.Errorf("the status is %q, want %q", got, want)
			}
			if got, want := secretStates(t, registry), "accepted=1 "+test.state+"=1"; got != want {
				t.Errorf("the metrics say %s, want %s", got, want)
			}
			// Put right, and gone.
			s.put("wrong", "vdt_bob", "team-bob")
			if s.user("vdt_bob") != "team-bob" || s.Generation() != generation+1 {
				t.Error("a Secret that was put right has no effect")
			}
			if got, want := secretStates(t, registry), "accepted=2"; got != want {
				t.Errorf("the metrics say %s, want %s", got, want)
			}
			s.SecretRemoved("tokens", "wrong")
			s.SecretChanged(test.secret)
			s.SecretRemoved("tokens", "wrong")
			if got, want := secretStates(t, registry), "accepted=1"; got != want || len(s.secrets) != 1 || len(s.holders) != 1 {
				t.Errorf("%s is left, want %s", got, want)
			}
		})
	}
}

// secretStates are the states of the metric that have Secrets.
func secretStates(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	identitytest.Must(t, err)
	var states []string
	for _, family := range families {
		if family.GetName() != "verdict_identity_secrets" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetGauge().GetValue() != 0 {
				states = append(states, fmt.Sprintf("%s=%v", metric.GetLabel()[1].GetValue(), metric.GetGauge().GetValue()))
			}
		}
	}
	return strings.Join(states, " ")
}

func TestSecretsRefuseBothOfOneToken(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newSecrets(t, Options{Metrics: sources.NewMetrics(registry)})
	const both = " too: each token is one user's, so both are refused"
	s.put("a", "vdt_shared", "alice")
	s.put("b", "vdt_shared", "bob")
	s.expectRefused("b is refused: sha256: is that of Secret tokens/a"+both, "a is refused: sha256: is that of Secret tokens/b"+both)
	if got := s.user("vdt_shared"); got != "" {
		t.Errorf("the token of two is %s's", got)
	}
	if got, want := secretStates(t, registry), "duplicate=2"; got != want {
		t.Errorf("the metrics say %s, want %s", got, want)
	}
	generation := s.Generation()
	s.put("b", "vdt_shared", "bob") // nothing new
	s.expectRefused()
	s.put("c", "vdt_shared", "carol")
	s.expectRefused("c is refused: sha256: is that of Secret tokens/a" + both)
	s.SecretRemoved("tokens", "a")
	if s.user("vdt_shared") != "" || s.Generation() != generation {
		t.Error("a token of two Secrets is in effect")
	}
	s.put("b", "vdt_own", "bob")
	s.expectRefused()
	if shared, own := s.user("vdt_shared"), s.user("vdt_own"); shared != "carol" || own != "bob" || s.Generation() != generation+1 {
		t.Errorf("the tokens are those of %q and %q, generation %d", shared, own, s.Generation())
	}
	if got, want := secretStates(t, registry), "accepted=2"; got != want {
		t.Errorf("the metrics say %s, want %s", got, want)
	}
	// One that is refused for itself is no second one.
	s.put("d", "vdt_own", "mallory", "groups", "admins")
	s.expectRefused("d is refused: groups: no group may be named here")
	if got := s.user("vdt_own"); got != "bob" {
		t.Errorf("the token is %q's beside a refused Secret", got)
	}
}

func TestSecretsGeneration(t *testing.T) {
	s := newSecrets(t, Options{GroupPrefixes: []string{"team-"}})
	step := func(what string, grows bool, change func()) {
		t.Helper()
		before := s.Generation()
		change()
		if got := s.Generation() > before; got != grows {
			t.Errorf("%s: the generation grows: %t, want %t", what, got, grows)
		}
	}
	step("a Secret", true, func() { s.put("a", "vdt_a", "alice") })
	step("the same again", false, func() { s.put("a", "vdt_a", "alice") })
	step("a group", true, func() { s.put("a", "vdt_a", "alice", "groups", "team-a") })
	step("an audience", true, func() { s.put("a", "vdt_a", "alice", "groups", "team-a", "audiences", "api") })
	step("an expiry", true, func() { s.put("a", "vdt_a", "alice", "expires", "2031-01-01T00:00:00Z") })
	step("another form of the expiry", false, func() { s.put("a", "vdt_a", "alice", "expires", "2031-01-01T01:00:00+01:00\n") })
	step("another token", true, func() { s.put("a", "vdt_b", "alice") })
	step("a refused one", false, func() { s.put("b", "vdt_c", "bob", "groups", "admins") })
	step("no longer refused", true, func() { s.put("b", "vdt_c", "bob") })
	step("refused", true, func() { s.put("b", "vdt_c", "bob", "groups", "admins") })
	step("a refused one removed", false, func() { s.SecretRemoved("tokens", "b") })
	step("an unknown one removed", false, func() { s.SecretRemoved("tokens", "z") })
	step("removed", true, func() { s.SecretRemoved("tokens", "a") })
	if s.user("vdt_b") != "" {
		t.Error("the token of a Secret that is gone is good")
	}
}

// What the Verifier keeps ends with the Secret.
func TestSecretsRevokeAtOnce(t *testing.T) {
	s := newSecrets(t, Options{})
	s.put("a", "vdt_a", "alice")
	s.put("b", "vdt_b", "bob")
	verifier := identities.NewVerifier(identities.NewChain(sources.NewMetrics(nil), s), identities.VerifierOptions{
		TTL: time.Hour, RejectedTTL: time.Hour, Budget: cache.Budget{Bytes: 32 << 20, Entries: 100}, MaxVerifications: 10, Timeout: time.Minute,
		Now: func() time.Time { return identitytest.Noon },
	})
	verify := func(token string, known bool) {
		t.Helper()
		if _, err := verifier.Verify(t.Context(), token); (err == nil) != known {
			t.Errorf("%s: %v, want it known: %t", token, err, known)
		}
	}
	verify("vdt_a", true)
	verify("vdt_c", false)
	s.SecretRemoved("tokens", "a")
	verify("vdt_a", false)
	verify("vdt_b", true)
	s.put("c", "vdt_c", "carol")
	verify("vdt_c", true)
}

func TestSecretsRun(t *testing.T) {
	s := newSecrets(t, Options{})
	s.cluster.running = make(chan sources.SecretReceiver)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	if receiver := <-s.cluster.running; receiver != sources.SecretReceiver(s.secretSource) {
		t.Errorf("the watcher tells %v", receiver)
	}
	cancel()
	running.Wait()
}

func TestSecretsVerifyWhileTheyChange(t *testing.T) {
	s := newSecrets(t, Options{})
	s.put("always", "vdt_always", "alice")
	var done atomic.Bool
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for !done.Load() {
				if _, err := s.Verify(t.Context(), sources.ParseToken("vdt_always")); err != nil {
					t.Errorf("a token in every state: %v", err)
					return
				}
				_ = s.Status()
			}
		})
	}
	for i := range 1000 {
		s.put("other", fmt.Sprintf("vdt_%d", i), "bob")
	}
	done.Store(true)
	running.Wait()
}

func TestSecretsWithAnEmptyPrefix(t *testing.T) {
	for _, options := range []Options{{GroupPrefixes: []string{"a", ""}}, {UsernamePrefixes: []string{""}}} {
		if _, err := newSource("team", &cluster{}, options); err == nil || !strings.Contains(err.Error(), "empty prefix") {
			t.Errorf("%+v: %v", options, err)
		}
	}
}
