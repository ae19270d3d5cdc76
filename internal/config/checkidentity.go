package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// googleIssuer is how Google's tokens may spell https://accounts.google.com.
const googleIssuer = "accounts.google.com"

// sourceName is what is readable as a metric label and in a log.
var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// identitySources checks sources, of which each has a name of its own and one
// kind. What only the kind itself knows, its constructor checks.
func (c *checker) identitySources(sources []IdentitySource) {
	first := map[string]int{}
	for i := range sources {
		path := item("authentication.sources", i)
		source := &sources[i]
		if c.undecoded[path] {
			continue
		}
		switch earlier, twice := first[source.Name]; {
		case c.undecoded[path+".name"]:
		case source.Name == "":
			c.add(path+".name", "required: policies, metrics and logs know the source by it")
		case !sourceName.MatchString(source.Name):
			c.add(path+".name", "%s is not a name: up to 63 letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit", quote(source.Name))
		case twice:
			c.add(path+".name", "%s is the name of %s too: each source has a name of its own", quote(source.Name), item("authentication.sources", earlier))
		default:
			first[source.Name] = i
		}
		c.identityKind(path, source)
	}
}

// identityKind checks the one kind that a source has.
func (c *checker) identityKind(path string, source *IdentitySource) {
	kinds := []struct {
		name  string
		given bool
		check func(path string)
	}{
		{"jwt", source.JWT != nil, func(path string) { c.jwt(path, source.JWT) }},
		{"introspection", source.Introspection != nil, func(path string) { c.introspection(path, source.Introspection) }},
		{"tokenFile", source.TokenFile != nil, func(path string) { c.tokenFile(path, source.TokenFile) }},
		{"secrets", source.Secrets != nil, func(path string) { c.secrets(path, source.Secrets) }},
		{"http", source.HTTP != nil, func(path string) { c.http(path, source.HTTP) }},
	}
	var given, names []string
	undecoded := false
	for _, kind := range kinds {
		names = append(names, kind.name)
		undecoded = undecoded || c.undecoded[path+"."+kind.name]
		if !kind.given {
			continue
		}
		if given = append(given, kind.name); len(given) == 1 && !c.undecoded[path+"."+kind.name] {
			kind.check(path + "." + kind.name)
		}
	}
	switch {
	case undecoded:
	case len(given) == 0:
		c.add(path, "the source has no kind: add one of %s, such as tokenFile: {path: FILE}", strings.Join(names, ", "))
	case len(given) > 1:
		c.add(path, "the source has the kinds %s: make a source of each", strings.Join(given, " and "))
	}
}

func (c *checker) jwt(path string, jwt *JWT) {
	c.names(path+".issuers", jwt.Issuers)
	if len(jwt.Issuers) == 0 && !c.undecoded[path+".issuers"] {
		c.add(path+".issuers", "required: the values of \"iss\" that tokens may have")
	}
	places := []struct{ name, value string }{{"discoveryURL", jwt.DiscoveryURL}, {"jwksURL", jwt.JWKSURL}, {"jwksFile", jwt.JWKSFile}}
	earlier := ""
	for _, place := range places {
		if place.value == "" {
			continue
		}
		if earlier != "" {
			c.add(path+"."+place.name, "excludes %s: remove one of them", earlier)
		}
		earlier = place.name
	}
	switch {
	case jwt.DiscoveryURL != "" && len(jwt.Issuers) > 1:
		c.add(path+".discoveryURL", "belongs to one issuer, and there are %d: make a source of each", len(jwt.Issuers))
	case earlier == "":
		for i, issuer := range jwt.Issuers {
			at := item(path+".issuers", i)
			if issuer == "" || issuer == googleIssuer || c.undecoded[at] {
				continue
			}
			if !c.url(at, issuer) {
				c.add(at, "without jwksURL or jwksFile its keys are looked for below it")
			}
		}
	}
	c.url(path+".discoveryURL", jwt.DiscoveryURL)
	c.url(path+".jwksURL", jwt.JWKSURL)
	c.file(path+".jwksFile", &jwt.JWKSFile)
	c.names(path+".audiences", jwt.Audiences)
	c.names(path+".algorithms", jwt.Algorithms)
	if len(jwt.Algorithms) == 0 && !c.undecoded[path+".algorithms"] {
		c.add(path+".algorithms", "is empty, so that no token would be accepted: leave it out for all of %s", strings.Join(JWTAlgorithms(), ", "))
	}
	for i, algorithm := range jwt.Algorithms {
		if at := item(path+".algorithms", i); algorithm != "" && !c.undecoded[at] {
			oneOf(c, at, algorithm, JWTAlgorithms()...)
		}
	}
	c.leeway(path+".leeway", jwt.Leeway)
	for name := range jwt.RequiredClaims {
		if name == "" {
			c.add(path+".requiredClaims", "has a claim without a name")
		}
	}
	if jwt.SubjectClaim == "" && !c.undecoded[path+".subjectClaim"] {
		c.add(path+".subjectClaim", "is empty: leave it out for \"sub\", and set subjectOptional for tokens that have no subject")
	}
	if jwt.AudienceClaim == "" && !c.undecoded[path+".audienceClaim"] {
		c.add(path+".audienceClaim", "is empty: leave it out for \"aud\", and set audienceOptional for tokens that have no audience")
	}
	c.connection(path+".connection", &jwt.Connection)
}

