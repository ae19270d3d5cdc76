package generate

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

// badKinds are the ways in which a token is bad, which take turns.
var badKinds = []struct {
	about string
	token func(*badTokens, int) (string, error)
}{
	{"a wrong signature by a known key", (*badTokens).wrongSignature},
	{"an unknown key", (*badTokens).unknownKey},
	{"no JWT at all", (*badTokens).opaque},
	{"expired", (*badTokens).expired},
}

// badTokens makes tokens that no service should accept: such as those of a former issuer,
// of a job that never ends, or of an attacker.
type badTokens struct {
	issuer  *Issuer
	company *Company
	random  *rand.ChaCha8
}

func newBadTokens(c *Company, issuer *Issuer, seed uint64) *badTokens {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &badTokens{issuer: issuer, company: c, random: rand.NewChaCha8(key)}
}

// BadTokenReviews asks about so many tokens that are all bad and all different.
// Expired ones are signed with ES256, as that takes the least time to make and
// the most to check.
func BadTokenReviews(c *Company, issuer *Issuer, count int, seed uint64) (*Workload, error) {
	bad := newBadTokens(c, issuer, seed)
	w := &Workload{
		Name:  "TokenReview, bad tokens",
		About: fmt.Sprintf("%d different tokens, by turns with %s, with %s, %s and %s", count, badKinds[0].about, badKinds[1].about, badKinds[2].about, badKinds[3].about),
		Path:  tokenReviewPath,
	}
	for i := range count {
		token, err := badKinds[i%len(badKinds)].token(bad, i)
		if err != nil {
			return nil, err
		}
		sample, err := newTokenReview(token)
		if err != nil {
			return nil, err
		}
		w.Samples = append(w.Samples, sample)
	}
	return w, nil
}

func (b *badTokens) claims(i int) tokenClaims {
	return b.issuer.claims(b.company.People[i%len(b.company.People)], i)
}

func (b *badTokens) bytes(count int) []byte {
	text := make([]byte, count)
	_, _ = b.random.Read(text) // it never fails
	return text
}

func (b *badTokens) unsigned(keyID string, i int) (string, error) {
	input, err := signingInput(RS256, keyID, b.claims(i))
	if err != nil {
		return "", err
	}
	signature := b.bytes(rsaBits / 8)
	signature[0] = 0 // below any modulus: it takes the whole computation to refuse it
	return string(input) + "." + encode(signature), nil
}

func (b *badTokens) wrongSignature(i int) (string, error) { return b.unsigned(keyID(RS256), i) }

func (b *badTokens) unknownKey(i int) (string, error) { return b.unsigned(encode(b.bytes(32)), i) }

func (b *badTokens) opaque(int) (string, error) { return encode(b.bytes(opaqueBytes)), nil }

// opaqueBytes are in an opaque token before it is encoded.
const opaqueBytes = 32

func (b *badTokens) expired(i int) (string, error) {
	claims := b.claims(i)
	const seconds = 2 * int64(tokenLifetime/time.Second)
	claims.IssuedAt, claims.NotBefore, claims.Expires = claims.IssuedAt-seconds, claims.NotBefore-seconds, claims.Expires-seconds
	token, err := b.issuer.sign(ES256, keyID(ES256), claims)
	return token.Text, err
}
