package importer

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/verdict-dev/verdict/internal/importer/authconfig"
)

// File is one that was written.
type File struct {
	// Name is a path relative to the folder that all files belong in, with "/".
	Name string
	Text string
}

// Result is what an import wrote.
type Result struct {
	Files []File
	// Warnings say where Verdict does something else than what was imported, each
	// with the path of a field.
	Warnings []string
}

// credentialKey is what kube-apiserver names a token's identifier by in extra.
const credentialKey = "authentication.kubernetes.io/credential-id"

// AuthenticationConfiguration imports the text of a file that kube-apiserver reads
// with --authentication-config. The error says everything that is wrong, by the
// paths of fields. from is what comments call the file; disallowed are the issuers
// that kube-apiserver has for service accounts, which no source may have.
func AuthenticationConfiguration(from string, text []byte, disallowed ...string) (*Result, error) {
	configuration, err := authconfig.Decode(text)
	if err != nil {
		return nil, err
	}
	expressions, problems := authconfig.Validate(configuration, disallowed...)
	w := &writer{from: from, expressions: expressions}
	if len(problems) == 0 {
		for i, name := range sourceNames(configuration.JWT) {
			w.source(i, &configuration.JWT[i], name)
		}
		problems = w.problems
	}
	if len(problems) > 0 {
		var all []error
		for _, problem := range problems {
			all = append(all, problem)
		}
		return nil, errors.Join(all...)
	}
	if len(configuration.JWT) == 0 {
		w.warn(field.NewPath("jwt"), "is empty: it has no issuer of tokens")
	}
	w.anonymous(configuration.Anonymous)
	result := &Result{Files: []File{{"verdict.yaml", w.configuration()}, {"policies/authentication.rego", w.entry()}}, Warnings: w.warnings}
	for _, s := range w.sources {
		result.Files = append(result.Files, File{"policies/" + s.identifier + ".rego", s.rego})
		if s.authorities != "" {
			result.Files = append(result.Files, File{s.authoritiesFile(), s.authorities})
		}
	}
	for i, file := range result.Files {
		if !strings.HasSuffix(file.Name, ".rego") {
			continue
		}
		if result.Files[i].Text, err = formatted(file); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	if err := compiled(result.Files); err != nil {
		return nil, fmt.Errorf("the written policies do not compile, which is a defect of verdict import: please report it: %w", err)
	}
	return result, nil
}

// writer collects what becomes the files.
type writer struct {
	from        string
	expressions *authconfig.Expressions
	sources     []*source
	systemNames []string
	warnings    []string
	problems    field.ErrorList
}

// source is one of Verdict's identity sources.
type source struct {
	name       string // in the configuration
	identifier string // in Rego
	path       *field.Path
	of         *authconfig.Authenticator
	// authorities are PEM, "" for the system's.
	authorities string
	rego        string
}

func (s *source) authoritiesFile() string { return s.identifier + ".ca.pem" }

func (w *writer) warn(at *field.Path, format string, args ...any) {
	w.warnings = append(w.warnings, at.String()+": "+fmt.Sprintf(format, args...))
}

func (w *writer) source(i int, of *authconfig.Authenticator, name string) {
	s := &source{name: name, identifier: identifierOf(name), path: field.NewPath("jwt").Index(i), of: of, authorities: of.Issuer.CertificateAuthority}
	if s.authorities != "" && !strings.HasSuffix(s.authorities, "\n") {
		s.authorities += "\n"
	}
	w.spaces(s.path.Child("issuer", "url"), of.Issuer.URL)
	for i, audience := range of.Issuer.Audiences {
		w.spaces(s.path.Child("issuer", "audiences").Index(i), audience)
	}
	if egress := of.Issuer.EgressSelectorType; egress != "" {
		w.warn(s.path.Child("issuer", "egressSelectorType"), "%s is the API server's connection to the issuer: Verdict connects directly, or through connection.proxyURL if it is set", egress)
	}
	w.nameSystemNames(s)
	s.rego = w.policy(s)
	w.sources = append(w.sources, s)
}

// spaces refuses what Verdict's configuration takes for a slip of the pen.
func (w *writer) spaces(at *field.Path, text string) {
	if strings.TrimSpace(text) != text {
		w.problems = append(w.problems, field.Invalid(at, text, "begins or ends with a space, which Verdict does not allow"))
	}
}

func (w *writer) anonymous(anonymous *authconfig.Anonymous) {
	if anonymous == nil {
		return
	}
	w.warn(field.NewPath("anonymous"), "is not imported, since requests without a token never reach a webhook: keep it in a file of its own for --authentication-config")
}
