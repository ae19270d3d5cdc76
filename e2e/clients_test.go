package e2e

import (
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
)

// quick is the backoff of the webhook clients with its waits left out.
var quick = wait.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 5}

// calls counts the requests that a client makes.
type calls struct {
	next  http.RoundTripper
	count *atomic.Int64
}

func (c calls) RoundTrip(request *http.Request) (*http.Response, error) {
	c.count.Add(1)
	return c.next.RoundTrip(request)
}

// webhookConfig reads a kubeconfig of deploy/ as the apiserver does, and
// counts the calls made with it.
func webhookConfig(t *testing.T, file string) (*rest.Config, *atomic.Int64) {
	t.Helper()
	config, err := webhook.LoadKubeconfig(filepath.Join(shared.ConnectionDir(), file), nil)
	must(t, err)
	var count atomic.Int64
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return calls{next, &count} })
	return config, &count
}

// reviewVersions are those the webhook clients can send.
var reviewVersions = []string{"v1", "v1beta1"}
