package config

import (
	"strings"
)

func (c *checker) policy() {
	section := &c.config.Policy
	c.names("policy.directories", section.Directories)
	for i := range section.Directories {
		c.dir(item("policy.directories", i), &section.Directories[i])
	}
	oneOf(c, "policy.evaluator", section.Evaluator, PolicyEvaluatorAuto, PolicyEvaluatorInterpreter)
	c.positive("policy.loadTimeout", section.LoadTimeout)
	c.names("policy.allowedHosts", section.AllowedHosts)
	c.names("policy.allowedFolders", section.AllowedFolders)
	for i := range section.AllowedFolders {
		c.dir(item("policy.allowedFolders", i), &section.AllowedFolders[i])
	}
	for i, host := range section.AllowedHosts {
		path := item("policy.allowedHosts", i)
		if host == "" || c.undecoded[path] {
			continue
		}
		if err := checkHost(host); err != nil {
			c.add(path, "%s: write only the host, without scheme, port or wildcard, such as registry.example.com", err)
		} else if strings.Contains(host, ":") {
			c.add(path, "%s: IPv6 addresses cannot be allowed; give the host a name", quote(host))
		}
	}
}
