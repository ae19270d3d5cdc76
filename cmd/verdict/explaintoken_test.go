package main

import (
	"path/filepath"
	"strings"
	"testing"
)

const namingPolicy = `package kubernetes.authentication

user.username := input.identity.claims.username

user.groups contains "audience" if "here" in input.spec.audiences

deny contains "a token" if input.spec.token

deny contains "a status" if input.status
`

func TestExplainToken(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	policies := t.TempDir()
	write(t, filepath.Join(policies, "p.rego"), namingPolicy)
	const token = "s3cr3t-of-alice-0123456789abcdef"
	tokens := file("tokens.csv", token+",alice,1001\n")
	config := file("verdict.yaml", "apiVersion: verdict.dev/v1alpha1\nkind: Configuration\npolicy:\n  directories: ["+policies+"]\nauthentication:\n  sources:\n    - name: ours\n      tokenFile: {path: "+tokens+", format: csv}\n")
	identity := file("identity.json", `{"source": "ours", "type": "tokenFile", "subject": "bob", "claims": {"username": "bob"}}`)
	captured := func(version, spec string) string {
		return `{"apiVersion": "authentication.k8s.io/` + version + `", "kind": "TokenReview", "spec": {` + spec + `}, "status": {"authenticated": true}}`
	}
	withToken := captured("v1", `"token": "`+token+`", "audiences": ["here"]`)
	for name, test := range map[string]struct {
		input string
		args  []string
		code  int
		want  string
	}{
		"its own identity":            {`{"spec": {"token": "` + token + `"}, "identity": {"claims": {"username": "carol"}}}`, []string{"--policy", policies}, 0, "authenticated as carol\n"},
		"an identity in a file":       {withToken, []string{"--policy", policies, "--identity", identity}, 0, "authenticated as bob\n"},
		"v1beta1":                     {captured("v1beta1", `"token": "`+token+`"`), []string{"--policy", policies, "--identity", identity}, 0, "authenticated as bob\n"},
		"without its token":           {captured("v1", `"audiences": ["here"]`), []string{"--policy", policies, "--identity", identity}, 0, "authenticated as bob\n"},
		"verified by the sources":     {withToken, []string{"--config", config}, 0, "authenticated as alice\n"},
		"of no source":                {captured("v1", `"token": "another-secret-0123456789"`), []string{"--config", config}, 0, "not authenticated: "},
		"nothing that says who it is": {withToken, []string{"--policy", policies}, 2, `identity: is missing`},
		"two identities":              {`{"spec": {}, "identity": {}}`, []string{"--identity", identity}, 2, "identity: is in the document and in --identity"},
		"an identity that is none":    {`{"spec": {}, "identity": "alice"}`, nil, 2, "identity: must be an object"},
		"another review":              {`{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "a"}}`, nil, 2, "kind: must be TokenReview"},
		"a placement":                 {`{"pod": {}, "node": {}}`, nil, 2, "identity: is missing"},
		"a token that is no text":     {captured("v1", `"token": 5`), []string{"--identity", identity}, 2, "spec.token: must be a string"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"explain", file("input.json", test.input), "--detail", "full"}, test.args...)
			if test.args == nil || test.args[0] != "--identity" {
				args = append(args, "--point", "authentication")
			}
			stdout, stderr, code := runVerdict(t, args...)
			out := stdout
			if test.code != 0 {
				out = stderr
			}
			if code != test.code || !strings.Contains(out, test.want) {
				t.Errorf("exit code %d, want %d and %q of\n%s%s", code, test.code, test.want, stdout, stderr)
			}
			if strings.Contains(stdout+stderr, token) || strings.Contains(stdout+stderr, "another-secret") {
				t.Errorf("a token is printed:\n%s%s", stdout, stderr)
			}
		})
	}
}
