package main

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const importedPage = "../../docs/authentication-configuration.md"

// TestImportedExample holds the example of the page to what the command writes, and
// decides by it, alone and beside the starter policies.
func TestImportedExample(t *testing.T) {
	shown := shownFiles(t, importedPage)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "authentication.yaml"), shown["authentication.yaml"])
	output := filepath.Join(dir, "imported")
	_, stderr, code := runVerdict(t, "import", "authentication-configuration", filepath.Join(dir, "authentication.yaml"), "--output", output)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, warning := range []string{"claimMappings.groups.claim: ", "claimMappings.username.expression: "} {
		if !strings.Contains(stderr, "warning: jwt[0]."+warning) {
			t.Errorf("no warning of %s:\n%s", warning, stderr)
		}
	}
	written := map[string]bool{}
	err := filepath.WalkDir(output, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		written[name] = true
		if text := readString(t, path); shown[name] != text {
			t.Errorf("the page shows another %s:\n%s", name, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range shown {
		if strings.HasPrefix(name, "imported/") && !written[name] && !strings.HasSuffix(name, "_test.rego") {
			t.Errorf("the page shows %s, which is not written", name)
		}
	}
	if stdout, stderr, code := runVerdict(t, "config", "check", filepath.Join(output, "verdict.yaml")); code != 0 {
		t.Errorf("config check: exit code %d: %s%s", code, stdout, stderr)
	}
	beside := filepath.Join(dir, "beside")
	if err := os.CopyFS(beside, os.DirFS("../../rego/starter")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(beside, "imported"), os.DirFS(filepath.Join(output, "policies"))); err != nil {
		t.Fatal(err)
	}
	decideImported(t, filepath.Join(output, "policies"))
	decideImported(t, beside)
}

// decideImported asks the example's policies about tokens.
func decideImported(t *testing.T, policies string) {
	t.Helper()
	claims := map[string]any{
		"iss": "https://login.example.com", "sub": "7", "hd": "example.com", "email": "alice@example.com",
		"email_verified": true, "roles": []string{"dev"}, "tenant": "blue", "iat": 1700000000, "exp": 1700003600,
	}
	for _, c := range []struct {
		name, want string
		source     string
		change     map[string]any
	}{
		{name: "a verified address", want: "authenticated as alice@example.com"},
		{name: "another address", change: map[string]any{"email_verified": false}, want: "authenticated as 7"},
		{name: "an odd address", change: map[string]any{"email_verified": "yes"}, want: "gives no username"},
		{name: "a long life", change: map[string]any{"exp": 1731536000}, want: "tokens live for a day at most"},
		{name: "an administrator", change: map[string]any{"email": "admin-bob"}, want: "administrators use certificates"},
		{name: "an odd tenant", change: map[string]any{"tenant": 7}, want: "extra[0].valueExpression gives no strings"},
		{name: "no subject", change: map[string]any{"sub": nil}, want: "authenticated as alice@example.com"},
		{name: "groups elsewhere", change: map[string]any{"roles": absent, "_claim_names": map[string]any{"roles": "s"}, "_claim_sources": map[string]any{"s": map[string]any{"endpoint": "https://x"}}}, want: "distributed claim"},
		{name: "a number that is rounded", change: map[string]any{"iat": json.Number("9007199254740993")}, want: "CEL would round"},
		{name: "another source", source: "other", want: "not authenticated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := maps.Clone(claims)
			for name, value := range c.change {
				if all[name] = value; value == absent {
					delete(all, name)
				}
			}
			source := c.source
			if source == "" {
				source = "login.example.com"
			}
			input, err := json.Marshal(map[string]any{"spec": map[string]any{}, "identity": map[string]any{"source": source, "type": "jwt", "claims": all}})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "review.json")
			write(t, file, string(input))
			stdout, stderr, code := runVerdict(t, "explain", "--point", "authentication", "--policy", policies, file)
			if code != 0 || !strings.Contains(stdout, c.want) {
				t.Errorf("exit code %d, lacks %q:\n%s%s", code, c.want, stdout, stderr)
			}
		})
	}
}

// absent stands for a claim that is left out.
const absent = "(absent)"

func TestImportPrints(t *testing.T) {
	shown := shownFiles(t, importedPage)
	file := filepath.Join(t.TempDir(), "authentication.yaml")
	write(t, file, shown["authentication.yaml"])
	stdout, stderr, code := runVerdict(t, "import", "authentication-configuration", file)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		name, inside := strings.CutPrefix(name, "imported/")
		if inside && !strings.HasSuffix(name, "_test.rego") && !strings.Contains(stdout, "# file: "+name+"\n"+shown["imported/"+name]) {
			t.Errorf("%s is not printed:\n%s", name, stdout)
		}
	}
}

func TestImportReplacesNothing(t *testing.T) {
	shown := shownFiles(t, importedPage)
	dir := t.TempDir()
	file := filepath.Join(dir, "authentication.yaml")
	write(t, file, shown["authentication.yaml"])
	mine := filepath.Join(dir, "out", "policies", "login_example_com.rego")
	if err := os.MkdirAll(filepath.Dir(mine), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, mine, "mine")
	args := []string{"import", "authentication-configuration", file, "--output", filepath.Join(dir, "out")}
	if _, stderr, code := runVerdict(t, args...); code != exitUsage || !strings.Contains(stderr, mine+" already exists") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if readString(t, mine) != "mine" {
		t.Error("the file was replaced")
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "verdict.yaml")); err == nil {
		t.Error("another file was written")
	}
	if _, stderr, code := runVerdict(t, append(args, "--overwrite")...); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if readString(t, mine) == "mine" {
		t.Error("the file was not replaced")
	}
}

func TestImportRefuses(t *testing.T) {
	const head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"
	expression := func(e string) string {
		return head + "jwt: [{issuer: {url: https://a.example, audiences: [a]}, claimMappings: {username: {expression: " + e + "}}}]\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"a field that does not exist": {head + "jwts: []\n", `unknown field "jwts"`},
		"a field twice":               {head + "jwt: []\njwt: []\n", `already set in map`},
		"another kind":                {"apiVersion: v1\nkind: Pod\n", "not an AuthenticationConfiguration"},
		"nothing":                     {"", "the file is empty"},
		"no issuer":                   {head + "jwt: [{claimMappings: {username: {claim: a, prefix: ''}}}]\n", "jwt[0].issuer.url: Required"},
		"a function without counterpart": {
			expression(`"claims.a == 'x' ? string(quantity('1Gi').asInteger()) : 'y'"`),
			"jwt[0].claimMappings.username.expression: Invalid value", // and the place
		},
		"its place":    {expression(`"claims.a == 'x' ? string(quantity('1Gi').asInteger()) : 'y'"`), "1:34: quantity() has no counterpart in Rego"},
		"bytes":        {expression(`"string(b'a')"`), "1:8: a value of the type bytes has no counterpart in Rego"},
		"a type error": {expression(`"claims + 1"`), "1:8: found no matching overload"},
		"an int or a double": {
			expression(`"string(claims.?a.orValue(1) + 1)"`), "cannot be told",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "authentication.yaml")
			write(t, file, c.text)
			stdout, stderr, code := runVerdict(t, "import", "authentication-configuration", file, "--output", filepath.Join(dir, "out"))
			if code != exitUsage || !strings.Contains(stderr, c.want) || stdout != "" {
				t.Errorf("exit code %d, want %q:\n%s%s", code, c.want, stdout, stderr)
			}
			if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
				t.Error("something was written")
			}
		})
	}
}
