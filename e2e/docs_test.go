package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/e2e/controlplane"
)

// pages are those with commands that need a control plane; the others are run
// beside cmd/verdict, as is what begins with runHere.
var pages = []string{"connect-apiserver.md", "connect-scheduler.md", "when-verdict-is-down.md", "tokens.md"}

const runHere = "go run ./cmd/verdict "

// documented says what each command of the pages must do. A command that is
// not here fails the test, as does one that no page has any more.
var documented = map[string]struct {
	exit   int
	output string
}{
	"verdict config check /etc/verdict/config.yaml":                                                                                                              {0, ""},
	"kubectl apply --filename=deploy/kubernetes/namespace.yaml --filename=deploy/kubernetes/rbac.yaml":                                                           {0, "clusterrolebinding.rbac.authorization.k8s.io/verdict"},
	"kubectl auth can-i list secrets --namespace=kube-system --as=alice --as-group=team-payments":                                                                {1, "no - only trusted groups may read Secrets of kube-system"},
	"kubectl get --raw=/metrics | grep apiserver_authorization_webhook":                                                                                          {0, "apiserver_authorization_webhook_duration_seconds"},
	"kubectl get events --all-namespaces --field-selector=reason=FailedScheduling":                                                                               {0, ""},
	"kubectl apply --filename=deploy/token-secrets/verdict-tokens.yaml":                                                                                          {0, "rolebinding.rbac.authorization.k8s.io/verdict-tokens"},
	"verdict token new --secret --namespace=verdict-tokens --name=ci-bot --username=ci-bot --group=team-payments --expires-in=720h | kubectl apply --filename=-": {0, "secret/ci-bot created"},
	"kubectl get secrets --namespace=verdict-tokens --selector=verdict.dev/token=true":                                                                           {0, "verdict.dev/token"},
	`kubectl patch secret ci-bot --namespace=verdict-tokens --type=merge --patch='{"stringData":{"groups":"team-search"}}'`:                                      {0, "secret/ci-bot patched"},
	"kubectl delete secret ci-bot --namespace=verdict-tokens":                                                                                                    {0, `secret "ci-bot" deleted`},
	"kubectl --kubeconfig=/etc/kubernetes/super-admin.conf get nodes":                                                                                            {0, ""},
	"kubectl --kubeconfig=/etc/kubernetes/super-admin.conf get --raw=/metrics | grep apiserver_authorization_webhook_evaluations":                                {0, "apiserver_authorization_webhook_evaluations_total"},
}

func TestDocumentedCommands(t *testing.T) {
	starter, err := controlplane.StarterPolicyDir(t.Context())
	must(t, err)
	must(t, shared.InstallVerdict(starter))
	must(t, shared.StartVerdict(t.Context()))
	must(t, shared.EnsureAPIServer(t.Context(), shared.ConfigurationFlags()))
	must(t, shared.WaitVerdictReady(t.Context()))
	admin, err := os.ReadFile(shared.AdminKubeconfig)
	must(t, err)
	write(t, filepath.Join(shared.Dir, "etc-kubernetes", "super-admin.conf"), string(admin))

	root := repository(t)
	seen := map[string]bool{}
	for _, page := range pages {
		for _, command := range commandsOf(t, filepath.Join(root, "docs", page)) {
			if strings.HasPrefix(command, runHere) {
				continue
			}
			want, known := documented[command]
			if !known {
				t.Errorf("%s: no test runs the documented command: %s", page, command)
				continue
			}
			seen[command] = true
			out, exit := paste(t, root, command)
			if exit != want.exit || !strings.Contains(out, want.output) {
				t.Errorf("%s: %s\nexit code %d, want %d and %q:\n%s", page, command, exit, want.exit, want.output, out)
			}
		}
	}
	for command := range documented {
		if !seen[command] {
			t.Errorf("no page documents the command any more: %s", command)
		}
	}
}

// TestDocumentedFlags holds the flags in the pages against the programs.
func TestDocumentedFlags(t *testing.T) {
	var help strings.Builder
	for _, args := range [][]string{
		{shared.Binaries.APIServer, "--help"},
		{shared.Binaries.Scheduler, "--help"},
		{shared.Binaries.Kubectl, "apply", "--help"},
		{shared.Binaries.Kubectl, "get", "--help"},
		{shared.Binaries.Kubectl, "patch", "--help"},
		{shared.Binaries.Kubectl, "options"},
		{filepath.Join(shared.Dir, "verdict"), "token", "new", "--help"},
		{filepath.Join(shared.Dir, "verdict"), "explain", "--help"},
	} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(args, " "), err)
		}
		help.Write(out)
	}
	flag := regexp.MustCompile("--[a-z][a-z-]*[a-z]")
	known := map[string]bool{}
	for _, name := range flag.FindAllString(help.String(), -1) {
		known[name] = true
	}
	for _, page := range pages {
		data, err := os.ReadFile(filepath.Join(repository(t), "docs", page))
		must(t, err)
		for _, name := range flag.FindAllString(strings.ReplaceAll(string(data), "--authorization-webhook-*", ""), -1) {
			if !known[name] {
				t.Errorf("%s: nothing has the flag %s", page, name)
			}
		}
	}
}

// repository is the folder above this module.
func repository(t *testing.T) string {
	t.Helper()
	deploy, err := controlplane.DeployDir(t.Context())
	must(t, err)
	return filepath.Dir(deploy)
}

// commandsOf returns the lines of a page's sh blocks.
func commandsOf(t *testing.T, page string) []string {
	t.Helper()
	data, err := os.ReadFile(page)
	must(t, err)
	var out []string
	inside := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "```sh":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside && line != "":
			out = append(out, line)
		}
	}
	return out
}

// paste runs a command in a shell at the root of the repository, as the
// administrator of a node whose /etc is the run's.
func paste(t *testing.T, root, command string) (output string, exit int) {
	t.Helper()
	bin := t.TempDir()
	must(t, os.Symlink(shared.Binaries.Kubectl, filepath.Join(bin, "kubectl")))
	must(t, os.Symlink(filepath.Join(shared.Dir, "verdict"), filepath.Join(bin, "verdict")))
	command = strings.NewReplacer(
		"/etc/kubernetes/", filepath.Join(shared.Dir, "etc-kubernetes")+"/",
		"/etc/verdict/", shared.VerdictDir()+"/",
	).Replace(command)
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	shell.Dir = root
	shell.Env = append(os.Environ(),
		"PATH="+bin+":"+os.Getenv("PATH"),
		"HOME="+t.TempDir(),
		"KUBECONFIG="+shared.AdminKubeconfig,
	)
	out, _ := shell.CombinedOutput()
	return string(out), shell.ProcessState.ExitCode()
}
