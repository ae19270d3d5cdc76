package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/verdict-dev/verdict/policy"
)

// checker looks for mistakes in decoded values, and joins relative paths to the
// directory of the file.
type checker struct {
	*problems
	config    *Configuration
	directory string
}

func (c *checker) check() {
	c.header()
	c.server()
	c.operations()
	c.notNegative("shutdown.drain", c.config.Shutdown.Drain)
	c.notNegative("shutdown.grace", c.config.Shutdown.Grace)
	c.policy()
	c.authentication()
	c.authorization()
	c.scheduling()
	c.cluster()
	oneOf(c, "log.level", c.config.Log.Level, LogLevelDebug, LogLevelInfo, LogLevelWarn, LogLevelError)
	oneOf(c, "log.format", c.config.Log.Format, LogFormatAuto, LogFormatJSON, LogFormatConsole)
}

func (c *checker) header() {
	c.exactly("apiVersion", c.config.APIVersion, APIVersion)
	c.exactly("kind", c.config.Kind, Kind)
}

func (c *checker) exactly(path, value, want string) {
	switch {
	case c.undecoded[path] || c.undecoded[""] || value == want:
	case value == "":
		c.add(path, "required: write \"%s: %s\"", path, want)
	default:
		c.add(path, "%s is not supported: write \"%s: %s\"", quote(value), path, want)
	}
}

func (c *checker) server() {
	server := &c.config.Server
	c.address("server.address", server.Address)
	c.tls(server)
	c.callers(server)

	if !c.undecoded["server.maxInFlight"] && server.MaxInFlight <= 0 {
		c.add("server.maxInFlight", "must be above 0, not %d", server.MaxInFlight)
	}
	c.aboveZero("server.limits.reviewBytes", server.Limits.ReviewBytes)
	c.aboveZero("server.limits.schedulingBytes", server.Limits.SchedulingBytes)
	c.aboveZero("server.limits.tokenBytes", server.Limits.TokenBytes)
	c.aboveZero("server.limits.headerBytes", server.Limits.HeaderBytes)
	for _, limit := range []struct {
		path   string
		values int
	}{
		{"server.limits.reviewValues", server.Limits.ReviewValues},
		{"server.limits.schedulingValues", server.Limits.SchedulingValues},
		{"server.limits.objectValues", server.Limits.ObjectValues},
	} {
		if !c.undecoded[limit.path] && limit.values <= 0 {
			c.add(limit.path, "must be above 0, not %d", limit.values)
		}
	}
	c.bytesInFlight(server)
	c.aboveZero("cache.maxBytes", c.config.Cache.MaxBytes)
	c.aboveZero("cache.maxEntries", int64(c.config.Cache.MaxEntries))
	c.notNegative("cache.lifetimes.allow", c.config.Cache.Lifetimes.Allow)
	c.notNegative("cache.lifetimes.deny", c.config.Cache.Lifetimes.Deny)
	c.notNegative("cache.lifetimes.noOpinion", c.config.Cache.Lifetimes.NoOpinion)
	c.notNegative("cache.identityTTL", c.config.Cache.IdentityTTL)
	c.notNegative("cache.rejectedTTL", c.config.Cache.RejectedTTL)

	timeouts := server.Timeouts
	c.positive("server.timeouts.readHeader", timeouts.ReadHeader)
	c.positive("server.timeouts.read", timeouts.Read)
	c.positive("server.timeouts.idle", timeouts.Idle)
	write := c.positive("server.timeouts.write", timeouts.Write)
	decision := c.positive("server.timeouts.decision", timeouts.Decision)
	if write && decision && timeouts.Write <= timeouts.Decision {
		c.add("server.timeouts.write", "must be longer than server.timeouts.decision (%s), not %s: a connection closed before its answer makes an API server retry", timeouts.Decision, timeouts.Write)
	}
}

// bytesInFlight checks that one request of the largest size has room: extender
// calls, whose nodes are read into memory beside the body, have three quarters.
func (c *checker) bytesInFlight(server *Server) {
	const path = "server.maxBytesInFlight"
	if !c.aboveZero(path, server.MaxBytesInFlight) {
		return
	}
	for _, limit := range []struct {
		path         string
		bytes, times int64
	}{
		{"server.limits.schedulingBytes", server.Limits.SchedulingBytes, 4},
		{"server.limits.reviewBytes", server.Limits.ReviewBytes, 32},
	} {
		if !c.undecoded[limit.path] && server.MaxBytesInFlight/limit.times < limit.bytes {
			c.add(path, "must be at least %d times %s (%d bytes), not %d: the largest body would find no room", limit.times, limit.path, limit.bytes, server.MaxBytesInFlight)
		}
	}
}