// leeway reports one mistake of a duration that stands for all three.
func (c *checker) leeway(path string, leeway Leeway) {
	const longest = 10 * time.Minute
	fields := []struct {
		name string
		time *time.Duration
	}{{"exp", &leeway.Expires}, {"nbf", &leeway.NotBefore}, {"iat", leeway.IssuedAt}}
	for _, field := range fields {
		at := path + "." + field.name
		_, own := c.lines[at]
		if !own {
			at = path
		}
		if field.time == nil || c.undecoded[at] {
			continue
		}
		switch {
		case *field.time < 0:
			c.notNegative(at, *field.time)
		case *field.time > longest:
			c.add(at, "%s is longer than %s, by which no clocks should differ", *field.time, longest)
		default:
			continue
		}
		if !own {
			return
		}
	}
}

func (c *checker) introspection(path string, introspection *Introspection) {
	c.requiredURL(path+".url", introspection.URL, "the introspection endpoint of the authorization server (RFC 7662)")
	c.file(path+".clientSecretFile", &introspection.ClientSecretFile)
	switch {
	case introspection.ClientID == "" && !c.undecoded[path+".clientID"]:
		c.add(path+".clientID", "required: the name under which the authorization server knows Verdict")
	case introspection.ClientSecretFile == "" && introspection.Connection.CertFile == "" && !c.undecoded[path+".clientSecretFile"]:
		c.add(path, "the authorization server has to know who asks (RFC 7662 §2.1): set clientSecretFile, or connection.certFile and keyFile")
	}
	c.names(path+".audiences", introspection.Audiences)
	c.leeway(path+".leeway", introspection.Leeway)
	c.tokens(path+".tokens", introspection.Tokens)
	c.connection(path+".connection", &introspection.Connection)
}

func (c *checker) tokenFile(path string, file *TokenFile) {
	oneOf(c, path+".format", file.Format, TokenFileYAML, TokenFileCSV)
	switch {
	case c.undecoded[path+".path"]:
	case file.Path == "":
		c.add(path+".path", "required: the file that lists users and the hashes of their tokens")
	default:
		c.file(path+".path", &file.Path)
	}
}

func (c *checker) secrets(path string, secrets *Secrets) {
	switch {
	case c.undecoded[path+".namespace"]:
	case secrets.Namespace == "":
		c.add(path+".namespace", "required: the namespace of the Secrets; whoever may write Secrets there can make users")
	case len(validation.IsDNS1123Label(secrets.Namespace)) > 0:
		c.add(path+".namespace", "%s is not the name of a namespace", quote(secrets.Namespace))
	}
	c.names(path+".groupPrefixes", secrets.GroupPrefixes)
	c.names(path+".usernamePrefixes", secrets.UsernamePrefixes)
	cluster := c.config.Cluster
	if cluster.Kubeconfig == "" && !cluster.InCluster && !c.undecoded["cluster.kubeconfig"] && !c.undecoded["cluster.inCluster"] {
		c.add(path, "needs the cluster: set cluster.kubeconfig or cluster.inCluster")
	}
}

