package generate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"time"
)

// Algorithm is how a token is signed, by its name in a JWS header (RFC 7518
// §3.1, RFC 8037 §3.1).
type Algorithm string

// The algorithms that an Issuer has a key for.
const (
	RS256 Algorithm = "RS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"
)

// Algorithms are all of them.
func Algorithms() []Algorithm { return []Algorithm{RS256, ES256, EdDSA} }

const (
	// IssuerURL is the "iss" of an Issuer's tokens.
	IssuerURL = "https://issuer.example.com/realms/company"
	// TokenAudience is their "aud".
	TokenAudience = "verdict-loadtest"
	// tokenLifetime outlives every run.
	tokenLifetime = 24 * time.Hour
	tokenAge      = time.Hour
	rsaBits       = 2048
)

// Issuer signs JSON Web Tokens (RFC 7519) as an identity provider does, with a
// key for each algorithm. Two issuers have different keys: the seed of a run
// says who and what is in a token, not how it is signed.
type Issuer struct {
	keys   map[Algorithm]issuerKey
	issued time.Time
}

// issuerKey is a key pair. input is what a JWS signs (RFC 7515 §5.1).
type issuerKey struct {
	public map[string]string // its members in a JWK
	sign   func(input []byte) ([]byte, error)
	check  func(input, signature []byte) bool
}

// SignedToken is a token, and the parts of it that its signature is about.
type SignedToken struct {
	Text             string
	Input, Signature []byte
}

// NewIssuer makes the keys. Tokens were issued some time before now, when the services
// that trust the issuer had its keys already.
func NewIssuer(now time.Time) (*Issuer, error) {
	i := &Issuer{keys: map[Algorithm]issuerKey{}, issued: now.Add(-tokenAge).Truncate(time.Second)}
	var err error
	for algorithm, newKey := range map[Algorithm]func() (issuerKey, error){RS256: newRSA, ES256: newECDSA, EdDSA: newEd25519} {
		if i.keys[algorithm], err = newKey(); err != nil {
			return nil, fmt.Errorf("making a key for %s: %w", algorithm, err)
		}
	}
	return i, nil
}

func newRSA() (issuerKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return issuerKey{}, err
	}
	return issuerKey{
		public: map[string]string{"kty": "RSA", "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())},
		sign: func(input []byte) ([]byte, error) {
			sum := sha256.Sum256(input)
			return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		},
		check: func(input, signature []byte) bool {
			sum := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) == nil
		},
	}, nil
}

func newECDSA() (issuerKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return issuerKey{}, err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return issuerKey{}, err
	}
	const size = 32 // of a coordinate
	return issuerKey{
		public: map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1 : 1+size]), "y": encode(point[1+size:])},
		sign: func(input []byte) ([]byte, error) {
			sum := sha256.Sum256(input)
			r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
			if err != nil {
				return nil, err
			}
			signature := make([]byte, 2*size)
			r.FillBytes(signature[:size])
			s.FillBytes(signature[size:])
			return signature, nil
		},
		check: func(input, signature []byte) bool {
			sum := sha256.Sum256(input)
			r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
			return ecdsa.Verify(&key.PublicKey, sum[:], r, s)
		},
	}, nil
}

func newEd25519() (issuerKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return issuerKey{}, err
	}
	return issuerKey{
		public: map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode(public)},
		sign:   func(input []byte) ([]byte, error) { return ed25519.Sign(private, input), nil },
		check:  func(input, signature []byte) bool { return ed25519.Verify(public, input, signature) },
	}, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// JWKS is the document with the public keys (RFC 7517 §5).
func (i *Issuer) JWKS() ([]byte, error) {
	keys := make([]map[string]string, 0, len(i.keys))
	for _, algorithm := range Algorithms() {
		key := map[string]string{"kid": keyID(algorithm), "alg": string(algorithm), "use": "sig"}
		maps.Copy(key, i.keys[algorithm].public)
		keys = append(keys, key)
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		return nil, fmt.Errorf("marshalling keys: %w", err)
	}
	return text, nil
}

// keyID is as long as those that are a thumbprint (RFC 7638).
func keyID(algorithm Algorithm) string {
	sum := sha256.Sum256([]byte(algorithm))
	return encode(sum[:])
}

// Token is a token of p's, as an ID token of OpenID Connect is. Two with
// different numbers differ.
func (i *Issuer) Token(algorithm Algorithm, p Person, number int) (SignedToken, error) {
	return i.sign(algorithm, keyID(algorithm), i.claims(p, number))
}

// Check verifies a signature and does nothing else: the least that a service has to do
// to verify a token.
func (i *Issuer) Check(algorithm Algorithm, input, signature []byte) bool {
	return i.keys[algorithm].check(input, signature)
}

// tokenClaims are the claims that providers put into an ID token.
type tokenClaims struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   string   `json:"aud"`
	Expires    int64    `json:"exp"`
	NotBefore  int64    `json:"nbf"`
	IssuedAt   int64    `json:"iat"`
	ID         string   `json:"jti"`
	Authorized string   `json:"azp"`
	Email      string   `json:"email"`
	Verified   bool     `json:"email_verified"`
	Name       string   `json:"name"`
	Groups     []string `json:"groups"`
}

func (i *Issuer) claims(p Person, number int) tokenClaims {
	return tokenClaims{
		Issuer: IssuerURL, Subject: p.UID, Audience: TokenAudience,
		IssuedAt: i.issued.Unix(), NotBefore: i.issued.Unix(), Expires: i.issued.Add(tokenLifetime).Unix(),
		ID: fmt.Sprintf("loadtest-%024d", number), Authorized: TokenAudience,
		Email: p.Name, Verified: true, Name: "Somebody Of The Company", Groups: p.ownGroups(),
	}
}

func (i *Issuer) sign(algorithm Algorithm, keyID string, claims tokenClaims) (SignedToken, error) {
	input, err := signingInput(algorithm, keyID, claims)
	if err != nil {
		return SignedToken{}, err
	}
	signature, err := i.keys[algorithm].sign(input)
	if err != nil {
		return SignedToken{}, fmt.Errorf("signing a token: %w", err)
	}
	return SignedToken{Text: string(input) + "." + encode(signature), Input: input, Signature: signature}, nil
}

// signingInput is header and claims (RFC 7515 §5.1).
func signingInput(algorithm Algorithm, keyID string, claims tokenClaims) ([]byte, error) {
	header, err := json.Marshal(map[string]string{"alg": string(algorithm), "typ": "JWT", "kid": keyID})
	if err != nil {
		return nil, fmt.Errorf("marshalling a token's header: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, fmt.Errorf("marshalling claims: %w", err)
	}
	return []byte(encode(header) + "." + encode(payload)), nil
}
