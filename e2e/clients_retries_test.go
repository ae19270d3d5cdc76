package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apiserver/pkg/authorization/authorizer"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	authenticatorwebhook "k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook/metrics"
	"k8s.io/client-go/rest"
)

// TestRetries holds what verdict's choice of status codes rests on: how often
// the apiserver's clients call again. A release that changes it fails here.
func TestRetries(t *testing.T) {
	for _, test := range []struct {
		status     int
		retryAfter bool
		calls      int64
	}{
		{http.StatusBadRequest, false, 1},
		{http.StatusUnauthorized, false, 1},
		{http.StatusForbidden, false, 1},
		{http.StatusNotFound, false, 1},
		{http.StatusRequestTimeout, false, 1},
		{http.StatusRequestEntityTooLarge, false, 1},
		{http.StatusUnsupportedMediaType, false, 1},
		{http.StatusServiceUnavailable, false, 1},
		{http.StatusTooManyRequests, false, 5},
		{http.StatusInternalServerError, false, 5},
		{http.StatusBadGateway, false, 5},
		{http.StatusGatewayTimeout, false, 5},
		{http.StatusServiceUnavailable, true, 11},
		{http.StatusTooManyRequests, true, 55},
		{http.StatusInternalServerError, true, 55},
	} {
		t.Run(fmt.Sprintf("%d, Retry-After %t", test.status, test.retryAfter), func(t *testing.T) {
			var made int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				made++
				if test.retryAfter {
					w.Header().Set("Retry-After", "0")
				}
				w.WriteHeader(test.status)
			}))
			t.Cleanup(server.Close)

			tokens, err := authenticatorwebhook.New(&rest.Config{Host: server.URL, QPS: -1}, "v1", nil, quick)
			must(t, err)
			if _, ok, err := tokens.AuthenticateToken(t.Context(), "token"); ok || err == nil {
				t.Errorf("authenticated %t, error %v, want an error", ok, err)
			}
			if made != test.calls {
				t.Errorf("the token authenticator made %d calls, want %d", made, test.calls)
			}

			made = 0
			client, err := webhook.New(&rest.Config{Host: server.URL, QPS: -1}, "v1", 0, 0, quick, authorizer.DecisionDeny, nil, "retries",
				metrics.NoopAuthorizerMetrics{}, authorizationcel.NewDefaultCompiler())
			must(t, err)
			if decision, _, err := client.Authorize(t.Context(), attributes(func(*authorizer.AttributesRecord) {})); err == nil || decision != authorizer.DecisionDeny {
				t.Errorf("decision %v, error %v, want an error and deny", decision, err)
			}
			if made != test.calls {
				t.Errorf("the authorizer made %d calls, want %d", made, test.calls)
			}
		})
	}
}
