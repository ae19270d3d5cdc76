package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/identity"
)

const secretToken = "s3cr3t-t0ken-of-alice"

// claimsPolicy makes a user of whatever the identity's claims say.
const claimsPolicy = `package kubernetes.authentication

user.username := input.identity.claims.username

user.uid := input.identity.subject

user.groups contains group if some group in input.identity.claims.groups

user.extra["example.com/source"] contains input.identity.source
`

func aliceIdentity() identity.Identity {
	return identity.Identity{
		Source:  "people",
		Type:    "tokenFile",
		Subject: "uid-1",
		Claims:  claims(map[string]any{"username": "alice", "groups": []any{"web", "dev"}}),
	}
}

// claims are made as those of a source.
func claims(values map[string]any) identity.Claims {
	made, err := identity.ClaimsOf(values)
	if err != nil {
		panic(err)
	}
	return made
}

// knowing makes the service verify the token as the identity.
func knowing(token string, verified identity.Identity) func(*handlers.Options) {
	return func(o *handlers.Options) {
		o.Verifier = &verifier{identities: map[string]identity.Identity{token: verified}}
	}
}

func tokenReviewBody(t testing.TB, version, token string, audiences ...string) string {
	t.Helper()
	spec := map[string]any{"token": token}
	if len(audiences) > 0 {
		spec["audiences"] = audiences
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authentication.k8s.io/" + version,
		"kind":       "TokenReview",
		"metadata":   map[string]any{"creationTimestamp": nil},
		"spec":       spec,
		"status":     map[string]any{"user": map[string]any{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestTokenReviewIsAnsweredInTheVersionAsked(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1"} {
		t.Run(version, func(t *testing.T) {
			s := newService(t, []string{claimsPolicy}, knowing(secretToken, aliceIdentity()))
			w := s.post(t, "/authenticate?timeout=30s", tokenReviewBody(t, version, secretToken))
			want := `{"apiVersion":"authentication.k8s.io/` + version + `","kind":"TokenReview","status":{"authenticated":true,` +
				`"user":{"username":"alice","uid":"uid-1","groups":["dev","web"],"extra":{"example.com/source":["people"]}}}}`
			if w.Code != http.StatusOK || w.Body.String() != want {
				t.Errorf("answer is %d\n%s\nwant 200\n%s", w.Code, w.Body, want)
			}
			s.wantMetric(t, 1, "verdict_decisions_total", "point", "authentication", "verb", "review", "outcome", "authenticated")
		})
	}
}

func TestTokenReviewMetadataMayBeEmptyOrAbsent(t *testing.T) {
	s := newService(t, []string{claimsPolicy}, knowing(secretToken, aliceIdentity()))
	for name, metadata := range map[string]string{
		"empty":                  `"metadata":{},`,
		"null creationTimestamp": `"metadata":{"creationTimestamp":null},`,
		"absent":                 ``,
	} {
		t.Run(name, func(t *testing.T) {
			var review authenticationv1.TokenReview
			s.ask(t, "/authenticate", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1",`+metadata+`"spec":{"token":"`+secretToken+`"}}`, &review)
			if !review.Status.Authenticated {
				t.Errorf("not authenticated: %+v", review.Status)
			}
		})
	}
}

func TestTokenReviewOutcomes(t *testing.T) {
	const whole = "package kubernetes.authentication\n"
	tests := []struct {
		name    string
		modules []string
		claims  map[string]any
		fault   error
		timeout string
		outcome string
		user    string
		wantErr string
	}{
		{name: "unknown token", modules: []string{claimsPolicy}, fault: identity.ErrUnknownToken, outcome: "unknownToken"},
		{name: "wrapped unknown token", modules: []string{claimsPolicy}, fault: errors.Join(errors.New("source people"), identity.ErrUnknownToken), outcome: "unknownToken"},
		{name: "transient fault", modules: []string{claimsPolicy}, fault: errors.Join(errors.New("connection refused"), identity.ErrUnreachable), outcome: "error", wantErr: "could not be reached"},
		{name: "fault of what was reached", modules: []string{claimsPolicy}, fault: errors.New("status 500"), outcome: "error", wantErr: "could not verify the token"},
		{name: "no time to verify", modules: []string{claimsPolicy}, fault: fmt.Errorf("verifying: %w", context.DeadlineExceeded), outcome: "error", wantErr: "no time left to verify"},
		{name: "not yet valid", modules: []string{claimsPolicy}, fault: fmt.Errorf("a: %w", &identity.NotYetValidError{}), outcome: "notYetValid", wantErr: "the token is not valid yet"},
		{name: "refused with a reason", modules: []string{claimsPolicy}, fault: fmt.Errorf("a: %w", identity.ErrUnknownToken), outcome: "unknownToken"},
		{name: "policy error", modules: []string{whole + `user.username := upper(input.identity.claims.groups[0]) if to_number(input.identity.subject) > 0`}, outcome: "error", wantErr: "policy failed"},
		{name: "policy error in deny", modules: []string{claimsPolicy, whole + `deny contains "odd" if to_number(input.identity.subject) > 0`}, outcome: "error", wantErr: "policy failed"},
		{name: "conflict of two files", modules: []string{claimsPolicy, whole + `user.username := "mallory"`}, outcome: "error", wantErr: "policy failed"},
		{name: "username is a number", modules: []string{whole + `user := {"username": 7} if input.identity`}, outcome: "error", wantErr: "policy failed"},
		{name: "slow policy", modules: []string{claimsPolicy, whole + `deny contains "slow" if {` + slowBody + `}`}, timeout: "?timeout=50ms", outcome: "error", wantErr: "no time left"},
		{name: "deny wins", modules: []string{claimsPolicy, whole + `deny contains "leaver" if input.identity.claims.username == "alice"`}, outcome: "denied"},
		{name: "nothing gives a user", modules: []string{whole + `deny contains "never" if false`}, outcome: "denied"},
		{name: "user undefined", modules: []string{whole + `user := {"username": "x"} if input.identity.subject == "other"`}, outcome: "denied"},
		{name: "empty username", modules: []string{claimsPolicy}, claims: map[string]any{"username": ""}, outcome: "denied"},
		{name: "no username", modules: []string{claimsPolicy}, claims: map[string]any{"groups": []any{"web"}}, outcome: "denied"},
		{name: "null username", modules: []string{claimsPolicy}, claims: map[string]any{"username": nil}, outcome: "denied"},
		{name: "system username", modules: []string{claimsPolicy}, claims: map[string]any{"username": "system:admin"}, outcome: "denied"},
		{name: "system group", modules: []string{claimsPolicy}, claims: map[string]any{"username": "alice", "groups": []any{"dev", "system:masters"}}, outcome: "denied"},
		{name: "prefix without the colon", modules: []string{claimsPolicy}, claims: map[string]any{"username": "systemd"}, outcome: "authenticated", user: "systemd"},
		{name: "listed system username and group", modules: []string{claimsPolicy}, claims: map[string]any{
			"username": "system:listed", "groups": []any{"system:listed-group"},
		}, outcome: "authenticated", user: "system:listed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verified := aliceIdentity()
			if tt.claims != nil {
				verified.Claims = claims(tt.claims)
			}
			s := newService(t, tt.modules, func(o *handlers.Options) {
				o.Revisions = engine(t, policy.Options{AllowedSystemNames: []string{"system:listed", "system:listed-group"}}, tt.modules...)
				o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) { return verified, tt.fault }}
			})
			w := s.post(t, "/authenticate"+tt.timeout, tokenReviewBody(t, "v1", secretToken))
			if w.Code != http.StatusOK {
				t.Fatalf("code is %d, want 200: an HTTP error is no decision; body: %s", w.Code, w.Body)
			}
			var review authenticationv1.TokenReview
			decodeStrict(t, w.Body.Bytes(), &review)
			if got, want := review.Status.Authenticated, tt.user != ""; got != want {
				t.Errorf("authenticated is %v, want %v", got, want)
			}
			if review.Status.User.Username != tt.user {
				t.Errorf("username is %q, want %q", review.Status.User.Username, tt.user)
			}
			if tt.user == "" && !reflect.DeepEqual(review.Status.User, authenticationv1.UserInfo{}) {
				t.Errorf("a refusal names a user: %+v", review.Status.User)
			}
			if (tt.wantErr == "") != (review.Status.Error == "") || !strings.Contains(review.Status.Error, tt.wantErr) {
				t.Errorf("error is %q, want %q: apiserver caches what has none", review.Status.Error, tt.wantErr)
			}
			s.wantMetric(t, 1, "verdict_decisions_total", "point", "authentication", "outcome", tt.outcome)
			s.wantMetric(t, 0, "verdict_handler_panics_total")
		})
	}
}

func TestTokenReviewAudiences(t *testing.T) {
	tests := []struct {
		name                  string
		token, asked, assumed []string
		accepted              bool // by the source
		authenticated         bool
		want                  []string
	}{
		{name: "unlimited token, none asked", authenticated: true},
		{name: "unlimited token, none asked, some assumed", assumed: []string{"api"}, authenticated: true},
		{name: "unlimited token, asked: silent, which means the API server's own", asked: []string{"api"}, authenticated: true},
		{name: "limited token, asked the one", token: []string{"api"}, asked: []string{"api"}, authenticated: true, want: []string{"api"}},
		{name: "limited token, asked some", token: []string{"vault", "api"}, asked: []string{"api", "other", "vault"}, authenticated: true, want: []string{"api", "vault"}},
		{name: "limited token, asked another", token: []string{"vault"}, asked: []string{"api"}},
		{name: "limited token, asked another, assumed do not help", token: []string{"vault"}, asked: []string{"api"}, assumed: []string{"vault"}},
		{name: "limited token, none asked, none assumed", token: []string{"vault"}},
		{name: "limited token, none asked, one assumed", token: []string{"api"}, assumed: []string{"api"}, authenticated: true},
		{name: "limited token, none asked, another assumed", token: []string{"vault"}, assumed: []string{"api"}},
		{name: "accepted by the source, another asked: silent, as kube-apiserver's own OpenID authenticator", token: []string{"client-7"}, accepted: true, asked: []string{"api"}, authenticated: true},
		{name: "accepted by the source, none asked", token: []string{"client-7"}, accepted: true, authenticated: true},
		{name: "audiences are compared whole", token: []string{"api"}, asked: []string{"api-2", "API", "ap"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verified := aliceIdentity()
			verified.Audiences, verified.AudiencesAccepted = tt.token, tt.accepted
			s := newService(t, []string{claimsPolicy}, knowing(secretToken, verified), func(o *handlers.Options) { o.Audiences = tt.assumed })
			var review authenticationv1.TokenReview
			s.ask(t, "/authenticate", tokenReviewBody(t, "v1", secretToken, tt.asked...), &review)
			if review.Status.Authenticated != tt.authenticated {
				t.Errorf("authenticated is %v, want %v", review.Status.Authenticated, tt.authenticated)
			}
			if !slices.Equal(review.Status.Audiences, tt.want) {
				t.Errorf("audiences are %q, want %q", review.Status.Audiences, tt.want)
			}
			if review.Status.Error != "" {
				t.Errorf("a definite no has the error %q", review.Status.Error)
			}
		})
	}
}

func TestTokenReviewPolicySeesTheReviewWithoutItsToken(t *testing.T) {
	const copying = `package kubernetes.authentication

user := {
	"username": "alice",
	"extra": {"example.com/input": [json.marshal(input)]},
}
`
	s := newService(t, []string{copying}, knowing(secretToken, aliceIdentity()))
	var review authenticationv1.TokenReview
	s.ask(t, "/authenticate", tokenReviewBody(t, "v1", secretToken, "api"), &review)
	copied := review.Status.User.Extra["example.com/input"]
	if len(copied) != 1 {
		t.Fatalf("the policy's copy of its input is missing: %+v", review.Status)
	}
	if strings.Contains(copied[0], secretToken) {
		t.Errorf("the policy sees the token")
	}
	var input struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Spec       map[string]any `json:"spec"`
		Status     any            `json:"status"`
		Identity   map[string]any `json:"identity"`
	}
	if err := json.Unmarshal([]byte(copied[0]), &input); err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"audiences": []any{"api"}}; !reflect.DeepEqual(input.Spec, want) {
		t.Errorf("input.spec is %v, want %v", input.Spec, want)
	}
	if input.Kind != "TokenReview" || input.APIVersion != "authentication.k8s.io/v1" {
		t.Errorf("input is %s %s, want the review's own", input.APIVersion, input.Kind)
	}
	if input.Status != nil {
		t.Errorf("the policy sees the status that the caller sent: %v", input.Status)
	}
	if input.Identity["subject"] != "uid-1" || input.Identity["source"] != "people" || input.Identity["type"] != "tokenFile" {
		t.Errorf("input.identity is %v", input.Identity)
	}
}

