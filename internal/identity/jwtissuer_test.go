package identity

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
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Keys take long to make: each is made once.
var (
	rsaA     = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	rsaB     = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	rsaSmall = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
	p256A    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P256()) })
	p256B    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P256()) })
	p384A    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P384()) })
	p521A    = sync.OnceValue(func() *ecdsa.PrivateKey { return newECDSA(elliptic.P521()) })
	ed25519A = sync.OnceValue(func() ed25519.PrivateKey {
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

// values are the members of a JSON object.
type values = map[string]any

// with is a copy of some values with others in their place; nil takes one away.
func with(some values, others values) values {
	all := maps.Clone(some)
	for name, value := range others {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return all
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// jwkOf is the public JWK of a private key (RFC 7518 §6, RFC 8037 §2), made
// without the library that reads it.
func jwkOf(id string, private crypto.Signer, more ...values) values {
	var out values
	switch key := private.Public().(type) {
	case *rsa.PublicKey:
		out = values{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		size := (len(point) - 1) / 2
		out = values{"kty": "EC", "crv": key.Curve.Params().Name, "x": b64(point[1 : 1+size]), "y": b64(point[1+size:])}
	case ed25519.PublicKey:
		out = values{"kty": "OKP", "crv": "Ed25519", "x": b64(key)}
	}
	if id != "" {
		out["kid"] = id
	}
	for _, m := range more {
		out = with(out, m)
	}
	return out
}

// privateJWKOf is an RSA key with its secrets.
func privateJWKOf(id string, key *rsa.PrivateKey) values {
	return jwkOf(id, key, values{
		"d": b64(key.D.Bytes()), "p": b64(key.Primes[0].Bytes()), "q": b64(key.Primes[1].Bytes()),
		"dp": b64(key.Precomputed.Dp.Bytes()), "dq": b64(key.Precomputed.Dq.Bytes()), "qi": b64(key.Precomputed.Qinv.Bytes()),
	})
}

// jwtOf is a JWT that is signed as its header says; with another algorithm than
// that of signAs when it is given.
func jwtOf(tb testing.TB, key any, header, claims any, signAs ...string) string {
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
	if members, ok := header.(values); ok {
		algorithm, _ = members["alg"].(string)
	}
	if len(signAs) > 0 {
		algorithm = signAs[0]
	}
	input := b64([]byte(text(header))) + "." + b64([]byte(text(claims)))
	return input + "." + b64(signatureOf(tb, key, algorithm, []byte(input)))
}

func signatureOf(tb testing.TB, key any, algorithm string, input []byte) []byte {
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

// keyIssuer publishes keys. It serves over TLS, or in memory for a fake clock.
type keyIssuer struct {
	url    string
	client *http.Client

	discoveries, fetches atomic.Int32

	mu        sync.Mutex
	keys      []any
	header    http.Header
	status    int    // of all answers; 0 for 200
	body      []byte // in place of the keys
	discovery values // what differs in the discovery document
	answering func(http.ResponseWriter, *http.Request) bool
}

func newIssuer(tb testing.TB, keys ...any) *keyIssuer {
	tb.Helper()
	i := &keyIssuer{keys: keys}
	server := httptest.NewTLSServer(i)
	tb.Cleanup(server.Close)
	i.url, i.client = server.URL, server.Client()
	return i
}

func newIssuerInMemory(url string, keys ...any) *keyIssuer {
	i := &keyIssuer{url: url, keys: keys}
	i.client = &http.Client{Transport: i}
	return i
}

// set changes the issuer.
func (i *keyIssuer) set(change func(*keyIssuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *keyIssuer) publish(keys ...any) { i.set(func(i *keyIssuer) { i.keys = keys }) }
func (i *keyIssuer) answer(status int)   { i.set(func(i *keyIssuer) { i.status = status }) }

// RoundTrip implements http.RoundTripper.
func (i *keyIssuer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	return w.Result(), nil
}

func (i *keyIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys, header, status, body, discovery, answering := slices.Clone(i.keys), i.header.Clone(), i.status, i.body, i.discovery, i.answering
	i.mu.Unlock()
	isKeys := r.URL.Path == "/keys"
	if isKeys {
		i.fetches.Add(1)
	} else {
		i.discoveries.Add(1)
	}
	if answering != nil && answering(w, r) {
		return
	}
	maps.Copy(w.Header(), header)
	switch {
	case status != 0:
		w.WriteHeader(status)
	case isKeys && body != nil:
		_, _ = w.Write(body)
	case isKeys:
		answerJSON(w, values{"keys": keys})
	case r.URL.Path == discoveryPath:
		answerJSON(w, with(values{"issuer": i.url, "jwks_uri": i.url + "/keys"}, discovery))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func answerJSON(w http.ResponseWriter, value values) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(err) // a mistake in the test
	}
}

// claims are those of a good token.
func (i *keyIssuer) claims(now time.Time, others values) values {
	return with(values{"iss": i.url, "sub": "alice", "aud": "api", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}, others)
}

// newJWT is a source for the issuer's tokens.
func (i *keyIssuer) newJWT(tb testing.TB, change func(*JWTOptions)) *JWT {
	tb.Helper()
	options := JWTOptions{
		Issuers: []string{i.url}, Client: i.client, Leeway: evenLeeway(10 * time.Second), Timeout: 5 * time.Second,
		OnError: func(err error) { tb.Logf("told: %v", err) },
	}
	if change != nil {
		change(&options)
	}
	source, err := NewJWT("corp", options)
	if err != nil {
		tb.Fatal(err)
	}
	return source
}

// evenLeeway is the same for every claim.
func evenLeeway(d time.Duration) Leeway { return Leeway{Expires: d, NotBefore: d, IssuedAt: &d} }
