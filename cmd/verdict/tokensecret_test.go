package main

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestTokenNewPrintsASecret(t *testing.T) {
	manifest, stderr, code := runVerdict(t, "token", "new", "--secret", "--namespace", "verdict-tokens", "--username", "ci@example.com", "--uid", "7",
		"--group", "team-a", "--group", "team-b", "--extra", "x=y", "--audience", "vault", "--expires-in", "1h")
	if code != 0 {
		t.Fatal(stderr)
	}
	var secret corev1.Secret
	if err := yaml.UnmarshalStrict([]byte(manifest), &secret); err != nil {
		t.Fatalf("%v:\n%s", err, manifest)
	}
	if secret.APIVersion != "v1" || secret.Kind != "Secret" || secret.Type != "verdict.dev/token" || secret.Namespace != "verdict-tokens" ||
		secret.Labels["verdict.dev/token"] != "true" || !strings.HasPrefix(secret.Name, "ci-example-com-") {
		t.Errorf("the manifest is\n%s", manifest)
	}
	if secret.StringData["username"] != "ci@example.com" || secret.StringData["groups"] != "team-a\nteam-b" || secret.StringData["extra"] != `{"x":["y"]}` {
		t.Errorf("it says %v", secret.StringData)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if len(lines) != 2 || lines[0] != "# The token, which is shown only once:" || !strings.HasPrefix(lines[1], "vdt_") {
		t.Errorf("standard error has %d lines, want a comment and the token", len(lines))
	}
	if strings.Contains(manifest, "vdt_") {
		t.Error("the token is in the manifest")
	}
}

func TestTokenNewRefusesASecret(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"without namespace":    {[]string{"--secret"}, "--namespace is missing"},
		"of an odd namespace":  {[]string{"--secret", "--namespace", "a.b"}, `--namespace "a.b"`},
		"of an odd name":       {[]string{"--secret", "--namespace", "a", "--name", "A"}, `--name "A"`},
		"not asked for":        {[]string{"--namespace", "a"}, "add --secret"},
		"with a bad group":     {[]string{"--secret", "--namespace", "a", "--group", ""}, "group"},
		"with an odd username": {[]string{"--secret", "--namespace", "a", "--username", " a"}, "username"},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, code := runVerdict(t, append([]string{"token", "new", "--username", "a"}, test.args...)...)
			if code != exitUsage || !strings.Contains(stderr, test.want) || out != "" || strings.Contains(stderr, "vdt_") {
				t.Errorf("exit code %d, want %d and %q:\n%s%s", code, exitUsage, test.want, out, stderr)
			}
		})
	}
}

func TestServeReadsACSVTokenFile(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "tokens.csv"), "vdt_old,zoe,7,\"ops,dev\"\n")
	config := writeFile(t, filepath.Join(dir, "verdict.yaml"), plainConfig+"authentication: {sources: [{name: old, tokenFile: {path: tokens.csv, format: csv}}]}\n")
	p := serve(t, dir, "--config", config)
	_, body := p.post("/authenticate", `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"vdt_old"}}`)
	if !strings.Contains(body, `"username":"zoe"`) || !strings.Contains(body, `"groups":["ops","dev"]`) && !strings.Contains(body, `"groups":["dev","ops"]`) {
		t.Errorf("the token does not work: %s", body)
	}
	if log := p.stderr.String(); !strings.Contains(log, file+" holds tokens in clear text") || strings.Contains(log, "vdt_old") {
		t.Errorf("the log is\n%s\nwant a warning, and no token", log)
	}
}