func (c *checker) tls(server *Server) {
	files := &server.TLS
	c.file("server.tls.certFile", &files.CertFile)
	c.file("server.tls.keyFile", &files.KeyFile)
	c.file("server.tls.clientCAFile", &files.ClientCAFile)

	if server.PlainHTTP {
		if address, ok := parseAddress(server.Address); ok == nil && !address.loopback() && !c.undecoded["server.address"] {
			c.add("server.plainHTTP", "tokens would cross the network readable by anyone: only on a loopback address such as 127.0.0.1:8080, not %s", quote(server.Address))
		}
		for _, field := range []struct{ path, value string }{
			{"server.tls.certFile", files.CertFile},
			{"server.tls.keyFile", files.KeyFile},
			{"server.tls.clientCAFile", files.ClientCAFile},
		} {
			if field.value != "" {
				c.add(field.path, "excludes server.plainHTTP: remove one of them")
			}
		}
	}
	switch {
	case c.undecoded["server.tls.certFile"] || c.undecoded["server.tls.keyFile"]:
	case files.CertFile != "" && files.KeyFile == "":
		c.add("server.tls.certFile", "needs server.tls.keyFile, the private key that belongs to it")
	case files.CertFile == "" && files.KeyFile != "":
		c.add("server.tls.keyFile", "needs server.tls.certFile, the certificate that belongs to it")
	}
}

func (c *checker) callers(server *Server) {
	for _, list := range []struct {
		path  string
		names []string
	}{
		{"server.callers.authentication", server.Callers.Authentication},
		{"server.callers.authorization", server.Callers.Authorization},
		{"server.callers.scheduling", server.Callers.Scheduling},
		{"server.callers.admission", server.Callers.Admission},
	} {
		c.names(list.path, list.names)
		if len(list.names) > 0 && server.TLS.ClientCAFile == "" && !c.undecoded["server.tls.clientCAFile"] {
			c.add(list.path, "needs server.tls.clientCAFile: without it callers show no certificate, so this list would admit everybody")
		}
	}
}

func (c *checker) operations() {
	c.address("operations.address", c.config.Operations.Address)
	if c.undecoded["operations.address"] || c.undecoded["server.address"] {
		return
	}
	operations, err := parseAddress(c.config.Operations.Address)
	if err != nil {
		return
	}
	if operations.port != 0 && c.config.Operations.Address == c.config.Server.Address {
		c.add("operations.address", "%s is server.address too: choose another port", quote(c.config.Operations.Address))
	}
}

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
			c.add(path, "%s: write the host alone, without scheme, port or wildcard, such as registry.example.com", err)
		} else if strings.Contains(host, ":") {
			c.add(path, "%s: IPv6 addresses cannot be allowed; give the host a name", quote(host))
		}
	}
}

func (c *checker) authentication() {
	authentication := &c.config.Authentication
	c.identitySources(authentication.Sources)
	c.file("authentication.revokedFile", &authentication.RevokedFile)
	c.names("authentication.audiences", authentication.Audiences)
	c.systemNames(authentication.AllowedSystemNames)
	c.extraKeys(authentication.AllowedExtraKeys)
	c.entries(
		entry{"authentication.entry.user", authentication.Entry.User},
		entry{"authentication.entry.deny", authentication.Entry.Deny},
	)
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
			c.add(path, "%s would let a policy give out every name of Kubernetes' own, system:masters among them: list names, or a longer prefix such as system:serviceaccounts:*", quote(name))
		case strings.Contains(rest, "*"):
			c.add(path, "%s has a * that is not at the end, where alone it stands for any text", quote(name))
		case isPrefix && rest == masters[:min(len(rest), len(masters))]:
			c.add(path, "%s would let a policy give out system:masters, whom no authorizer is asked about: list names, or a longer prefix", quote(name))
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
			c.add(path, "%s has a * that is not at the end, where alone it stands for any text", quote(key))
		case !policy.IsKubernetesKey(prefix) || isPrefix && !strings.Contains(prefix, "/"):
			c.add(path, "%s is not below kubernetes.io or k8s.io: only such keys need to be allowed; write a key like authentication.kubernetes.io/credential-id, or a prefix like authentication.kubernetes.io/*", quote(key))
		}
	}
}

func (c *checker) authorization() {
	authorization := c.config.Authorization
	oneOf(c, "authorization.onError", authorization.OnError, OnErrorDeny, OnErrorNoOpinion)
	oneOf(c, "authorization.onUnavailable", authorization.OnUnavailable, OnUnavailableUnavailable, OnUnavailableDeny)
	c.entries(
		entry{"authorization.entry.allow", authorization.Entry.Allow},
		entry{"authorization.entry.deny", authorization.Entry.Deny},
	)
}

func (c *checker) scheduling() {
	scheduling := c.config.Scheduling
	c.positive("scheduling.timeout", scheduling.Timeout)
	c.profiles(scheduling.Profiles)
	c.podAnnotations(scheduling.PodAnnotations)
	c.bind()
	c.entries(
		entry{"scheduling.entry.reject", scheduling.Entry.Reject},
		entry{"scheduling.entry.unresolvable", scheduling.Entry.Unresolvable},
		entry{"scheduling.entry.score", scheduling.Entry.Score},
		entry{"scheduling.entry.protect", scheduling.Entry.Protect},
		entry{"scheduling.entry.deny", scheduling.Entry.Deny},
		entry{"scheduling.entry.annotate", scheduling.Entry.Annotate},
	)
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
			c.add(path, "%q is a keyword of Rego, which no package is called: choose another name", name)
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
			c.add(path, "%s is %s too: choose another port", quote(address), other.path)
		}
	}
}

