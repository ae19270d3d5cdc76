package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// systemPrefix is the prefix of the names of Kubernetes' own users and groups.
const systemPrefix = "system:"

// IsKubernetesKey reports whether a key of a user's extra is one of Kubernetes'
// own. The domain of a key is the part before the first "/", or the whole key. It is
// one of Kubernetes' own when it is kubernetes.io, k8s.io or a domain below one of
// these, in upper or lower case.
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

// allowance is a list of names, and of prefixes of names, that policies may give to
// users.
type allowance struct {
	names    map[string]bool
	prefixes []string
}

// allowanceOf reads a list. An item that ends in "*" is a prefix.
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

// allowances are the names of Kubernetes that the configuration lets policies give to
// users.
type allowances struct {
	systemNames allowance
	extraKeys   allowance
}

// reserved returns a message for each name and key of user that belongs to Kubernetes
// and that the configuration does not allow policies to give.
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
	slices.Sort(out[named:]) // a policy may give groups in any order
	for _, key := range slices.Sorted(maps.Keys(user.Extra)) {
		if IsKubernetesKey(key) && !a.extraKeys.allows(key) {
			out = append(out, fmt.Sprintf("the key %q in extra is Kubernetes' own: list it in authentication.allowedExtraKeys to give it out", key))
		}
	}
	return out
}
