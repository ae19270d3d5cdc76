package authconfig

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"k8s.io/apiserver/pkg/authentication/user"
)

// tokenCase is a case of kube-apiserver's own table, as testdata/tokens.go.txt
// writes it.
type tokenCase struct {
	Name                    string
	Authenticator           apiserverv1.JWTAuthenticator
	Token                   string
	Keys                    json.RawMessage
	OpenIDConfig            string
	User                    *user.DefaultInfo
	Err, InitErr, HealthErr string
	Algorithms              []string
	Algorithm               string
	Client, Egress          bool
	Disallowed              []string
}

// noEquivalent says why a case has none here, "" when it has one.
func (c *tokenCase) noEquivalent() string {
	switch {
	case c.InitErr != "" && c.Authenticator.Issuer.EgressSelectorType != "" && c.Name != "invalid egress type":
		return "egress selection"
	case c.InitErr != "" && (c.Client || len(c.Algorithms) > 0):
		return "an option of Go: the HTTP client, algorithms, sets of keys"
	case c.Algorithm == "PS256" && len(c.Algorithms) == 0:
		return "an option of Go: fewer algorithms than kube-apiserver takes"
	}
	return ""
}

// different are the cases of which the result is not the same, and why. None of them
// lets in whom kube-apiserver refuses.
var different = map[string]string{
	"groups-distributed":                  "distributed claims are refused",
	"groups-distributed-unusual-name":     "distributed claims are refused",
	"group-string-claim-distributed":      "distributed claims are refused",
	"groups-prefix-distributed":           "distributed claims are refused",
	"empty username is allowed via claim": "a username is never empty here",
}

// TestTokens holds what verdict import makes of the configurations in
// kube-apiserver's own table to what that says of their tokens.
func TestTokens(t *testing.T) {
	program := verdict(t.Context(), t)
	lines := upstream(t, "k8s.io/apiserver/plugin/pkg/authenticator/token/oidc", "oidc_test.go", "testdata/tokens.go.txt", "^TestToken$", func(source string) string {
		return once(t, source, "func (c *claimsTest) run(", "func (c *claimsTest) runUpstream(")
	})
	without, found, same := 0, map[string]bool{}, 0
	for _, line := range lines {
		var c tokenCase
		must(t, json.Unmarshal(line, &c))
		if why := c.noEquivalent(); why != "" {
			without++
			t.Logf("%s: no equivalent: %s", c.Name, why)
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			got := c.result(t, program)
			want := "refused"
			if c.User != nil {
				want = described(c.User.Name, c.User.UID, c.User.Groups, c.User.Extra)
			}
			switch {
			case got == want:
				same++
				if different[c.Name] != "" {
					t.Errorf("the result is the same: %s", got)
				}
			case different[c.Name] != "" && got == "refused":
				found[c.Name] = true
			default:
				t.Errorf("got %s, want %s (%s%s)", got, want, c.Err, c.InitErr)
			}
		})
	}
	if len(found) != len(different) {
		t.Errorf("different: %v, want %v", slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(different)))
	}
	t.Logf("of %d cases %d have no equivalent; of the other %d, %d have the same result", len(lines), without, len(lines)-without, same)
}

// result is what becomes of the case's token: "refused", or the user.
func (c *tokenCase) result(t *testing.T, program string) string {
	t.Helper()
	world := startIssuers(t, c.OpenIDConfig, string(c.Keys))
	if c.Authenticator.Issuer.CertificateAuthority == "" {
		c.Authenticator.Issuer.CertificateAuthority = world.authority
	}
	configuration, err := json.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": []any{c.Authenticator},
	})
	must(t, err)
	dir, refusal := imported(t, program, string(configuration), c.Disallowed...)
	if refusal != "" {
		t.Logf("%s", refusal)
		return "refused"
	}
	if c.InitErr != "" {
		return "taken"
	}
	if c.Token == "" {
		c.Token = unsigned(c.Authenticator.Issuer.URL)
	}
	s := serve(t, program, dir, world.proxy.URL)
	status := s.review(t, c.Token)
	if !status.Authenticated {
		t.Logf("error %q, log:\n%s", status.Error, s.refusals(t))
		return "refused"
	}
	extra := map[string][]string{}
	for key, values := range status.User.Extra {
		extra[key] = values
	}
	return described(status.User.Username, status.User.UID, status.User.Groups, extra)
}

// unsigned is a token of an issuer that nobody signed.
func unsigned(issuer string) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"RS256"}`) + "." + part(fmt.Sprintf(`{"iss":%q}`, issuer)) + "." + part("x")
}

// described is a user as a text; groups and extra values have no order.
func described(name, uid string, groups []string, extra map[string][]string) string {
	u := authenticationv1.UserInfo{Username: name, UID: uid, Groups: slices.Sorted(slices.Values(groups)), Extra: map[string]authenticationv1.ExtraValue{}}
	for key, values := range extra {
		u.Extra[key] = slices.Sorted(slices.Values(values))
	}
	text, err := json.Marshal(u)
	if err != nil {
		panic(err)
	}
	return string(text)
}
