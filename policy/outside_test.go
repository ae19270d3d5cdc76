package policy

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/verdict-dev/verdict/policy/document"
)

const secretInFile = "hunter2-in-a-file"

// decideOutside decides by source with each evaluator, and by explain.
func decideOutside(t *testing.T, options Options, source, input string, check func(t *testing.T, outcome string, err error)) {
	t.Helper()
	for name, interpreted := range map[string]bool{"compiled": false, "interpreted": true} {
		t.Run(name, func(t *testing.T) {
			options.InterpreterOnly = interpreted
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			c := compile(t, options, source)
			got, err := c.Authorize(ctx, object(t, input))
			check(t, string(got.Outcome)+strings.Join(got.Reasons, ";"), err)
			document, err := document.ParseObject([]byte(input))
			if err != nil {
				t.Fatal(err)
			}
			explained, err := c.View().Explain(ctx, AuthorizationPoint, document.Root())
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range explained.Rules {
				if rule.Defined {
					check(t, explained.Outcome+rule.Value, rule.Err)
				}
			}
		})
	}
}

// TestPoliciesReadNoFiles: nothing of a file comes out, and the error is a
// policy error that says so.
func TestPoliciesReadNoFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret.json", `{"enum": ["`+secretInFile+`"]}`)
	t.Setenv("VERDICT_TEST_SECRET", secretInFile)
	folder, name := filepath.Split(secret)
	mayNotRead := "policies may not read the file "
	for title, test := range map[string]struct{ body, message string }{
		"a schema":                     {`json.match_schema("1", {"$ref": "file://` + secret + `"})`, mayNotRead},
		"a schema as text":             {`json.match_schema("1", "{\"$ref\": \"file://` + secret + `\"}")`, mayNotRead},
		"a schema in escapes":          {`json.match_schema("1", "{\"\\u0024ref\": \"\\u0066ile://` + secret + `\"}")`, mayNotRead},
		"a schema, verified":           {`json.verify_schema({"$ref": "file://` + secret + `"})`, mayNotRead},
		"in capital letters":           {`json.match_schema("1", {"$ref": "FILE://` + secret + `"})`, mayNotRead},
		"percent-encoded":              {`json.match_schema("1", {"$ref": "file://` + strings.ReplaceAll(secret, "secret", "s%65cret") + `"})`, mayNotRead},
		"with one slash":               {`json.match_schema("1", {"$ref": "file:` + secret + `"})`, mayNotRead},
		"with a fragment":              {`json.match_schema("1", {"$ref": "file://` + secret + `#/enum"})`, mayNotRead},
		"nested":                       {`json.match_schema({"a": [1]}, {"properties": {"a": {"items": {"allOf": [{"$ref": "file://` + secret + `"}]}}}})`, mayNotRead},
		"relative to an id":            {`json.match_schema("1", {"$id": "file://` + folder + `", "$ref": "` + name + `"})`, mayNotRead},
		"relative to an old id":        {`json.match_schema("1", {"id": "file://` + folder + `x", "properties": {"$ref": {"$ref": "` + name + `"}}})`, mayNotRead},
		"relative to an id in between": {`json.match_schema("1", {"definitions": {"d": {"$id": "file://` + folder + `", "allOf": [{"$ref": "./` + name + `"}]}}, "$ref": "#/definitions/d"})`, mayNotRead},
		"an endless file":              {`json.match_schema("1", {"$ref": "file:///dev/zero"})`, mayNotRead},
		"a schema that was a pattern":  {`{x | regex.match("{\"$ref\": \"file://` + secret + `\"}", "x"); x := 1} == set(); json.match_schema("1", "{\"$ref\": \"file://` + secret + `\"}")`, mayNotRead},
		"a host's file":                {`json.match_schema("1", {"$ref": "file://host` + secret + `"})`, "policies may not read files of the host"},
		"a CA":                         {`http.send({"method": "GET", "url": input.url, "tls_ca_cert_file": "` + secret + `"})`, mayNotRead},
		"a certificate":                {`http.send({"method": "GET", "url": input.url, "tls_client_cert_file": "` + secret + `", "tls_client_key_file": "` + secret + `"})`, mayNotRead},
		"a key, in quotes":             {`http.send({"method": "GET", "url": input.url, "tls_client_key_file": "\"` + secret + `\""})`, mayNotRead},
		"a CA, errors swallowed":       {`http.send({"method": "GET", "url": input.url, "raise_error": false, "tls_ca_cert_file": "` + secret + `"})`, mayNotRead},
		"a variable":                   {`http.send({"method": "GET", "url": input.url, "raise_error": false, "tls_ca_cert_env_variable": "VERDICT_TEST_SECRET"})`, "policies may not read environment variables (tls_ca_cert_env_variable)"},
		"variables":                    {`http.send({"method": "GET", "url": input.url, "tls_client_cert_env_variable": "A", "tls_client_key_env_variable": "B"})`, "policies may not read environment variables"},
		"a socket":                     {`http.send({"method": "GET", "url": "unix://127.0.0.1/x?socket=%2Ftmp%2Fx.sock", "raise_error": false})`, `policies may not reach "unix:"`},
		"a host":                       {`http.send({"method": "GET", "url": "https://example.org/"})`, `policies may not reach the host "example.org": list it in policy.allowedHosts`},
		"a host, errors swallowed":     {`http.send({"method": "GET", "url": "https://example.org/", "raise_error": false})`, `policies may not reach the host "example.org"`},
		"a schema's host":              {`json.verify_schema({"$ref": "https://example.org/"})`, `policies may not reach the host "example.org"`},
		"a name":                       {`net.lookup_ip_addr("example.org")`, `policies may not reach the host "example.org"`},
		"a redirect":                   {`http.send({"method": "GET", "url": concat("", [input.url, "/away"]), "enable_redirect": true})`, `policies may not reach the host "localhost"`},
		"a redirect, errors swallowed": {`http.send({"method": "GET", "url": concat("", [input.url, "/away"]), "enable_redirect": true, "raise_error": false})`, `policies may not reach the host "localhost"`},
		"a remote schema's file":       {`json.match_schema("1", {"$ref": concat("", [input.url, "/file.json"])})`, mayNotRead},
		"a remote schema's relative":   {`json.match_schema("1", {"$ref": concat("", [input.url, "/base.json"])})`, mayNotRead},
	} {
		t.Run(title, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/away":
					http.Redirect(w, r, "http://localhost:1/", http.StatusFound)
				case "/file.json":
					_, _ = w.Write([]byte(`{"allOf": [{"$ref": "file://` + secret + `"}]}`))
				case "/base.json":
					_, _ = w.Write([]byte(`{"$id": "file://` + folder + `", "allOf": [{"$ref": "` + name + `"}]}`))
				}
			}))
			t.Cleanup(server.Close)
			source := authz + "allow contains sprintf(\"%v\", [x]) if { x := f }\n\nf := x if { " + strings.ReplaceAll(test.body, "; json.match", "; x := json.match") + " }\n"
			if !strings.Contains(source, "x := json") {
				source = authz + "allow contains sprintf(\"%v\", [" + test.body + "])\n"
			}
			decideOutside(t, Options{AllowedHosts: []string{"127.0.0.1"}}, source, `{"url":"`+server.URL+`"}`, func(t *testing.T, outcome string, err error) {
				evaluation, ok := errors.AsType[*EvaluationError](err)
				if !ok || evaluation.Code != topdown.BuiltinErr || !strings.Contains(evaluation.Message, test.message) {
					t.Errorf("%s, error %v; want one that says %q", outcome, err, test.message)
				}
				if strings.Contains(outcome, secretInFile) || err != nil && strings.Contains(err.Error(), secretInFile) {
					t.Errorf("the file came out: %s, %v", outcome, err)
				}
			})
		})
	}
}

