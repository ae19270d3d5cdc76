package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// systemPrefix begins the names that Kubernetes keeps for users and groups of
// its own.
const systemPrefix = "system:"

// IsKubernetesKey reports whether a key of a user's extra is one of Kubernetes'
// own: what is before the first "/", or the whole key, is kubernetes.io, k8s.io
// or a domain below one of these, in upper or lower case.
func IsKubernetesKey(key string) bool {
	domain, _, _ := strings.Cut(key, "/")
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	for _, own := range [...]string{"kubernetes.io", "k8s.io"} {
		if rest, ok := strings.CutSuffix(domain, own); ok && (rest == "" || strings.HasSuffix(rest, ".")) {
			return true
		}
	}
	return false
}

// allowance is a list of names, and of prefixes of names, that policies may give
// out.
type allowance struct {
	names    map[string]bool
	prefixes []string
}

// allowanceOf reads a list, in which a "*" at the end makes a prefix.
func allowanceOf(list []string) allowance {
	a := allowance{names: map[string]bool{}}
	for _, item := range list {
		if prefix, ok := strings.CutSuffix(item, "*"); ok {
			a.prefixes = append(a.prefixes, prefix)
		} else {
			a.names[item] = true
		}
	}
	return a
}

func (a *allowance) allows(name string) bool {
	return a.names[name] || slices.ContainsFunc(a.prefixes, func(prefix string) bool {
		return len(name) > len(prefix) && strings.HasPrefix(name, prefix)
	})
}

// allowances are the reserved names that the configuration lets policies give out.
type allowances struct {
	systemNames allowance
	extraKeys   allowance
}

// reserved lists the names of user that the configuration does not let a policy
// give out.
func (a *allowances) reserved(user *User) []string {
	var out []string
	refuse := func(kind, name string) {
		if strings.HasPrefix(name, systemPrefix) && !a.systemNames.allows(name) {
			out = append(out, fmt.Sprintf("the %s %q is Kubernetes' own: list it in authentication.allowedSystemNames to give it out", kind, name))
		}
	}
	refuse("username", user.Username)
	named := len(out)
	for _, group := range user.Groups {
		refuse("group", group)
	}
	slices.Sort(out[named:]) // whatever order the policy gives them
	for _, key := range slices.Sorted(maps.Keys(user.Extra)) {
		if IsKubernetesKey(key) && !a.extraKeys.allows(key) {
			out = append(out, fmt.Sprintf("the key %q in extra is Kubernetes' own: list it in authentication.allowedExtraKeys to give it out", key))
		}
	}
	return out
}
