package generate_test

import (
	"encoding/json"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

func TestOpaqueTokens(t *testing.T) {
	c := company(t)
	introspect, err := newIssuer(t).Introspection(c)
	if err != nil {
		t.Fatal(err)
	}
	good, err := generate.GoodOpaqueReviews(c)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := generate.BadOpaqueReviews(200, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]*generate.Workload{"good": good, "bad": bad} {
		seen := map[string]bool{}
		for n := range uint64(len(w.Samples)) {
			var review authenticationv1.TokenReview
			if err := json.Unmarshal(w.Body(nil, n), &review); err != nil {
				t.Fatal(err)
			}
			seen[review.Spec.Token] = true
			var said struct {
				Active       bool
				Email, Iss   string
				Groups       []string
				Exp          int64
				AudienceName string `json:"aud"`
			}
			if err := json.Unmarshal(introspect(review.Spec.Token), &said); err != nil {
				t.Fatal(err)
			}
			if said.Active != (name == "good") {
				t.Errorf("%s token %d: active is %t", name, n, said.Active)
			}
			if said.Active && (said.Email != c.People[n].Name || said.Iss != generate.IssuerURL || said.AudienceName != generate.TokenAudience || len(said.Groups) == 0 || said.Exp == 0) {
				t.Errorf("token %d: %+v", n, said)
			}
		}
		if len(seen) != len(w.Samples) {
			t.Errorf("%s: %d different tokens of %d", name, len(seen), len(w.Samples))
		}
	}
}