func (c *checker) http(path string, http *HTTP) {
	if http.Preset != HTTPPresetNone {
		oneOf(c, path+".preset", http.Preset, HTTPPresetGitHub)
	}
	c.url(path+".baseURL", http.BaseURL)
	c.names(path+".allowedHosts", http.AllowedHosts)
	if http.Preset == HTTPPresetNone && !c.undecoded[path+".preset"] {
		if len(http.Requests) == 0 && !c.undecoded[path+".requests"] {
			c.add(path+".requests", "required without a preset: what to ask the service")
		}
		if http.Subject == "" && !c.undecoded[path+".subject"] {
			c.add(path+".subject", "required without a preset: where in the answers the subject is, such as user.id")
		}
		if len(http.AllowedHosts) == 0 && !c.undecoded[path+".allowedHosts"] {
			c.add(path+".allowedHosts", "required without a preset: the hosts that tokens may be sent to")
		}
	}
	for i := range http.Requests {
		at, request := item(path+".requests", i), &http.Requests[i]
		if c.undecoded[at] {
			continue
		}
		if request.URL == "" && !c.undecoded[at+".url"] {
			c.add(at+".url", "required: where to ask, such as https://api.example.com/user")
		}
		if request.Pages < 1 && !c.undecoded[at+".pages"] {
			c.add(at+".pages", "must be above 0, not %d", request.Pages)
		}
		oneOf(c, at+".method", request.Method, "GET", "POST")
	}
	c.tokens(path+".tokens", http.Tokens)
	c.connection(path+".connection", &http.Connection)
}

func (c *checker) tokens(path string, tokens Tokens) {
	oneOf(c, path+".format", tokens.Format, TokenFormatOpaque, TokenFormatJWT, TokenFormatAny)
	c.names(path+".prefixes", tokens.Prefixes)
}

func (c *checker) connection(path string, connection *Connection) {
	c.file(path+".caFile", &connection.CAFile)
	c.file(path+".certFile", &connection.CertFile)
	c.file(path+".keyFile", &connection.KeyFile)
	switch {
	case c.undecoded[path+".certFile"] || c.undecoded[path+".keyFile"]:
	case connection.CertFile != "" && connection.KeyFile == "":
		c.add(path+".certFile", "needs keyFile, the private key that belongs to it")
	case connection.CertFile == "" && connection.KeyFile != "":
		c.add(path+".keyFile", "needs certFile, the certificate that belongs to it")
	}
	if connection.ProxyURL != "" && !c.undecoded[path+".proxyURL"] {
		parsed, err := url.Parse(connection.ProxyURL)
		if err != nil || parsed.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, parsed.Scheme) {
			// It is not shown: it may hold a password.
			c.add(path+".proxyURL", "is not the address of a proxy: write http://HOST:PORT, https:// or socks5://")
		}
	}
	c.positive(path+".timeout", connection.Timeout)
}

func (c *checker) requiredURL(path, value, what string) {
	if value == "" && !c.undecoded[path] {
		c.add(path, "required: %s", what)
		return
	}
	c.url(path, value)
}

// url accepts "" and what tokens and keys may travel to and from; false says
// that a mistake was found.
func (c *checker) url(path, value string) bool {
	if value == "" || c.undecoded[path] {
		return true
	}
	parsed, err := url.Parse(value)
	switch {
	case err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http":
		c.add(path, "%s is not a URL: write https://HOST/PATH", quote(value))
	case parsed.User != nil:
		c.add(path, "must not hold a user or password")
	case parsed.Fragment != "":
		c.add(path, "%s has a fragment (#…), which is never sent: remove it", quote(value))
	case parsed.Scheme == "http" && !(address{host: parsed.Hostname()}).loopback():
		c.add(path, "%s would be asked without encryption: use https, plain http is for loopback addresses", quote(value))
	default:
		return true
	}
	return false
}