// TestPoliciesReadListedFolders, and nothing that leaves them.
func TestPoliciesReadListedFolders(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "schemas")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(folder, "parts"), 0o700))
	write := func(path, content string) { must(os.WriteFile(path, []byte(content), 0o600)) }
	write(filepath.Join(dir, "secret.json"), `{"enum": ["`+secretInFile+`"]}`)
	write(filepath.Join(folder, "name.json"), `{"$id": "https://schemas.example/name", "definitions": {"short": {"$ref": "parts/short.json#/a"}}, "allOf": [{"$ref": "#/definitions/short"}, {"$ref": "file://`+folder+`/parts/letters.json"}]}`)
	write(filepath.Join(folder, "relative.json"), `{"definitions": {"s": {"type": "string"}}, "allOf": [{"$ref": "parts/short.json#/a"}, {"$ref": "#/definitions/s"}]}`)
	write(filepath.Join(folder, "parts", "short.json"), `{"a": {"maxLength": 3}}`)
	write(filepath.Join(folder, "parts", "letters.json"), `{"pattern": "^[a-z]+$"}`)
	write(filepath.Join(folder, "away.json"), `{"$ref": "../secret.json"}`)
	write(filepath.Join(folder, "large.json"), `"`+strings.Repeat("x", 2<<20)+`"`)
	must(os.Symlink(filepath.Join(dir, "secret.json"), filepath.Join(folder, "link.json")))
	must(os.Symlink("parts", filepath.Join(folder, "inside")))
	must(os.Symlink(dir, filepath.Join(folder, "up")))

	for title, test := range map[string]struct{ path, document, want string }{
		"a match":                {"relative.json", `\"abc\"`, "[true"},
		"too long":               {"relative.json", `\"abcd\"`, "[false"},
		"another type":           {"relative.json", `1`, "[false"},
		"below":                  {"parts/letters.json", `\"abc\"`, "[true"},
		"below, no match":        {"parts/letters.json", `\"a1\"`, "[false"},
		"by a link inside":       {"inside/letters.json", `\"abc\"`, "[true"},
		"with dots that stay":    {"parts/../relative.json", `\"abc\"`, "[true"},
		"a fragment":             {"parts/short.json#/a", `\"abcd\"`, "[false"},
		"another id":             {"name.json", `\"abc\"`, "error: policies may not reach the host \"schemas.example\""},
		"with dots":              {"../secret.json", `1`, "error: policies may not read"},
		"with encoded dots":      {"%2e%2e/secret.json", `1`, "error: policies may not read"},
		"by a link":              {"link.json", `1`, "error: policies may not read"},
		"by a link to a folder":  {"up/secret.json", `1`, "error: policies may not read"},
		"a file that refers out": {"away.json", `1`, "error: policies may not read"},
		"too large":              {"large.json", `1`, "error: policies may not read"},
		"none":                   {"none.json", `1`, "error: there is no file"},
		"the folder":             {"", `1`, "error: policies may not read"},
	} {
		t.Run(title, func(t *testing.T) {
			source := authz + `allow contains sprintf("%v", [json.match_schema("` + test.document + `", {"$ref": "file://` + folder + `/` + test.path + `"})])`
			decideOutside(t, Options{AllowedFolders: []string{folder}}, source, `{}`, func(t *testing.T, outcome string, err error) {
				if err != nil {
					outcome = "error: " + err.Error()
				}
				if want, isError := strings.CutPrefix(test.want, "error: "); isError != (err != nil) || !strings.Contains(outcome, want) || strings.Contains(outcome, secretInFile) {
					t.Errorf("got %s, want %s", outcome, test.want)
				}
			})
		})
	}
}

