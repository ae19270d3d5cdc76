package servers

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"
)

func TestKeysAreServedAndCounted(t *testing.T) {
	pair, err := newCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ServeKeys(t.Context(), pair, []byte(`{"keys":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pair.Roots}}
	client := http.Client{Transport: transport}
	for range 2 {
		response, err := client.Get(keys.URL)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(text) != `{"keys":[]}` {
			t.Errorf("%q, %v", text, err)
		}
	}
	if keys.Asked() != 2 {
		t.Errorf("asked %d times, want 2", keys.Asked())
	}
	transport.CloseIdleConnections()
	if err := keys.Stop(); err != nil {
		t.Error(err)
	}
}
