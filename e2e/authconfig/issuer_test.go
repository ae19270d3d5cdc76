package authconfig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// issuers are all issuers of the world: a proxy that answers for whatever host it is
// asked to connect to.
type issuers struct {
	// authority is PEM.
	authority string
	proxy     *httptest.Server
	// discovery and keys are what the issuers answer.
	discovery, keys string
}

func startIssuers(t *testing.T, discovery, keys string) *issuers {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuers"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	authority, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	i := &issuers{discovery: discovery, keys: keys}
	i.authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority}))
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(2), DNSNames: []string{hello.ServerName},
			NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		}
		signed, err := x509.CreateCertificate(rand.Reader, leaf, template, &key.PublicKey, key)
		return &tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}, err
	}}
	inside := httptest.NewUnstartedServer(i)
	inside.TLS = config
	inside.StartTLS()
	t.Cleanup(inside.Close)
	i.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		to, err := net.Dial("tcp", inside.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = from.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
		go func() {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}()
		go func() {
			_, _ = io.Copy(from, to)
			_ = from.Close()
		}()
	}))
	t.Cleanup(i.proxy.Close)
	t.Cleanup(inside.CloseClientConnections)
	return i
}

func (i *issuers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	const wellKnown = "/.well-known/openid-configuration"
	switch {
	case r.URL.Path == "/.testing/keys":
		_, _ = w.Write([]byte(i.keys))
	case !strings.HasSuffix(r.URL.Path, wellKnown):
		http.NotFound(w, r)
	case i.discovery != "":
		_, _ = w.Write([]byte(i.discovery))
	default:
		address := "https://" + r.Host
		if err := json.NewEncoder(w).Encode(map[string]string{
			"issuer": address + strings.TrimSuffix(r.URL.Path, wellKnown), "jwks_uri": address + "/.testing/keys",
		}); err != nil {
			panic(err)
		}
	}
}
