package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const plainConfig = `apiVersion: verdict.dev/v1alpha1
kind: Configuration
server: {plainHTTP: true, address: "127.0.0.1:0"}
operations: {address: "127.0.0.1:0"}
shutdown: {drain: 1s}
`

const listPods = `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview",
"spec":{"user":"alice","resourceAttributes":{"namespace":"payments","verb":"list","resource":"pods","version":"v1"}}}`

func TestServePrintsRequestsThatAnswer(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "it's a folder")
	p := serve(t, cache)
	tryPrinted(t, p)

	token, err := os.ReadFile(filepath.Join(cache, "verdict", "alice.token"))
	if err != nil {
		t.Fatal(err)
	}
	if printed := p.stdout.String() + p.stderr.String(); strings.Contains(printed, strings.TrimSpace(string(token))) {
		t.Error("the token was printed")
	}
	err = filepath.WalkDir(filepath.Join(cache, "verdict"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ca := readString(t, filepath.Join(cache, "verdict", "ca.crt"))
	p.terminate()
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0\n%s", code, p.stderr)
	}

	again := serve(t, cache)
	if got := readString(t, filepath.Join(cache, "verdict", "alice.token")); got != string(token) {
		t.Error("the second start made another token")
	}
	if readString(t, filepath.Join(cache, "verdict", "ca.crt")) != ca {
		t.Error("the second start made another CA")
	}
	tryPrinted(t, again)
}

func readString(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// tryPrinted runs the printed commands as a shell would, and looks at the answers.
func tryPrinted(t *testing.T, p *process) {
	t.Helper()
	if len(p.curls) != 3 {
		t.Fatalf("%d curl commands printed, want 3:\n%s", len(p.curls), p.stdout)
	}
	var review struct {
		Status struct {
			Authenticated, Allowed bool
			User                   struct{ Username string }
		}
	}
	var filter struct {
		Nodes                      struct{ Items []any }
		FailedAndUnresolvableNodes map[string]string
	}
	for i, into := range []any{&review, &review, &filter} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", p.curls[i]).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.curls[i], err, out)
		}
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("%s: %v\n%s", p.curls[i], err, out)
		}
	}
	if !review.Status.Authenticated || review.Status.User.Username != "alice" {
		t.Errorf("the TokenReview says %+v, want alice", review.Status)
	}
	if !review.Status.Allowed {
		t.Error("the SubjectAccessReview is not allowed")
	}
	if len(filter.Nodes.Items) != 1 || filter.FailedAndUnresolvableNodes["node-search"] == "" {
		t.Errorf("the filter call says %+v, want one node accepted and node-search refused", filter)
	}
}

func TestPolicyChangesAreTakenUpAndBrokenOnesAreNot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "policies", "authorization.rego")
	writeFile(t, file, "package kubernetes.authorization\nallow contains \"first\" if true\n")
	config := writeFile(t, filepath.Join(dir, "verdict.yaml"), plainConfig)
	p := serve(t, dir, "--config", config, "--policy", filepath.Dir(file))

	says := func(want string) func() bool {
		return func() bool {
			_, body := p.post("/authorize", listPods)
			return strings.Contains(body, want)
		}
	}
	if !says(`"first"`)() {
		t.Fatal("the first policy does not answer")
	}
	writeFile(t, file, "package kubernetes.authorization\nallow contains \"second\" if true\n")
	eventually(t, "the changed policy answers", says(`"second"`))

	writeFile(t, file, "package kubernetes.authorization\nallow contains \"third\" if tru\n")
	eventually(t, "the broken change is reported", func() bool {
		_, body := p.get("/readyz?verbose")
		return strings.Contains(body, "authorization.rego:2:27") && strings.Contains(body, "was refused")
	})
	if !says(`"second"`)() {
		t.Error("the broken change replaced the running policy")
	}
	if code, _ := p.get("/readyz"); code != 200 {
		t.Errorf("/readyz says %d: a broken change is no reason to stop answering", code)
	}
	if _, metrics := p.get("/metrics"); !strings.Contains(metrics, "verdict_policy_reload_errors_total 1") {
		t.Error("verdict_policy_reload_errors_total does not count the broken change")
	}
	if !strings.Contains(p.stderr.String(), "authorization.rego:2:27") {
		t.Errorf("the log does not say where the mistake is:\n%s", p.stderr)
	}
	writeFile(t, file, "package kubernetes.authorization\nallow contains \"fourth\" if true\n")
	eventually(t, "the mended policy answers", says(`"fourth"`))
	if _, body := p.get("/readyz?verbose"); strings.Contains(body, "was refused") {
		t.Errorf("/readyz?verbose still tells of the mistake:\n%s", body)
	}
}