// TestAnnotationsReadNoFiles: schemas in comments are not looked at.
func TestAnnotationsReadNoFiles(t *testing.T) {
	source := "# METADATA\n# scope: package\n# schemas:\n#   - input: {\"$ref\": \"file:///dev/zero\"}\npackage kubernetes.authorization\n\nallow contains \"x\" if input.a == 1\n"
	if got, err := compile(t, Options{}, source).Authorize(t.Context(), object(t, `{"a":1}`)); err != nil || got.Outcome != Allow {
		t.Errorf("outcome %s, error %v", got.Outcome, err)
	}
}

// TestFoldersForCertificates: http.send takes them from files of a listed folder.
func TestFoldersForCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	folder := t.TempDir()
	path := filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(path, pemOf(server.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	source := authz + `allow contains "x" if http.send({"method": "GET", "url": input.url, "tls_ca_cert_file": "` + path + `"}).status_code == 200`
	decideOutside(t, Options{AllowedHosts: []string{"127.0.0.1"}, AllowedFolders: []string{folder}}, source, `{"url":"`+server.URL+`"}`, func(t *testing.T, outcome string, err error) {
		if err != nil || !strings.HasPrefix(outcome, "allow") {
			t.Errorf("outcome %s, error %v", outcome, err)
		}
	})
}

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}
