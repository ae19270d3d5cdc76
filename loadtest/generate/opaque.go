package generate

import (
	"encoding/json"
	"fmt"
)

// GoodOpaqueReviews asks whose each of the people's opaque token is, in turn.
func GoodOpaqueReviews(c *Company) (*Workload, error) {
	w := &Workload{Name: "TokenReview, good opaque tokens", About: fmt.Sprintf("Opaque tokens of %d users, in turn", len(c.People)), Path: tokenReviewPath}
	for _, p := range c.People {
		sample, err := newTokenReview(p.Token)
		if err != nil {
			return nil, err
		}
		w.Samples = append(w.Samples, sample)
	}
	return w, nil
}

// BadOpaqueReviews are TokenReviews of so many opaque tokens, all different, that belong
// to no user.
func BadOpaqueReviews(count int, seed uint64) (*Workload, error) {
	bad := newBadTokens(nil, nil, seed)
	w := &Workload{Name: "TokenReview, bad opaque tokens", About: fmt.Sprintf("%d different opaque tokens", count), Path: tokenReviewPath}
	for range count {
		sample, err := newTokenReview(encode(bad.bytes(opaqueBytes)))
		if err != nil {
			return nil, err
		}
		w.Samples = append(w.Samples, sample)
	}
	return w, nil
}

// Introspection returns the answer of the issuer about a token (RFC 7662 §2.2): the
// claims of the people's JWTs for their opaque tokens, and that any other is not
// active.
func (i *Issuer) Introspection(c *Company) (func(token string) []byte, error) {
	known := map[string][]byte{}
	for number, p := range c.People {
		text, err := json.Marshal(struct {
			Active bool `json:"active"`
			tokenClaims
		}{true, i.claims(p, number)})
		if err != nil {
			return nil, fmt.Errorf("marshalling an introspection: %w", err)
		}
		known[p.Token] = text
	}
	inactive := []byte(`{"active":false}`)
	return func(token string) []byte {
		if text, ok := known[token]; ok {
			return text
		}
		return inactive
	}, nil
}
