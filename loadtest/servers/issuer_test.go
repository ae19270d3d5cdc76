package servers

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"testing"
)

func TestIssuerAnswersAndCounts(t *testing.T) {
	pair, err := newCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := ServeIssuer(t.Context(), pair, []byte("keys"), func(token string) []byte { return []byte("about " + token) })
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pair.Roots}}
	client := http.Client{Transport: transport}
	for want, ask := range map[string]func() (*http.Response, error){
		"keys": func() (*http.Response, error) { return client.Get(issuer.KeysURL) },
		"about x": func() (*http.Response, error) {
			return client.PostForm(issuer.IntrospectionURL, url.Values{"token": {"x"}})
		},
	} {
		response, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(text) != want {
			t.Errorf("%q, %v; want %q", text, err, want)
		}
	}
	if issuer.Asked() != 2 {
		t.Errorf("asked %d times, want 2", issuer.Asked())
	}
	transport.CloseIdleConnections()
	if err := issuer.Stop(); err != nil {
		t.Error(err)
	}
}
