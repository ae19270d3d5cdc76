package e2e

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// TestMutualTLS: who is not known by a certificate of verdict's own CA gets
// no answer, and who is, only where they are listed.
func TestMutualTLS(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	const review = `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"a"}}`

	ask := func(config *tls.Config, path string) (int, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, shared.VerdictURL()+path, strings.NewReader(review))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	component := func(name string) *tls.Config {
		config, err := shared.CallerTLS(name)
		must(t, err)
		return config
	}

	t.Run("the apiserver is answered", func(t *testing.T) {
		if status, err := ask(component("kube-apiserver"), "/authenticate"); err != nil || status != http.StatusOK {
			t.Errorf("status %d, error %v, want 200", status, err)
		}
	})
	t.Run("the scheduler is not, about tokens", func(t *testing.T) {
		if status, err := ask(component("kube-scheduler"), "/authenticate"); err != nil || status != http.StatusForbidden {
			t.Errorf("status %d, error %v, want 403", status, err)
		}
	})
	t.Run("nobody without a certificate", func(t *testing.T) {
		anybody := component("kube-apiserver")
		anybody.Certificates = nil
		if status, err := ask(anybody, "/authenticate"); err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("status %d, error %v, want a TLS error: certificate required", status, err)
		}
	})
	t.Run("nobody with a certificate of the cluster's CA", func(t *testing.T) {
		kubeconfig, err := shared.CertificateKubeconfig("kube-apiserver")
		must(t, err)
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		must(t, err)
		certificate, err := tls.X509KeyPair(config.CertData, config.KeyData)
		must(t, err)
		stranger := component("kube-apiserver")
		// As it is, whatever authorities the server names.
		stranger.Certificates = nil
		stranger.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
		if status, err := ask(stranger, "/authenticate"); err == nil || !strings.Contains(err.Error(), "tls:") {
			t.Errorf("status %d, error %v, want a TLS error", status, err)
		}
	})
}
