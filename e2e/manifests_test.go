package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// What an operator applies is accepted as it is, without a warning.
func TestManifests(t *testing.T) {
	must(t, shared.EnsureAPIServer(t.Context(), shared.ConfigurationFlags()))
	deploy, err := controlplane.DeployDir(t.Context())
	must(t, err)
	for _, path := range []string{"kubernetes", "static-pod"} {
		t.Run(path, func(t *testing.T) {
			result := kubectl(t, shared.AdminKubeconfig, "apply", "--dry-run=server", "--validate=strict",
				"--filename", filepath.Join(deploy, path))
			if result.Exit != 0 || result.Stderr != "" {
				t.Errorf("kubectl apply: %s", result)
			}
			if !strings.Contains(result.Stdout, "(server dry run)") {
				t.Errorf("nothing was tried: %s", result)
			}
		})
	}
}

// The configuration and the policies inside the manifests are ones that
// verdict takes.
func TestManifestContents(t *testing.T) {
	deploy, err := controlplane.DeployDir(t.Context())
	must(t, err)
	maps := map[string]map[string]string{}
	for _, name := range []string{"configmap.yaml", "bind.yaml"} {
		data, err := os.ReadFile(filepath.Join(deploy, "kubernetes", name))
		must(t, err)
		for document := range strings.SplitSeq(string(data), "\n---\n") {
			if !strings.Contains(document, "\nkind: ConfigMap\n") {
				continue
			}
			var configMap corev1.ConfigMap
			must(t, yaml.UnmarshalStrict([]byte(document), &configMap))
			maps[configMap.Name] = configMap.Data
		}
	}

	t.Run("configurations", func(t *testing.T) {
		// The volumes of the Deployment, by the files that it mounts.
		etc := filepath.Join(t.TempDir(), "etc")
		for target, source := range map[string]string{
			"tls/tls.crt":        filepath.Join(shared.VerdictDir(), "tls", "tls.crt"),
			"tls/tls.key":        filepath.Join(shared.VerdictDir(), "tls", "tls.key"),
			"client-ca/ca.crt":   filepath.Join(shared.VerdictDir(), "tls", "client-ca.crt"),
			"tokens/tokens.yaml": filepath.Join(shared.VerdictDir(), "tokens.yaml"),
		} {
			content, err := os.ReadFile(source)
			must(t, err)
			write(t, filepath.Join(etc, target), string(content))
		}
		for name, text := range maps["verdict-policy"] {
			write(t, filepath.Join(etc, "policy", name), text)
		}
		file := filepath.Join(etc, "config.yaml")
		for _, name := range []string{"verdict-config", "verdict-bind-config"} {
			write(t, file, strings.ReplaceAll(maps[name]["config.yaml"], "/etc/verdict", etc))
			out, err := shared.Verdict(t.Context(), "config", "check", file)
			if err != nil {
				t.Errorf("verdict config check of %s: %v\n%s", name, err, out)
			}
		}
	})
	t.Run("policies", func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range maps["verdict-policy"] {
			write(t, filepath.Join(dir, name), text)
		}
		must(t, shared.InstallVerdict(dir))
		must(t, shared.StartVerdict(t.Context()))
		must(t, shared.EnsureAPIServer(t.Context(), shared.WebhookFlags("v1")))
		must(t, shared.WaitVerdictReady(t.Context()))
		stranger, err := shared.CertificateKubeconfig("erin", "payments-engineers")
		must(t, err)
		refused(t, stranger, []string{"secrets in kube-system are for platform administrators"}, "get", "secrets", "--namespace=kube-system")
		allowed(t, as(t, "alice"), "auth", "whoami")
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o600))
}
