// Package remotetest helps to test sources that ask another host.
package remotetest

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/remote"
)

// ClientOf is a client that trusts the server alone.
func ClientOf(t *testing.T, server *httptest.Server, timeout time.Duration) *http.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	identitytest.Write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	client, _, err := remote.NewClient(remote.ConnectionOptions{CAFile: path, Timeout: timeout})
	identitytest.Must(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return client
}
