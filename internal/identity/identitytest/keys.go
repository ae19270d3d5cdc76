package identitytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"maps"
	"math/big"
	"sync"
	"testing"
)

// AllKeys are JWKs of each type.
func AllKeys() []any {
	return []any{JWKOf("rsa", RsaA()), JWKOf("p256", P256A()), JWKOf("p384", P384A()), JWKOf("p521", P521A()), JWKOf("ed", Ed25519A())}
}

// Keys take long to make: each is made once.
var (
	RsaA     = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	RsaB     = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	RsaSmall = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
	P256A    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P256()) })
	P256B    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P256()) })
	P384A    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P384()) })
	P521A    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P521()) })
	Ed25519A = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
)

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newECDSA(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// Values are the members of a JSON object.
type Values = map[string]any

// With is a copy of some values with others in their place; nil takes one away.
func With(some Values, others Values) Values {
	all := maps.Clone(some)
	for name, value := range others {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

// B64 is base64url without padding.
func B64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// JWKOf is the public JWK of a private key (RFC 7518 §6, RFC 8037 §2), made
// without the library that reads it.
func JWKOf(id string, private crypto.Signer, more ...Values) Values {
	var out Values
	switch key := private.Public().(type) {
	case *rsa.PublicKey:
		out = Values{"kty": "RSA", "n": B64(key.N.Bytes()), "e": B64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		size := (len(point) - 1) / 2
		out = Values{"kty": "EC", "crv": key.Curve.Params().Name, "x": B64(point[1 : 1+size]), "y": B64(point[1+size:])}
	case ed25519.PublicKey:
		out = Values{"kty": "OKP", "crv": "Ed25519", "x": B64(key)}
	}
	if id != "" {
		out["kid"] = id
	}
	for _, m := range more {
		out = With(out, m)
	}
	return out
}

// PrivateJWKOf is an RSA key with its secrets.
func PrivateJWKOf(id string, key *rsa.PrivateKey) Values {
	return JWKOf(id, key, Values{
		"d": B64(key.D.Bytes()), "p": B64(key.Primes[0].Bytes()), "q": B64(key.Primes[1].Bytes()),
		"dp": B64(key.Precomputed.Dp.Bytes()), "dq": B64(key.Precomputed.Dq.Bytes()), "qi": B64(key.Precomputed.Qinv.Bytes()),
	})
}

// JWTOf is a JWT that is signed as its header says; with another algorithm than
// that of signAs when it is given.
func JWTOf(tb testing.TB, key any, header, claims any, signAs ...string) string {
	tb.Helper()
	text := func(value any) string {
		if text, ok := value.(string); ok {
			return text
		}
		text, err := json.Marshal(value)
		if err != nil {
			tb.Fatal(err)
		}
		return string(text)
	}
	algorithm := "RS256"
	if members, ok := header.(Values); ok {
		algorithm, _ = members["alg"].(string)
	}
	if len(signAs) > 0 {
		algorithm = signAs[0]
	}
	input := B64([]byte(text(header))) + "." + B64([]byte(text(claims)))
	return input + "." + B64(SignatureOf(tb, key, algorithm, []byte(input)))
}

// SignatureOf signs by an algorithm of JWS.
func SignatureOf(tb testing.TB, key any, algorithm string, input []byte) []byte {
	tb.Helper()
	made, err := func() ([]byte, error) {
		if algorithm == "EdDSA" {
			return ed25519.Sign(key.(ed25519.PrivateKey), input), nil
		}
		if algorithm == "none" {
			return []byte("none"), nil
		}
		hashing := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[algorithm[2:]]
		sum := hashing.New()
		sum.Write(input)
		digest := sum.Sum(nil)
		switch algorithm[:2] {
		case "RS":
			return rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), hashing, digest)
		case "PS":
			return rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), hashing, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		case "ES":
			private := key.(*ecdsa.PrivateKey)
			r, s, err := ecdsa.Sign(rand.Reader, private, digest)
			if err != nil {
				return nil, err
			}
			size := (private.Params().BitSize + 7) / 8
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
		case "HS":
			mac := hmac.New(map[string]func() hash.Hash{"256": sha256.New, "384": sha512.New384, "512": sha512.New}[algorithm[2:]], key.([]byte))
			mac.Write(input)
			return mac.Sum(nil), nil
		}
		return nil, errors.New("no such algorithm")
	}()
	if err != nil {
		tb.Fatalf("signing with %s: %v", algorithm, err)
	}
	return made
}

// JWKSOf is a JWK set.
func JWKSOf(t testing.TB, keys ...any) string {
	t.Helper()
	text, err := json.Marshal(Values{"keys": keys})
	Must(t, err)
	return string(text)
}
