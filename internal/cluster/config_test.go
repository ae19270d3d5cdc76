package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

const kubeconfigText = `apiVersion: v1
kind: Config
clusters:
- {name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority: ca.crt}}
users:
- {name: u, user: {token: secret-token}}
contexts:
- {name: x, context: {cluster: c, user: u}}
current-context: x
`

func TestClientConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kubeconfig")
	must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), nil, 0o600))
	must(t, os.WriteFile(path, []byte(kubeconfigText), 0o600))
	config, err := ClientConfig(path, false)
	must(t, err)
	if config.Host != "https://127.0.0.1:6443" || config.BearerToken != "secret-token" {
		t.Errorf("the host is %q, the token that of the user: %t", config.Host, config.BearerToken == "secret-token")
	}
	if want := filepath.Join(dir, "ca.crt"); config.CAFile != want {
		t.Errorf("the CA is %q, want %q: names are relative to the kubeconfig", config.CAFile, want)
	}
	if config.UserAgent != "verdict" || config.ContentType != "application/vnd.kubernetes.protobuf" || config.QPS != 20 || config.Burst != 40 {
		t.Errorf("got user agent %q, content type %q, %v queries a second, burst %d", config.UserAgent, config.ContentType, config.QPS, config.Burst)
	}
}

func TestClientConfigErrors(t *testing.T) {
	// Even in a pod, a kubeconfig that says nothing must not fall back to the
	// pod's service account.
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBERNETES_SERVICE_PORT", "")
	tests := map[string]struct {
		text      string // of the kubeconfig
		missing   bool
		inCluster bool
		none      bool
		is        error
		want      string
	}{
		"neither":              {none: true, want: "set cluster.kubeconfig or cluster.inCluster"},
		"both":                 {text: kubeconfigText, inCluster: true, want: "exclude each other"},
		"not in a cluster":     {none: true, inCluster: true, is: rest.ErrNotInCluster, want: "cluster.inCluster"},
		"missing":              {missing: true, is: fs.ErrNotExist, want: "no such file"},
		"empty":                {text: "", want: "names no cluster: set current-context"},
		"no current context":   {text: strings.Replace(kubeconfigText, "current-context: x", "", 1), want: "names no cluster: set current-context"},
		"unknown context":      {text: strings.Replace(kubeconfigText, "current-context: x", "current-context: other", 1), want: `context was not found`},
		"not YAML":             {text: "a: [", want: "yaml"},
		"not a kubeconfig":     {text: "apiVersion: v1\nkind: Pod\n", want: "Pod"},
		"a missing CA":         {text: kubeconfigText, want: "ca.crt"},
		"a wrong type":         {text: strings.Replace(kubeconfigText, "secret-token", "[secret-token]", 1), want: "kubeconfig"},
		"without cluster name": {text: strings.Replace(kubeconfigText, "cluster: c,", "", 1), want: "kubeconfig"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := ""
			if !test.none {
				path = filepath.Join(t.TempDir(), "kubeconfig")
				if !test.missing {
					must(t, os.WriteFile(path, []byte(test.text), 0o600))
				}
			}
			config, err := ClientConfig(path, test.inCluster)
			if err == nil {
				t.Fatalf("no error; the host is %q", config.Host)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
			if !test.none && !test.inCluster && !strings.Contains(err.Error(), path) {
				t.Errorf("error %q does not name the file", err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %q is not %q", err, test.is)
			}
			if strings.Contains(err.Error(), "secret-token") {
				t.Error("the error shows the token")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
