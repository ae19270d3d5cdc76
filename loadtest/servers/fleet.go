package servers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

// The servers that are compared.
const (
	Verdict = "verdict"
	Nothing = "do-nothing"
	OPA     = "OPA"
)

// opaSettings are the flags OPA's server runs with: its documentation says that
// the first is its fastest store; the others spare it logging and the network.
var opaSettings = []string{"--optimize-store-for-read-speed", "--log-level", "error", "--skip-version-check"}

// Fleet starts servers over the same policies and data.
type Fleet struct {
	dir      string
	files    generate.Files
	pair     Certificate
	verdict  string // binaries
	opa      string
	self     string
	sources  []any             // of verdict's identities, as its configuration has them
	cluster  string            // a kubeconfig for verdict; empty for none
	answers  map[string]string // path to file
	versions map[string]string
	started  []*Process
}

// NewFleet builds verdict and OPA from the checkout at root into dir.
func NewFleet(ctx context.Context, root, dir string, files generate.Files) (*Fleet, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("looking for this program: %w", err)
	}
	f := &Fleet{
		dir: dir, files: files, self: self,
		verdict: filepath.Join(dir, "verdict-binary"), opa: filepath.Join(dir, "opa-binary"),
		sources: sources(files), answers: map[string]string{}, versions: map[string]string{},
	}
	if f.pair, err = newCertificate(dir); err != nil {
		return nil, err
	}
	// The flags of `make build` and `make tools`, for the build cache to help.
	if err := build(ctx, root, f.verdict, "./cmd/verdict"); err != nil {
		return nil, err
	}
	if err := build(ctx, filepath.Join(root, "internal", "tools", "opa"), f.opa, "github.com/open-policy-agent/opa"); err != nil {
		return nil, err
	}
	for name, binary := range map[string]string{Verdict: f.verdict, OPA: f.opa} {
		said, err := exec.CommandContext(ctx, binary, "version").Output()
		if err != nil {
			return nil, fmt.Errorf("asking %s for its version: %w", name, err)
		}
		first, _, _ := strings.Cut(string(said), "\n")
		f.versions[name] = strings.TrimPrefix(first, "Version: ")
	}
	return f, nil
}

func build(ctx context.Context, dir, output, what string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", output, what)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", what, err, said)
	}
	return nil
}

// Over returns a fleet of the same programs over other policies and data, that
// writes to dir. Each is to be stopped by itself.
func (f *Fleet) Over(dir string, files generate.Files) *Fleet {
	other := *f
	other.dir, other.files, other.started, other.answers = dir, files, nil, map[string]string{}
	other.sources = sources(files)
	return &other
}

// sources are a token file and an issuer whose keys are in a file.
func sources(files generate.Files) []any {
	return []any{TokenFileSource(files), JWTSource(map[string]any{"jwksFile": files.JWKSFile})}
}

// TokenFileSource is the source with the tokens of the files.
func TokenFileSource(files generate.Files) any {
	return map[string]any{"name": "loadtest", "tokenFile": map[string]any{"path": files.TokenFile}}
}

// JWTSource is the source called issuer, with what else is to be known of it.
func JWTSource(more map[string]any) any {
	jwt := map[string]any{"issuers": []string{generate.IssuerURL}, "audiences": []string{generate.TokenAudience}}
	maps.Copy(jwt, more)
	return map[string]any{"name": IssuerSource, "jwt": jwt}
}

// IntrospectionSource is the source called issuer when it is asked about each
// token at an address.
func (f *Fleet) IntrospectionSource(address string) (any, error) {
	secret := filepath.Join(f.dir, "client-secret")
	if err := os.WriteFile(secret, []byte("loadtest"), 0o600); err != nil {
		return nil, fmt.Errorf("writing a client secret: %w", err)
	}
	return map[string]any{"name": IssuerSource, "introspection": map[string]any{
		"url": address, "clientID": "verdict", "clientSecretFile": secret,
		"issuer": generate.IssuerURL, "audiences": []string{generate.TokenAudience},
		"connection": map[string]any{"caFile": f.pair.CertFile},
	}}, nil
}

// IssuerSource is what verdict's metrics call the source of an issuer's tokens.
const IssuerSource = "issuer"

// SetSources replaces verdict's identity sources, each as its configuration has
// them. It holds for servers that are started later.
func (f *Fleet) SetSources(sources ...any) { f.sources = sources }

