package importer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/internal/config"
	identityjwt "github.com/verdict-dev/verdict/internal/identity/jwt"
)

// authenticators makes an AuthenticationConfiguration of these.
func authenticators(t *testing.T, jwt ...map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func issuedBy(url string, mappings map[string]any) map[string]any {
	return map[string]any{"issuer": map[string]any{"url": url, "audiences": []string{"a"}}, "claimMappings": mappings}
}

var bySubject = map[string]any{"username": map[string]any{"claim": "sub", "prefix": "p:"}}

// TestOddTexts imports texts that could end a comment or a string: all files load.
func TestOddTexts(t *testing.T) {
	for name, text := range map[string]string{
		"lines": "a\nb\r\nc", "quotes": "\"'`\\", "comment": "a\n# METADATA\n# scope: nothing", "yaml": "a: b # c", "indented": "    a\n  b",
		"template": "{{x}} ${y} %s %d", "separators": "a\u2028b\u2029c\u0085d\u007f", "Rego": "\"\nallow := true\n#", "keyword": "true", "number": "1e3", "empty": "", "space": " ", "tabs": "\ta\n\tb",
	} {
		t.Run(name, func(t *testing.T) {
			quoted, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			one := issuedBy("https://a.example", map[string]any{
				"username": map[string]any{"expression": "claims.sub + " + string(quoted)},
				"groups":   map[string]any{"claim": text + "x", "prefix": text},
				"uid":      map[string]any{"claim": text},
				"extra":    []any{map[string]any{"key": "example.com/a", "valueExpression": "// " + strings.NewReplacer("\n", " ", "\r", " ", "\u2028", " ", "\u2029", " ", "\u0085", " ").Replace(text) + "\n 'a'"}},
			})
			one["issuer"].(map[string]any)["audiences"] = []string{"x" + text + "a"}
			one["claimValidationRules"] = []any{
				map[string]any{"expression": "claims.a == " + string(quoted), "message": text},
				map[string]any{"claim": text + "b", "requiredValue": text},
			}
			one["userValidationRules"] = []any{map[string]any{"expression": "user.username != " + string(quoted), "message": text + "!"}}
			result, err := AuthenticationConfiguration("odd\nname.yaml", authenticators(t, one))
			if err != nil {
				t.Fatal(err)
			}
			loaded := load(t, result)
			source := loaded.Authentication.Sources[0].Config.(*identityjwt.Options)
			if got := source.RequiredClaims[text+"b"]; got != text {
				t.Errorf("required %q, want %q", got, text)
			}
			if got := source.Audiences[0]; got != "x"+text+"a" {
				t.Errorf("audience %q, want %q", got, "x"+text+"a")
			}
		})
	}
}

// load writes what was imported and reads the configuration.
func load(t *testing.T, result *Result) *config.Configuration {
	t.Helper()
	dir := t.TempDir()
	for _, file := range result.Files {
		name := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(file.Text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := config.Load(filepath.Join(dir, "verdict.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// TestSourceNames has several issuers whose names are alike.
func TestSourceNames(t *testing.T) {
	urls := []string{
		"https://login.example.com", "https://login.example.com/", "https://login.example.com/a", "https://login.example.com/A",
		"https://login-example.com", "https://127.0.0.1:8443", "https://authentication", "https://data",
		"https://" + strings.Repeat("a", 60) + ".example", "https://" + strings.Repeat("a", 60) + ".example/b", "https://é.example",
	}
	var jwt []map[string]any
	for _, url := range urls {
		jwt = append(jwt, issuedBy(url, bySubject))
	}
	result, err := AuthenticationConfiguration("a.yaml", authenticators(t, jwt...))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for i, source := range load(t, result).Authentication.Sources {
		names[source.Name] = true
		if issuers := source.Config.(*identityjwt.Options).Issuers; issuers[0] != urls[i] {
			t.Errorf("%s is of %s, want %s", source.Name, issuers, urls[i])
		}
	}
	files := map[string]bool{}
	for _, file := range result.Files {
		files[file.Name] = true
	}
	if len(names) != len(urls) || len(files) != len(urls)+2 {
		t.Errorf("names %v, files %v", names, files)
	}
}

// TestSystemNames lists the names of Kubernetes' own that mappings write out.
func TestSystemNames(t *testing.T) {
	for _, c := range []struct {
		name     string
		mappings map[string]any
		want     string
	}{
		{"none", bySubject, "[]"},
		{"a prefix", map[string]any{"username": map[string]any{"claim": "sub", "prefix": "system:oidc:"}}, "[system:oidc:*]"},
		{"every name", map[string]any{"username": map[string]any{"claim": "sub", "prefix": "system:"}}, "[]"},
		{"a prefix of masters", map[string]any{"username": map[string]any{"claim": "sub", "prefix": "p:"}, "groups": map[string]any{"claim": "g", "prefix": "system:mas"}}, "[]"},
		{"masters", map[string]any{"username": map[string]any{"claim": "sub", "prefix": "p:"}, "groups": map[string]any{"expression": "['system:masters', 'system:a']"}}, "[system:a]"},
		{"literals", map[string]any{"username": map[string]any{"expression": "'system:serviceaccount:' + claims.sub"}}, "[system:serviceaccount:*]"},
		{"a literal of extra", map[string]any{"username": map[string]any{"claim": "sub", "prefix": "p:"}, "extra": []any{map[string]any{"key": "a.b/c", "valueExpression": "'system:a'"}}}, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			result, err := AuthenticationConfiguration("a.yaml", authenticators(t, issuedBy("https://a.example", c.mappings)))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(load(t, result).Authentication.AllowedSystemNames); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
