package importer

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/verdict-dev/verdict/internal/importer/authconfig"
	"github.com/verdict-dev/verdict/internal/importer/celrego"
)

var notInNames = regexp.MustCompile(`[^a-z0-9.-]+`)

// sourceNames are the names of the identity sources: the host of each issuer, and
// more of the URL where several are on one host.
func sourceNames(authenticators []authconfig.Authenticator) []string {
	const longest = 50
	var names []string
	taken := map[string]bool{}
	hosts := map[string]int{}
	for i := range authenticators {
		hosts[hostOf(authenticators[i].Issuer.URL)]++
	}
	for i := range authenticators {
		issuer := authenticators[i].Issuer.URL
		name := hostOf(issuer)
		if hosts[name] > 1 {
			_, name, _ = strings.Cut(strings.ToLower(issuer), "://")
		}
		name = strings.Trim(notInNames.ReplaceAllString(name, "-"), "-.")
		name = strings.TrimRight(name[:min(len(name), longest)], "-.")
		if name == "" {
			name = "issuer"
		}
		unique := name
		for n := 2; taken[identifierOf(unique)]; n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		taken[identifierOf(unique)] = true
		names = append(names, unique)
	}
	return names
}

func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(parsed.Host)
}

var notInIdentifiers = regexp.MustCompile(`[^a-z0-9]+`)

// identifierOf is the name as a part of a package's.
func identifierOf(name string) string {
	identifier := notInIdentifiers.ReplaceAllString(strings.ToLower(name), "_")
	if identifier == "" || identifier[0] >= '0' && identifier[0] <= '9' || identifier == "authentication" || celrego.Member("", identifier) != "."+identifier {
		return "issuer_" + identifier
	}
	return identifier
}

const systemPrefix = "system:"

// nameSystemNames lists the names of Kubernetes' own that an authenticator is
// written to give out: kube-apiserver takes any, and Verdict those that are listed.
func (w *writer) nameSystemNames(s *source) {
	mappings := s.path.Child("claimMappings")
	for name, mapping := range map[string]*authconfig.PrefixedMapping{"username": &s.of.ClaimMappings.Username, "groups": &s.of.ClaimMappings.Groups} {
		at := mappings.Child(name)
		prefix := ""
		if mapping.Prefix != nil {
			prefix = *mapping.Prefix
		}
		switch {
		case mapping.Expression != "":
			literals := w.expressions.At(at.Child("expression")).Strings()
			w.listSystemNames(at.Child("expression"), literals)
			w.warnOfSystemNames(at.Child("expression"), name)
		case mapping.Claim != "" && (strings.HasPrefix(prefix, systemPrefix) || strings.HasPrefix(systemPrefix, prefix)):
			if len(prefix) > len(systemPrefix) {
				w.listSystemName(at.Child("prefix"), prefix+"*")
			}
			w.warnOfSystemNames(at.Child("claim"), name)
		}
	}
	slices.Sort(w.systemNames)
	w.systemNames = slices.Compact(w.systemNames)
	slices.Sort(w.warnings)
}

// listSystemNames lists those that are literals of an expression, or begin with one
// that ends in a colon.
func (w *writer) listSystemNames(at *field.Path, literals []string) {
	for _, literal := range literals {
		switch {
		case !strings.HasPrefix(literal, systemPrefix) || literal == systemPrefix:
		case strings.HasSuffix(literal, ":"):
			w.listSystemName(at, literal+"*")
		default:
			w.listSystemName(at, literal)
		}
	}
}

// mastersGroup is let through before any authorizer is asked.
const mastersGroup = "system:masters"

func (w *writer) listSystemName(at *field.Path, name string) {
	prefix, isPattern := strings.CutSuffix(name, "*")
	if name == mastersGroup || isPattern && strings.HasPrefix(mastersGroup, prefix) || strings.Contains(prefix, "*") {
		w.warn(at, "%s is not listed in authentication.allowedSystemNames: no authorizer is asked about system:masters", name)
		return
	}
	w.systemNames = append(w.systemNames, name)
}

func (w *writer) warnOfSystemNames(at *field.Path, what string) {
	kind := map[string]string{"username": "a username", "groups": "a group"}[what]
	w.warn(at, "%s that begins with system: is refused unless authentication.allowedSystemNames lists it; kube-apiserver accepts all of them", kind)
}