func TestBrokenPolicyAtStart(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.rego"), "package kubernetes.scheduling\nreject[x] if x := 1\n")
	writeFile(t, filepath.Join(dir, "b.rego"), "package kubernetes.authorization\nallow := 5\n")
	_, stderr, code := runVerdict(t, "serve", "--policy", dir, "--address", "127.0.0.1:0", "--operations-address", "127.0.0.1:0")
	if code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	for _, want := range []string{"a.rego:2:1", "b.rego:2:1", "contains"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the message lacks %q:\n%s", want, stderr)
		}
	}
}

func TestDrain(t *testing.T) {
	dir := t.TempDir()
	p := serve(t, dir, "--config", writeFile(t, filepath.Join(dir, "verdict.yaml"), plainConfig))
	if code, body := p.get("/readyz"); code != 200 {
		t.Fatalf("/readyz says %d\n%s", code, body)
	}
	p.terminate()
	eventually(t, "/readyz fails", func() bool { code, _ := p.get("/readyz"); return code == 503 })
	if code, body := p.post("/authorize", listPods); code != 200 {
		t.Errorf("while draining /authorize says %d\n%s", code, body)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d, want 0\n%s", code, p.stderr)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	dir := t.TempDir()
	config := strings.Replace(plainConfig, "drain: 1s", "drain: 10m", 1)
	p := serve(t, dir, "--config", writeFile(t, filepath.Join(dir, "verdict.yaml"), config))
	p.terminate()
	eventually(t, "/readyz fails", func() bool { code, _ := p.get("/readyz"); return code == 503 })
	p.terminate()
	if code := p.wait(); code != exitFailure {
		t.Errorf("exit code %d, want %d\n%s", code, exitFailure, p.stderr)
	}
}

func TestRefusesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	broken := writeFile(t, filepath.Join(dir, "broken.yaml"), "apiVersion: verdict.dev/v1alpha1\nkind: Configuration\nserver: {port: x, maxInFlight: -1}\n")
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"unknown flag":        {[]string{"serve", "--polcy", "x"}, []string{"--polcy"}},
		"unknown command":     {[]string{"sreve"}, []string{"sreve"}},
		"missing folder":      {[]string{"serve", "--policy", filepath.Join(dir, "none")}, []string{"--policy", "none"}},
		"missing config":      {[]string{"serve", "--config", filepath.Join(dir, "none.yaml")}, []string{"none.yaml"}},
		"broken config":       {[]string{"serve", "--config", broken}, []string{"server.port", "server.maxInFlight"}},
		"config check":        {[]string{"config", "check", broken}, []string{"server.port", "server.maxInFlight"}},
		"open to the network": {[]string{"serve", "--address", "0.0.0.0:0"}, []string{"--allow-callers-without-client-certificate"}},
		"token without user":  {[]string{"token", "new"}, []string{"--username"}},
		"odd extra":           {[]string{"token", "new", "--username", "a", "--extra", "x"}, []string{"key=value"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, stderr, code := runVerdict(t, test.args...)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d\n%s", code, exitUsage, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("the message lacks %q:\n%s", want, stderr)
				}
			}
		})
	}
}