// SetCluster has verdict follow the cluster that a kubeconfig leads to. It holds
// for servers that are started later.
func (f *Fleet) SetCluster(kubeconfig string) { f.cluster = kubeconfig }

// VerdictProgram is the file of verdict.
func (f *Fleet) VerdictProgram() string { return f.verdict }

// Self is this program's file.
func (f *Fleet) Self() string { return f.self }

// Versions are the versions that the programs print, by server.
func (f *Fleet) Versions() map[string]string { return f.versions }

// OPASettings are the flags that OPA's server runs with.
func (f *Fleet) OPASettings() string { return strings.Join(opaSettings, " ") }

// Certificate is what the servers show when they speak TLS.
func (f *Fleet) Certificate() Certificate { return f.pair }

// SetAnswer says what the do-nothing handler is to answer at path. It holds for
// those that are started later.
func (f *Fleet) SetAnswer(path string, text []byte) error {
	file := filepath.Join(f.dir, "answer"+strings.ReplaceAll(path, "/", "-")+".json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("keeping an answer: %w", err)
	}
	f.answers[path] = file
	return nil
}

// Start starts one server, with TLS or without.
func (f *Fleet) Start(ctx context.Context, name string, secure bool) (*Process, error) {
	address, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	operations, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	var p *Process
	switch name {
	case Verdict:
		p, err = f.startVerdict(ctx, address, operations, secure)
	case OPA:
		p, err = f.startOPA(ctx, address, operations, secure)
	default:
		p, err = f.startNothing(ctx, address, secure)
	}
	if err != nil {
		return nil, err
	}
	p.Operations = "http://" + operations
	f.started = append(f.started, p)
	return p, nil
}

func (f *Fleet) startVerdict(ctx context.Context, address, operations string, secure bool) (*Process, error) {
	server := map[string]any{"address": address}
	if secure {
		server["tls"] = map[string]any{"certFile": f.pair.CertFile, "keyFile": f.pair.KeyFile}
	} else {
		server["plainHTTP"] = true
	}
	configuration := map[string]any{
		"apiVersion":     "verdict.dev/v1alpha1",
		"kind":           "Configuration",
		"server":         server,
		"operations":     map[string]any{"address": operations},
		"shutdown":       map[string]any{"drain": "0s"},
		"policy":         map[string]any{"directories": []string{f.files.Verdict}},
		"authentication": map[string]any{"sources": f.sources},
	}
	if f.cluster != "" {
		configuration["cluster"] = map[string]any{"kubeconfig": f.cluster}
	}
	text, err := yaml.Marshal(configuration)
	if err != nil {
		return nil, fmt.Errorf("writing verdict's configuration: %w", err)
	}
	file := filepath.Join(f.dir, fmt.Sprintf("verdict-%t.yaml", secure))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("writing verdict's configuration: %w", err)
	}
	return Start(ctx, Verdict, address, "http://"+operations+"/readyz", exec.Command(f.verdict, "serve", "--config", file))
}

func (f *Fleet) startOPA(ctx context.Context, address, operations string, secure bool) (*Process, error) {
	scheme := "http://"
	arguments := append([]string{"run", "--server", "--diagnostic-addr", "http://" + operations}, opaSettings...)
	if secure {
		scheme = "https://"
		arguments = append(arguments, "--tls-cert-file", f.pair.CertFile, "--tls-private-key-file", f.pair.KeyFile)
	}
	arguments = append(arguments, "--addr", scheme+address, f.files.OPA)
	return Start(ctx, OPA, address, "http://"+operations+"/health", exec.Command(f.opa, arguments...))
}

func (f *Fleet) startNothing(ctx context.Context, address string, secure bool) (*Process, error) {
	arguments := []string{"-serve-nothing", address}
	if secure {
		arguments = append(arguments, "-cert", f.pair.CertFile, "-key", f.pair.KeyFile)
	}
	for path, file := range f.answers {
		arguments = append(arguments, path+"="+file)
	}
	return Start(ctx, Nothing, address, "", exec.Command(f.self, arguments...))
}

// Stop ends every server that was started.
func (f *Fleet) Stop() error {
	var all []error
	for _, p := range f.started {
		all = append(all, p.Stop())
	}
	f.started = nil
	return errors.Join(all...)
}
