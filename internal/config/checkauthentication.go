package config

import (
	"strings"

	"github.com/verdict-dev/verdict/policy"
)

func (c *checker) authentication() {
	authentication := &c.config.Authentication
	c.identitySources(authentication.Sources)
	c.file("authentication.revokedFile", &authentication.RevokedFile)
	c.names("authentication.audiences", authentication.Audiences)
	c.systemNames(authentication.AllowedSystemNames)
	c.extraKeys(authentication.AllowedExtraKeys)
}

// systemNames checks names and prefixes of names.
func (c *checker) systemNames(names []string) {
	const masters = "masters"
	c.names("authentication.allowedSystemNames", names)
	for i, name := range names {
		path := item("authentication.allowedSystemNames", i)
		if name == "" || c.undecoded[path] {
			continue
		}
		prefix, isPrefix := strings.CutSuffix(name, "*")
		switch rest, found := strings.CutPrefix(prefix, "system:"); {
		case !found || rest == "" && !isPrefix:
			c.add(path, "%s has no effect: only names of the form system:NAME need to be allowed", quote(name))
		case rest == "":
			c.add(path, "%s would let a policy give users every name of Kubernetes, also system:masters: list names, or a longer prefix such as system:serviceaccounts:*", quote(name))
		case strings.Contains(rest, "*"):
			c.add(path, "%s has a * that is not at the end: only a * at the end stands for any text", quote(name))
		case isPrefix && rest == masters[:min(len(rest), len(masters))]:
			c.add(path, "%s would let a policy give users system:masters, for which the API server asks no authorizer: list names, or a longer prefix", quote(name))
		}
	}
}

// extraKeys checks keys and prefixes of keys.
func (c *checker) extraKeys(keys []string) {
	c.names("authentication.allowedExtraKeys", keys)
	for i, key := range keys {
		path := item("authentication.allowedExtraKeys", i)
		if key == "" || c.undecoded[path] {
			continue
		}
		prefix, isPrefix := strings.CutSuffix(key, "*")
		switch {
		case strings.Contains(prefix, "*"):
			c.add(path, "%s has a * that is not at the end: only a * at the end stands for any text", quote(key))
		case !policy.IsKubernetesKey(prefix) || isPrefix && !strings.Contains(prefix, "/"):
			c.add(path, "%s is not below kubernetes.io or k8s.io: only such keys need to be allowed; write a key like authentication.kubernetes.io/credential-id, or a prefix like authentication.kubernetes.io/*", quote(key))
		}
	}
}