func (c *checker) cluster() {
	cluster := &c.config.Cluster
	c.file("cluster.kubeconfig", &cluster.Kubeconfig)
	if cluster.Kubeconfig != "" && cluster.InCluster {
		c.add("cluster.kubeconfig", "excludes cluster.inCluster: remove one of them")
	}
	c.notNegative("cluster.maxStaleness", cluster.MaxStaleness)
	if cluster.MaxStaleness > 0 && cluster.MaxStaleness < minStaleness && !c.undecoded["cluster.maxStaleness"] {
		c.add("cluster.maxStaleness", "must be at least %s, not %s: where nothing changes the API server is heard about once a minute. 0s turns it off", minStaleness, cluster.MaxStaleness)
	}
}

// minStaleness is more than a quiet watch waits for a bookmark, which kube-apiserver
// sends about every minute.
const minStaleness = 90 * time.Second

func (c *checker) address(path, value string) {
	if c.undecoded[path] {
		return
	}
	if _, err := parseAddress(value); err != nil {
		c.add(path, "%s", err)
	}
}

// aboveZero tells whether the size could be read and is above zero.
func (c *checker) aboveZero(path string, size int64) bool {
	if c.undecoded[path] {
		return false
	}
	if size <= 0 {
		c.add(path, "must be above 0 bytes, not %d", size)
		return false
	}
	return true
}

// positive tells whether the duration could be read and is above zero.
func (c *checker) positive(path string, duration time.Duration) bool {
	if c.undecoded[path] {
		return false
	}
	if duration <= 0 {
		c.add(path, "must be above 0s, not %s", duration)
		return false
	}
	return true
}

func (c *checker) notNegative(path string, duration time.Duration) {
	if !c.undecoded[path] && duration < 0 {
		c.add(path, "must not be negative, as %s is: 0s turns it off", duration)
	}
}

// names checks a list of which each item says something, once.
func (c *checker) names(path string, names []string) {
	first := make(map[string]int, len(names))
	for i, name := range names {
		at := item(path, i)
		if c.undecoded[at] {
			continue
		}
		earlier, twice := first[name]
		switch {
		case name == "":
			c.add(at, "is empty: write a value, or remove the item")
		case strings.TrimSpace(name) != name:
			c.add(at, "%s begins or ends with a space: remove it", quote(name))
		case twice:
			c.add(at, "%s is given by %s already: remove one of them", quote(name), item(path, earlier))
		default:
			first[name] = i
		}
	}
}

// entry is the configured path of an entry rule.
type entry struct{ path, rule string }

// entries checks the rules of one point: each is a rule in a package, and no two
// are the same, since one rule cannot both allow and deny.
func (c *checker) entries(entries ...entry) {
	for i, this := range entries {
		if c.undecoded[this.path] {
			continue
		}
		if err := checkRule(this.rule); err != nil {
			c.add(this.path, "%s", err)
			continue
		}
		same := slices.IndexFunc(entries[:i], func(earlier entry) bool { return earlier.rule == this.rule })
		if same >= 0 {
			c.add(this.path, "%s is the rule of %s too: they need different rules", quote(this.rule), entries[same].path)
		}
	}
}

// identifier is a name that Rego writes after a dot; others need ["…"].
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkRule(rule string) error {
	if rule == "" {
		return fmt.Errorf("is empty: name a rule, as package.rule")
	}
	names := strings.Split(rule, ".")
	if names[0] == "data" {
		return fmt.Errorf("%s begins with \"data\", which is implied: write %s", quote(rule), quote(strings.Join(names[1:], ".")))
	}
	for _, name := range names {
		if !identifier.MatchString(name) {
			return fmt.Errorf("%s is not a rule: write package.rule, names of letters, digits and \"_\" joined by dots", quote(rule))
		}
		if ast.IsKeywordInRegoVersion(name, ast.RegoV1) {
			return fmt.Errorf("%s is not a rule: %q is a keyword of Rego", quote(rule), name)
		}
	}
	if len(names) < 2 {
		return fmt.Errorf("%s names no package: write package.rule, such as kubernetes.authorization.allow", quote(rule))
	}
	return nil
}

func oneOf[T ~string](c *checker, path string, value T, known ...T) {
	if c.undecoded[path] || slices.Contains(known, value) {
		return
	}
	names := make([]string, len(known))
	for i := range known {
		names[i] = string(known[i])
	}
	c.add(path, "%s is not one of %s", quote(string(value)), strings.Join(names, ", "))
}

func item(path string, index int) string {
	return fmt.Sprintf("%s[%d]", path, index)
}
