package config

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/util/validation"
)

func (c *checker) scheduling() {
	scheduling := c.config.Scheduling
	c.positive("scheduling.timeout", scheduling.Timeout)
	c.profiles(scheduling.Profiles)
	c.podAnnotations(scheduling.PodAnnotations)
	c.bind()
}

// profiles checks names that are a part of a path, of a package and of metrics.
func (c *checker) profiles(profiles []string) {
	const longest = 63
	c.names("scheduling.profiles", profiles)
	for i, name := range profiles {
		path := item("scheduling.profiles", i)
		switch {
		case name == "" || c.undecoded[path]:
		case !identifier.MatchString(name) || len(name) > longest:
			c.add(path, "%s is not a name: up to %d letters, digits and \"_\", not beginning with a digit, as in package kubernetes.scheduler.gpu", quote(name), longest)
		case ast.IsKeywordInRegoVersion(name, ast.RegoV1):
			c.add(path, "%q is a keyword of Rego, so no package can have this name: choose another name", name)
		}
	}
}

// podAnnotations checks names of annotations and prefixes of such names.
func (c *checker) podAnnotations(names []string) {
	c.names("scheduling.podAnnotations", names)
	for i, name := range names {
		path := item("scheduling.podAnnotations", i)
		if name == "" || c.undecoded[path] {
			continue
		}
		full := name
		if strings.HasSuffix(name, "/") {
			full += "name"
		}
		if problems := validation.IsQualifiedName(full); len(problems) > 0 {
			c.add(path, "%s is neither the name of an annotation nor a prefix such as example.com/", quote(name))
		}
	}
}

func (c *checker) bind() {
	const at = "scheduling.bind"
	bind, cluster := c.config.Scheduling.Bind, c.config.Cluster
	if bind.Enabled && cluster.Kubeconfig == "" && !cluster.InCluster && !c.undecoded["cluster.kubeconfig"] && !c.undecoded["cluster.inCluster"] {
		c.add(at+".enabled", "needs cluster.kubeconfig or cluster.inCluster: pods are bound through the Kubernetes API")
	}
	elected := bind.Lease.Namespace != ""
	if elected {
		if !c.undecoded[at+".lease.namespace"] && len(validation.IsDNS1123Label(bind.Lease.Namespace)) > 0 {
			c.add(at+".lease.namespace", "%s is not the name of a namespace", quote(bind.Lease.Namespace))
		}
		if !c.undecoded[at+".lease.name"] && len(validation.IsDNS1123Subdomain(bind.Lease.Name)) > 0 {
			c.add(at+".lease.name", "%s is not the name of a Lease: lower case letters, digits, \"-\" and \".\"", quote(bind.Lease.Name))
		}
		if !bind.Enabled && !c.undecoded[at+".enabled"] {
			c.add(at+".lease.namespace", "has no effect: set scheduling.bind.enabled")
		}
	}
	c.readinessAddress(bind.ReadinessAddress, elected)
}

func (c *checker) readinessAddress(address string, elected bool) {
	const path = "scheduling.bind.readinessAddress"
	if address == "" || c.undecoded[path] {
		return
	}
	c.address(path, address)
	if !elected && !c.undecoded["scheduling.bind.lease.namespace"] {
		c.add(path, "needs scheduling.bind.lease.namespace: without an election every replica binds")
	}
	parsed, err := parseAddress(address)
	if err != nil || parsed.port == 0 {
		return
	}
	for _, other := range []struct{ path, address string }{
		{"server.address", c.config.Server.Address},
		{"operations.address", c.config.Operations.Address},
	} {
		if other.address == address && !c.undecoded[other.path] {
			c.add(path, "%s is also %s: choose another port", quote(address), other.path)
		}
	}
}