func TestTokenReviewIdentityIsOursAlone(t *testing.T) {
	s := newService(t, []string{claimsPolicy}, knowing(secretToken, aliceIdentity()))
	var review authenticationv1.TokenReview
	s.ask(t, "/authenticate", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"`+secretToken+
		`"},"identity":{"claims":{"username":"root"}}}`, &review)
	if review.Status.User.Username != "alice" {
		t.Errorf("username is %q: an identity sent by the caller was believed", review.Status.User.Username)
	}
}

// Every way a review can end is walked with the same token, and then everything
// that left the process is searched for it.
func TestTokenReviewNeverTellsTheToken(t *testing.T) {
	const failing = `package kubernetes.authentication

deny contains "odd" if to_number(json.marshal(input)) > 0
`
	const quoting = `package kubernetes.authentication

deny contains sprintf("%s is unknown", [audience]) if some audience in input.spec.audiences
`
	failingWith := func(err error) func(*handlers.Options) {
		return func(o *handlers.Options) {
			o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) { return identity.Identity{}, err }}
		}
	}
	limited := aliceIdentity()
	limited.Audiences = []string{"vault"}
	panicking := func(o *handlers.Options) {
		o.Verifier = &verifier{verify: func(_ context.Context, token string) (identity.Identity, error) { panic("token " + token) }}
	}
	tests := []struct {
		name    string
		modules []string
		change  func(*handlers.Options)
		body    string
	}{
		{"authenticated", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), tokenReviewBody(t, "v1", secretToken)},
		{"unknown token", []string{claimsPolicy}, knowing("another", aliceIdentity()), tokenReviewBody(t, "v1", secretToken)},
		{"audience", []string{claimsPolicy}, knowing(secretToken, limited), tokenReviewBody(t, "v1", secretToken, "api")},
		{"misplaced as an audience", []string{claimsPolicy}, knowing(secretToken, limited), tokenReviewBody(t, "v1", secretToken, "https://kubernetes.default.svc", secretToken)},
		{"misplaced as the audience of another", []string{claimsPolicy}, knowing("another", limited), tokenReviewBody(t, "v1", "another", secretToken)},
		{"an audience that a policy quotes", []string{claimsPolicy, quoting}, knowing("another", aliceIdentity()), tokenReviewBody(t, "v1", "another", secretToken)},
		{"an audience that a policy error quotes", []string{claimsPolicy, failing}, knowing("another", aliceIdentity()), tokenReviewBody(t, "v1", "another", secretToken)},
		{"a fault that quotes it", []string{claimsPolicy}, failingWith(errors.New("POST https://a/?token=" + secretToken)), tokenReviewBody(t, "v1", secretToken)},
		{"a refusal that quotes it", []string{claimsPolicy}, failingWith(fmt.Errorf("%s: %w", secretToken, identity.ErrUnknownToken)), tokenReviewBody(t, "v1", secretToken)},
		{"too large", []string{claimsPolicy}, func(o *handlers.Options) { o.ReviewBytes = 100 }, tokenReviewBody(t, "v1", secretToken)},
		{"policy error that quotes its input", []string{claimsPolicy, failing}, knowing(secretToken, aliceIdentity()), tokenReviewBody(t, "v1", secretToken)},
		{"panic that quotes it", []string{claimsPolicy}, panicking, tokenReviewBody(t, "v1", secretToken)},
		{"no revision", nil, knowing(secretToken, aliceIdentity()), tokenReviewBody(t, "v1", secretToken)},
		{"wrong kind", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), strings.Replace(tokenReviewBody(t, "v1", secretToken), `"TokenReview"`, `"Pod"`, 1)},
		{"wrong type beside it", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"` + secretToken + `","audiences":"` + secretToken + `"}}`},
		{"token in a list", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":["` + secretToken + `"]}}`},
		{"truncated in the token", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"` + secretToken},
		{"broken escape after the token", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), `{"spec":{"token":"` + secretToken + `\q"}}`},
		{"token given twice", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), `{"spec":{"token":"` + secretToken + `","token":"` + secretToken + `"}}`},
		{"data after the document", []string{claimsPolicy}, knowing(secretToken, aliceIdentity()), tokenReviewBody(t, "v1", secretToken) + `"` + secretToken + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, tt.modules, tt.change)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/authenticate", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+secretToken)
			w := s.do(t, r)

			metrics := httptest.NewRecorder()
			promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}).ServeHTTP(metrics, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
			for where, content := range map[string]string{
				"answer":  w.Body.String(),
				"log":     s.log.String(),
				"metrics": metrics.Body.String(),
			} {
				if strings.Contains(content, secretToken) {
					t.Errorf("the %s tells the token: %s", where, content)
				}
			}
			if !strings.Contains(metrics.Body.String(), "verdict_request_duration_seconds_count") {
				t.Errorf("the metrics were not gathered: %s", metrics.Body)
			}
		})
	}
}

func TestTokenReviewWhenNotReady(t *testing.T) {
	body := tokenReviewBody(t, "v1", secretToken)
	t.Run("no revision", func(t *testing.T) {
		s := newService(t, nil, knowing(secretToken, aliceIdentity()))
		wantStatus(t, s.post(t, "/authenticate", body), http.StatusServiceUnavailable, "no policy revision loaded yet")
		s.wantMetric(t, 0, "verdict_decisions_total")
	})
	t.Run("identity sources", func(t *testing.T) {
		s := newService(t, []string{claimsPolicy}, func(o *handlers.Options) {
			o.Verifier = &verifier{verify: func(context.Context, string) (identity.Identity, error) {
				return identity.Identity{}, fmt.Errorf("tokens.yaml: %w", identity.ErrNotLoaded)
			}}
		})
		wantStatus(t, s.post(t, "/authenticate", body), http.StatusServiceUnavailable, "identity sources are not ready")
		s.wantMetric(t, 0, "verdict_decisions_total")
	})
}
