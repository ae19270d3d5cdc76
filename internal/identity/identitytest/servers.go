package identitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// Secrets that no error may hold.
const (
	SecretToken  = "s3cr3t-t0ken+with/odd=characters"
	SecretClient = "cl1ent s3cret: +%&/ü"
)

// HidesSecrets fails when the error holds a secret in any form it was sent in.
func HidesSecrets(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{SecretToken, SecretClient} {
		for _, form := range []string{
			secret, url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte("verdict:" + url.QueryEscape(secret))),
			strings.Trim(strings.Fields(secret)[0], "+"),
		} {
			if strings.Contains(err.Error(), form) {
				t.Errorf("the error holds a secret: %v", err)
			}
		}
	}
}

// IsFault fails unless the error is a fault that says want and hides secrets.
func IsFault(t *testing.T, err error, want string) {
	t.Helper()
	HidesSecrets(t, err)
	if err == nil || errors.Is(err, identity.ErrUnknownToken) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want a fault with %q", err, want)
	}
}

// IsRefused fails unless the error is a definite no that says want and hides
// secrets.
func IsRefused(t *testing.T, err error, want string) {
	t.Helper()
	HidesSecrets(t, err)
	if !errors.Is(err, identity.ErrUnknownToken) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want a refusal with %q", err, want)
	}
}

// NoGoroutinesLeft fails when the test leaves goroutines behind. It has to be
// called before anything else that cleans up.
func NoGoroutinesLeft(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(Patience)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// TLSServer serves handler until the test is done.
func TLSServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = Quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// CA signs certificates for servers on 127.0.0.1 and for clients.
type CA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewCA returns an authority.
func NewCA(t *testing.T) *CA {
	t.Helper()
	ca := &CA{}
	ca.key, ca.certificate = ca.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	return ca
}

func (ca *CA) sign(t *testing.T, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Must(t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := ca.certificate, ca.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	Must(t, err)
	certificate, err := x509.ParseCertificate(der)
	Must(t, err)
	return key, certificate
}

// PEM is its certificate.
func (ca *CA) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.certificate.Raw}))
}

// Issue returns a certificate and its key, in PEM.
func (ca *CA) Issue(t *testing.T, name string, change func(*x509.Certificate)) (cert, key string) {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	private, certificate := ca.sign(t, template)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	Must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// MutualServer is a server of ca that asks for a certificate of clients.
func MutualServer(t *testing.T, ca, clients *CA, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	cert, key := ca.Issue(t, "server", nil)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	Must(t, err)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = Quiet()
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		server.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		server.TLS.ClientCAs = x509.NewCertPool()
		server.TLS.ClientCAs.AddCert(clients.certificate)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}
