package generate_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

func newIssuer(t *testing.T) *generate.Issuer {
	t.Helper()
	issuer, err := generate.NewIssuer(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func TestIssuerSigns(t *testing.T) {
	issuer, person := newIssuer(t), company(t).People[0]
	for _, algorithm := range generate.Algorithms() {
		token, err := issuer.Token(algorithm, person, 1)
		if err != nil {
			t.Fatal(err)
		}
		other, err := issuer.Token(algorithm, person, 2)
		if err != nil {
			t.Fatal(err)
		}
		if !issuer.Check(algorithm, token.Input, token.Signature) {
			t.Errorf("%s: the signature is wrong", algorithm)
		}
		if issuer.Check(algorithm, other.Input, token.Signature) {
			t.Errorf("%s: the signature is right for another token", algorithm)
		}
		if token.Text == other.Text || len(token.Text) < 650 || len(token.Text) > 1000 {
			t.Errorf("%s: tokens of %d bytes, or twice the same; want about 700, and 900 for RS256", algorithm, len(token.Text))
		}
	}
}

func TestIssuerKeysArePublic(t *testing.T) {
	text, err := newIssuer(t).JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != len(generate.Algorithms()) {
		t.Errorf("%d keys, want one for each of %v", len(set.Keys), generate.Algorithms())
	}
	for _, key := range set.Keys {
		if key["kid"] == "" || key["alg"] == "" || key["kty"] == "" || key["d"] != "" {
			t.Errorf("members %v, want those of a public key", key)
		}
	}
}

func TestBadTokensAreBadAndDiffer(t *testing.T) {
	issuer := newIssuer(t)
	const count = 400
	bad, err := generate.BadTokenReviews(company(t), issuer, count, 1)
	if err != nil {
		t.Fatal(err)
	}
	seen, kinds := map[string]bool{}, map[string]int{}
	for n := range uint64(count) {
		var review authenticationv1.TokenReview
		if err := json.Unmarshal(bad.Body(nil, n), &review); err != nil {
			t.Fatal(err)
		}
		seen[review.Spec.Token] = true
		kinds[kindOf(t, issuer, review.Spec.Token)]++
	}
	for _, kind := range []string{"opaque", "unknown key", "wrong signature", "expired"} {
		if kinds[kind] != count/4 {
			t.Errorf("%d tokens are %s, want a quarter of %d", kinds[kind], kind, count)
		}
	}
	if len(seen) != count {
		t.Errorf("%d different tokens, want %d", len(seen), count)
	}
}

// kindOf says what is wrong with a token.
func kindOf(t *testing.T, issuer *generate.Issuer, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "opaque"
	}
	var header struct {
		Algorithm generate.Algorithm `json:"alg"`
		KeyID     string             `json:"kid"`
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	decodePart(t, parts[0], &header)
	decodePart(t, parts[1], &claims)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	keys, err := issuer.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	expired := claims.Expires < time.Now().Unix()
	right := issuer.Check(header.Algorithm, []byte(parts[0]+"."+parts[1]), signature)
	switch known := bytes.Contains(keys, []byte(header.KeyID)); {
	case !known && !expired:
		return "unknown key"
	case known && !right && !expired:
		return "wrong signature"
	case known && right && expired:
		return "expired"
	}
	return fmt.Sprintf("a token of no kind: %s", token)
}

func decodePart(t *testing.T, part string, into any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// What is signed is the same for the same seed; signatures are not.
func TestJWTReviewsAreOfEverybody(t *testing.T) {
	reviews, err := generate.JWTReviews(company(t), newIssuer(t), 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	if again := reviews.Body(nil, 200); !bytes.Equal(again, reviews.Body(nil, 0)) {
		t.Error("a request that is repeated differs")
	}
	if mean := reviews.MeanBytes(); mean < 800 || mean > 1200 {
		t.Errorf("%d bytes a review, want about 1000", mean)
	}
}