func TestTokenNewMakesATokenThatWorks(t *testing.T) {
	out, stderr, code := runVerdict(t, "token", "new", "--username", "zoe", "--uid", "7", "--group", "ops", "--extra", "team=x", "--expires-in", "1h")
	if code != 0 {
		t.Fatal(stderr)
	}
	lines := strings.SplitN(out, "\n", 4)
	token, entry := lines[1], lines[3]
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "tokens.yaml"), "tokens:\n"+entry)
	config := writeFile(t, filepath.Join(dir, "verdict.yaml"), plainConfig+"authentication: {sources: [{name: local, tokenFile: {path: tokens.yaml}}]}\n")
	p := serve(t, dir, "--config", config)
	review := func(token string) string {
		_, body := p.post("/authenticate", `{"apiVersion":"authentication.k8s.io/v1beta1","kind":"TokenReview","spec":{"token":"`+token+`"}}`)
		return body
	}
	if body := review(token); !strings.Contains(body, `"username":"zoe"`) || !strings.Contains(body, `"team":["x"]`) {
		t.Errorf("the token does not work: %s", body)
	}
	if body := review(token + "x"); strings.Contains(body, "zoe") || strings.Contains(body, "error") {
		t.Errorf("a wrong token gets %s", body)
	}
	if strings.Contains(p.stderr.String(), token) {
		t.Error("the token is in the log")
	}
}

func TestPlainHTTPStaysOnLoopback(t *testing.T) {
	config := writeFile(t, filepath.Join(t.TempDir(), "verdict.yaml"), plainConfig)
	_, stderr, code := runVerdict(t, "serve", "--config", config, "--address", "0.0.0.0:0", "--allow-callers-without-client-certificate")
	if code != exitUsage || !strings.Contains(stderr, "server.plainHTTP") {
		t.Errorf("exit code %d, want %d and a word about server.plainHTTP:\n%s", code, exitUsage, stderr)
	}
}

func TestPrintedRequestsAnswerOnEveryInterface(t *testing.T) {
	cache := t.TempDir()
	command := verdict(t, cache, "serve", "--address", "0.0.0.0:0", "--operations-address", "127.0.0.1:0", "--allow-callers-without-client-certificate")
	tryPrinted(t, start(t, command))
}

func TestPolicyFolderThatComesBackIsNoFaultAnyMore(t *testing.T) {
	dir := t.TempDir()
	policies := filepath.Join(dir, "policies")
	writeFile(t, filepath.Join(policies, "a.rego"), "package kubernetes.authorization\nallow contains \"x\" if true\n")
	p := serve(t, dir, "--config", writeFile(t, filepath.Join(dir, "verdict.yaml"), plainConfig), "--policy", policies)
	refused := func() bool {
		_, body := p.get("/readyz?verbose")
		return strings.Contains(body, "was refused")
	}
	if err := os.Rename(policies, policies+".away"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing folder is reported", refused)
	if err := os.Rename(policies+".away", policies); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the report is withdrawn", func() bool { return !refused() })
}

func TestWhatIsInFlightIsAnsweredBeforeGraceEnds(t *testing.T) {
	dir := t.TempDir()
	slow := "package kubernetes.authorization\nallow contains \"x\" if count([1 | some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a == b + 1000000]) > 0\n"
	writeFile(t, filepath.Join(dir, "policies", "slow.rego"), slow)
	config := strings.Replace(plainConfig, "drain: 1s", "drain: 0s, grace: 2s", 1)
	p := serve(t, dir, "--config", writeFile(t, filepath.Join(dir, "verdict.yaml"), config), "--policy", filepath.Join(dir, "policies"))
	code := make(chan int, 1)
	go func() {
		got, _ := p.post("/authorize", listPods)
		code <- got
	}()
	eventually(t, "the request is in flight", func() bool {
		_, metrics := p.get("/metrics")
		return strings.Contains(metrics, `verdict_requests_in_flight{point="authorization",verb="review"} 1`)
	})
	p.terminate()
	if got := <-code; got != 503 {
		t.Errorf("the request in flight got %d, want 503", got)
	}
	if got := p.wait(); got != 0 {
		t.Errorf("exit code %d, want 0\n%s", got, p.stderr)
	}
}
