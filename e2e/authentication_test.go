package e2e

import (
	"encoding/json"
	"slices"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// versions of the reviews that the flags form can send. The empty one is
// what an apiserver does that was not told: v1beta1.
var versions = map[string]string{"v1": "v1", "v1beta1 by default": ""}

func TestAuthentication(t *testing.T) {
	for _, name := range []string{"v1beta1 by default", "v1"} {
		t.Run(name, func(t *testing.T) {
			arrange(t, shared.WebhookFlags(versions[name]))
			t.Run("the user is whom the token names", testWhoAmI)
			t.Run("a wrong token is nobody", func(t *testing.T) {
				kubeconfig, err := shared.TokenKubeconfig("stranger", "vd-not-a-token-of-anybody")
				must(t, err)
				refused(t, kubeconfig, []string{"Unauthorized"}, "auth", "whoami")
			})
			t.Run("a token that the policy denies is nobody", func(t *testing.T) {
				refused(t, as(t, "mallory"), []string{"Unauthorized"}, "auth", "whoami")
			})
			t.Run("audiences", testAudiences)
		})
	}
}

func testWhoAmI(t *testing.T) {
	out := allowed(t, as(t, "alice"), "auth", "whoami", "--output=json")
	var review authenticationv1.SelfSubjectReview
	if err := json.Unmarshal([]byte(out), &review); err != nil {
		t.Fatalf("kubectl auth whoami: %v\n%s", err, out)
	}
	got := review.Status.UserInfo
	if got.Username != "alice" || got.UID != "u-alice" {
		t.Errorf("username %q and uid %q, want alice and u-alice", got.Username, got.UID)
	}
	// The apiserver adds the group of all who have authenticated.
	groups := slices.Sorted(slices.Values(got.Groups))
	if want := []string{"employees", "payments-engineers", "system:authenticated"}; !slices.Equal(groups, want) {
		t.Errorf("groups %v, want %v", groups, want)
	}
	onCall := slices.Sorted(slices.Values(got.Extra["example.com/on-call"]))
	if want := []string{"primary", "weekend"}; len(got.Extra) != 1 || !slices.Equal(onCall, want) {
		t.Errorf("extra %v, want only example.com/on-call: %v", got.Extra, want)
	}
}

func testAudiences(t *testing.T) {
	t.Run("of the apiserver", func(t *testing.T) {
		allowed(t, as(t, "both"), "auth", "whoami")
	})
	t.Run("of somebody else", func(t *testing.T) {
		refused(t, as(t, "vaulted"), []string{"Unauthorized"}, "auth", "whoami")
	})

	// Others ask the apiserver about tokens, and name their own audience.
	for name, test := range map[string]struct {
		user      string
		asked     []string
		audiences []string // nil: not authenticated
	}{
		"asked for another's, token for it":         {"vaulted", []string{"vault"}, []string{"vault"}},
		"asked for another's, token for both":       {"both", []string{"vault"}, []string{"vault"}},
		"asked for both, token for both":            {"both", []string{"vault", controlplane.Audience}, []string{controlplane.Audience, "vault"}},
		"asked for both, token for one":             {"vaulted", []string{"vault", controlplane.Audience}, []string{"vault"}},
		"asked for a third":                         {"both", []string{"registry"}, nil},
		"asked for another's, token without any":    {"alice", []string{"vault"}, nil},
		"asked for the apiserver's, token without":  {"alice", []string{controlplane.Audience}, []string{controlplane.Audience}},
		"asked for none, token for somebody else's": {"vaulted", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			status := reviewToken(t, authenticationv1.TokenReviewSpec{Token: tokens[test.user], Audiences: test.asked})
			if status.Authenticated != (test.audiences != nil) {
				t.Fatalf("authenticated %t (%s), want %t", status.Authenticated, status.Error, test.audiences != nil)
			}
			if got := slices.Sorted(slices.Values(status.Audiences)); !slices.Equal(got, test.audiences) {
				t.Errorf("audiences %v, want %v", got, test.audiences)
			}
		})
	}
}

// reviewToken asks the apiserver about a token, as its administrator.
func reviewToken(t *testing.T, spec authenticationv1.TokenReviewSpec) authenticationv1.TokenReviewStatus {
	t.Helper()
	review := &authenticationv1.TokenReview{Spec: spec}
	answer, err := admin(t).AuthenticationV1().TokenReviews().Create(t.Context(), review, createOptions)
	must(t, err)
	return answer.Status
}
