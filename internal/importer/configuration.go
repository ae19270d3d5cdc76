package importer

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// algorithms are those that kube-apiserver takes; Verdict takes EdDSA as well.
var algorithms = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"}

// configuration is Verdict's configuration.
func (w *writer) configuration() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Written by verdict import from %s.\napiVersion: verdict.dev/v1alpha1\nkind: Configuration\npolicy:\n  directories: [policies]\nauthentication:\n", oneLine(w.from))
	if len(w.sources) == 0 {
		out.WriteString("  sources: []\n")
		return out.String()
	}
	fmt.Fprintf(&out, "  # The identifier of a token, which kube-apiserver adds to the user by itself.\n  allowedExtraKeys: %s\n", list([]string{credentialKey}))
	if len(w.systemNames) > 0 {
		fmt.Fprintf(&out, "  # Names of Kubernetes that the mappings contain.\n  allowedSystemNames: %s\n", list(w.systemNames))
	}
	out.WriteString("  sources:\n")
	for _, s := range w.sources {
		issuer := &s.of.Issuer
		fmt.Fprintf(&out, "    # %s\n    - name: %s\n      jwt:\n        issuers: %s\n", s.path, scalar(s.name), list([]string{issuer.URL}))
		if discovery := issuer.Discovery(); discovery != "" {
			fmt.Fprintf(&out, "        discoveryURL: %s\n", scalar(discovery))
		}
		fmt.Fprintf(&out, "        audiences: %s\n        algorithms: %s\n", list(issuer.Audiences), list(algorithms))
		required := map[string]string{}
		for _, rule := range s.of.ClaimValidationRules {
			if rule.Claim != "" {
				required[rule.Claim] = rule.RequiredValue
			}
		}
		if len(required) > 0 {
			out.WriteString("        requiredClaims:\n")
			for _, claim := range slices.Sorted(maps.Keys(required)) {
				fmt.Fprintf(&out, "          %s: %s\n", quoted(claim), quoted(required[claim]))
			}
		}
		out.WriteString("        subjectOptional: true\n")
		if s.authorities != "" {
			fmt.Fprintf(&out, "        connection: {caFile: %s}\n", scalar(s.authoritiesFile()))
		}
	}
	return out.String()
}

// plain is text that YAML takes for a string without quotes.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._/-]*(:[A-Za-z0-9._/*-]+)*$`)

// scalar is the text as a scalar of YAML, quoted where it has to be.
func scalar(text string) string {
	switch strings.ToLower(text) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return quoted(text)
	}
	if plain.MatchString(text) {
		return text
	}
	return quoted(text)
}

// quoted is the text between quotes, in ASCII: every escape of Go is one of YAML.
func quoted(text string) string { return strconv.QuoteToASCII(text) }

func list(texts []string) string {
	var items []string
	for _, text := range texts {
		items = append(items, scalar(text))
	}
	return "[" + strings.Join(items, ", ") + "]"
}
