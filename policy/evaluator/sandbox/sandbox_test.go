package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// TestRefusals calls functions as OPA's interpreter does, with no host listed and one folder.
func TestRefusals(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, function, operand, want string }{
		{"a host", ast.HTTPSend.Name, `{"method": "get", "url": "http://a.example/"}`, `reach the host "a.example"`},
		{"a scheme", ast.HTTPSend.Name, `{"method": "get", "url": "file:///etc/passwd"}`, "only http and https"},
		{"a name to look up", ast.NetLookupIPAddr.Name, `"a.example"`, `reach the host "a.example"`},
		{"a variable of the environment", ast.HTTPSend.Name, `{"method": "get", "url": "", "tls_ca_cert_env_variable": "HOME"}`, "environment variables"},
		{"a file outside the folder", ast.HTTPSend.Name, `{"method": "get", "url": "", "tls_ca_cert_file": "/etc/hostname"}`, "list its folder"},
		{"a file behind a link", ast.HTTPSend.Name, `{"method": "get", "url": "", "tls_ca_cert_file": "` + folder + `/link"}`, "regular file"},
		{"a file that is not there", ast.HTTPSend.Name, `{"method": "get", "url": "", "tls_ca_cert_file": "` + folder + `/none"}`, "there is no file"},
		{"a schema of another host", ast.JSONSchemaVerify.Name, `{"$ref": "http://a.example/schema"}`, `reach the host "a.example"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bctx := topdown.BuiltinContext{
				Context:                     t.Context(),
				Capabilities:                &ast.Capabilities{AllowNet: []string{}},
				InterQueryBuiltinValueCache: WithFolders(cache.NewInterQueryValueCache(t.Context(), nil), []string{folder}),
			}
			err := topdown.GetBuiltin(c.function)(bctx, []*ast.Term{ast.MustParseTerm(c.operand)}, func(*ast.Term) error { return nil })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one about %q", err, c.want)
			}
		})
	}
}
