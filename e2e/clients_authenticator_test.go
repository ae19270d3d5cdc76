package e2e

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

func tokenAuthenticator(t *testing.T, version string) (*webhook.WebhookTokenAuthenticator, *atomic.Int64) {
	t.Helper()
	config, count := webhookConfig(t, "authentication-webhook.kubeconfig.yaml")
	client, err := webhook.New(config, version, authenticator.Audiences{controlplane.Audience}, quick)
	must(t, err)
	return client, count
}

// TestTokenAuthenticator asks with the client that the apiserver asks with.
func TestTokenAuthenticator(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	for _, version := range reviewVersions {
		t.Run(version, func(t *testing.T) {
			for _, test := range []struct {
				name      string
				token     string
				asked     authenticator.Audiences
				user      string // empty: not authenticated
				audiences authenticator.Audiences
				err       string
			}{
				{name: "a user", token: tokens["alice"], user: "alice"},
				{
					name: "the apiserver's audience, token without audiences", token: tokens["alice"],
					asked: authenticator.Audiences{controlplane.Audience}, user: "alice", audiences: authenticator.Audiences{controlplane.Audience},
				},
				{
					name: "the apiserver's audience, token for it", token: tokens["both"],
					asked: authenticator.Audiences{controlplane.Audience}, user: "both", audiences: authenticator.Audiences{controlplane.Audience},
				},
				{
					name: "two audiences, token for one", token: tokens["vaulted"],
					asked: authenticator.Audiences{"vault", "registry"}, user: "vaulted", audiences: authenticator.Audiences{"vault"},
				},
				{name: "another audience", token: tokens["vaulted"], asked: authenticator.Audiences{controlplane.Audience}},
				{name: "another audience, token without audiences", token: tokens["alice"], asked: authenticator.Audiences{"registry"}},
				{name: "a token of nobody", token: "nobody's"},
				{name: "a token that is one letter short", token: tokens["alice"][:len(tokens["alice"])-1]},
				{name: "denied by policy", token: tokens["mallory"]},
				{name: "an empty username", token: tokens["ghost"]},
				{name: "a system: group", token: tokens["impostor"]},
				{name: "a policy error is an error, not a no", token: tokens["oddball"], err: "authentication"},
			} {
				t.Run(test.name, func(t *testing.T) {
					client, count := tokenAuthenticator(t, version)
					ctx := t.Context()
					if test.asked != nil {
						ctx = authenticator.WithAudiences(ctx, test.asked)
					}
					answer, ok, err := client.AuthenticateToken(ctx, test.token)
					if (err != nil) != (test.err != "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
						t.Fatalf("error %v, want %q", err, test.err)
					}
					if ok != (test.user != "") {
						t.Fatalf("authenticated %t, want %t", ok, test.user != "")
					}
					if ok && answer.User.GetName() != test.user {
						t.Errorf("user %q, want %q", answer.User.GetName(), test.user)
					}
					if ok && !slices.Equal(answer.Audiences, test.audiences) {
						t.Errorf("audiences %v, want %v", answer.Audiences, test.audiences)
					}
					if made := count.Load(); made != 1 {
						t.Errorf("%d calls were made, want 1", made)
					}
				})
			}
		})
	}
}

func TestTokenAuthenticatorUser(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	for _, version := range reviewVersions {
		t.Run(version, func(t *testing.T) {
			client, _ := tokenAuthenticator(t, version)
			answer, ok, err := client.AuthenticateToken(t.Context(), tokens["alice"])
			if err != nil || !ok {
				t.Fatalf("authenticated %t, error %v", ok, err)
			}
			if answer.User.GetUID() != "u-alice" {
				t.Errorf("uid %q, want u-alice", answer.User.GetUID())
			}
			if groups := slices.Sorted(slices.Values(answer.User.GetGroups())); !slices.Equal(groups, []string{"employees", "payments-engineers"}) {
				t.Errorf("groups %v, want employees and payments-engineers", groups)
			}
			extra := answer.User.GetExtra()
			if onCall := slices.Sorted(slices.Values(extra["example.com/on-call"])); len(extra) != 1 || !slices.Equal(onCall, []string{"primary", "weekend"}) {
				t.Errorf("extra %v, want example.com/on-call: primary, weekend", extra)
			}
		})
	}
}

// What the apiserver keeps decides how long an answer lasts.
func TestTokenAuthenticatorCache(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	for _, test := range []struct {
		name  string
		token string
		calls int64
	}{
		{"a user is kept", tokens["alice"], 1},
		{"a definite no is kept", "nobody's", 1},
		{"an error is asked about again", tokens["oddball"], 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, count := tokenAuthenticator(t, "v1")
			cached := cache.New(client, false, time.Minute, time.Minute)
			for range 3 {
				_, _, _ = cached.AuthenticateToken(context.WithoutCancel(t.Context()), test.token)
			}
			if made := count.Load(); made != test.calls {
				t.Errorf("%d calls were made, want %d", made, test.calls)
			}
		})
	}
}
