package config

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// IdentitySource verifies tokens. In a Configuration that was parsed exactly one
// of the kinds is not nil.
type IdentitySource struct {
	// Name is what policies, metrics and logs call the source.
	Name          string         `yaml:"name"`
	JWT           *JWT           `yaml:"jwt"`
	Introspection *Introspection `yaml:"introspection"`
	TokenFile     *TokenFile     `yaml:"tokenFile"`
	Secrets       *Secrets       `yaml:"secrets"`
	HTTP          *HTTP          `yaml:"http"`
}

// JWT verifies signed JSON Web Tokens (RFC 7519), such as the ID tokens of
// OpenID Connect and the service account tokens of other clusters.
type JWT struct {
	// Issuers are the values that "iss" may have, compared exactly. Without
	// JWKSURL and JWKSFile each one's keys are found by OpenID Connect
	// Discovery.
	Issuers []string `yaml:"issuers"`
	// DiscoveryURL is where the only issuer's discovery document is, when not
	// at the well-known place below the issuer.
	DiscoveryURL string `yaml:"discoveryURL"`
	// JWKSURL and JWKSFile are where the keys of all issuers are. At most one
	// of the three is set.
	JWKSURL  string `yaml:"jwksURL"`
	JWKSFile string `yaml:"jwksFile"`
	// Audiences are accepted when AudienceClaim names one of them; the token is
	// then good for the API server. When empty, a token is good for what that
	// claim names, of which the TokenReview has to ask for one.
	Audiences []string `yaml:"audiences"`
	// AudienceClaim is the claim that names the audiences; "aud" unless set.
	AudienceClaim string `yaml:"audienceClaim"`
	// AudienceOptional takes tokens without that claim as well: they are good
	// for the API server. One that has it is judged by it all the same.
	AudienceOptional bool `yaml:"audienceOptional"`
	// Algorithms are the JWS algorithms that are accepted (RFC 7518, RFC 8037).
	Algorithms []string `yaml:"algorithms"`
	Leeway     Leeway   `yaml:"leeway"`
	// RequiredClaims are claims that have to be there, as these very strings.
	RequiredClaims map[string]string `yaml:"requiredClaims"`
	// SubjectClaim is the claim that becomes input.identity.subject.
	SubjectClaim string `yaml:"subjectClaim"`
	// SubjectOptional takes tokens without that claim as well: the policy has to
	// name their users by another claim, since input.identity has no subject.
	SubjectOptional bool       `yaml:"subjectOptional"`
	Connection      Connection `yaml:"connection"`
}

// Leeway is how far clocks may differ, for each claim that is a time (RFC 7519
// §4.1.4 to §4.1.6). One duration in its place is that of all three.
type Leeway struct {
	Expires   time.Duration `yaml:"exp"`
	NotBefore time.Duration `yaml:"nbf"`
	// IssuedAt is how far ahead "iat" may be; nil when it may be anything.
	IssuedAt *time.Duration `yaml:"iat"`
}

// setShort takes one duration for all three.
func (l *Leeway) setShort(node *yaml.Node) error {
	leeway, err := parseDuration(node)
	if err != nil {
		return err
	}
	l.Expires, l.NotBefore, l.IssuedAt = leeway, leeway, &leeway
	return nil
}

// JWTAlgorithms are the algorithms that a JWT may be signed with: asymmetric
// ones only.
func JWTAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Introspection asks an authorization server about each token (RFC 7662).
type Introspection struct {
	URL string `yaml:"url"`
	// ClientID and ClientSecretFile authenticate by HTTP Basic (RFC 6749
	// §2.3.1); the file is read again when it changes. With
	// Connection.CertFile alone it is mutual TLS (RFC 8705), where ClientID is
	// sent in the form.
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	// Issuer has to be the answer's "iss", when set.
	Issuer string `yaml:"issuer"`
	// Audiences are as those of JWT; when empty and the answer has no "aud",
	// the token is not limited.
	Audiences  []string   `yaml:"audiences"`
	Leeway     Leeway     `yaml:"leeway"`
	Tokens     Tokens     `yaml:"tokens"`
	Connection Connection `yaml:"connection"`
}

// Tokens say which tokens may be sent to a source at all.
type Tokens struct {
	Format TokenFormat `yaml:"format"`
	// Prefixes: a token begins with one of them; none means any.
	Prefixes []string `yaml:"prefixes"`
}

// TokenFormat is the shape of a token.
type TokenFormat string

// The values of TokenFormat.
const (
	TokenFormatOpaque TokenFormat = "opaque" // anything that is not a JWT
	TokenFormatJWT    TokenFormat = "jwt"
	TokenFormatAny    TokenFormat = "any"
)

// TokenFile is a file that lists users and their tokens, or hashes of these.
type TokenFile struct {
	Path   string          `yaml:"path"`
	Format TokenFileFormat `yaml:"format"`
}

// TokenFileFormat is the form of a token file.
type TokenFileFormat string

// The values of TokenFileFormat.
const (
	// TokenFileYAML has hashes of tokens.
	TokenFileYAML TokenFileFormat = "yaml"
	// TokenFileCSV is that of kube-apiserver's --token-auth-file, with tokens
	// in clear text.
	TokenFileCSV TokenFileFormat = "csv"
)

// Secrets verifies tokens whose digests are in labelled Secrets of one
// namespace. It needs the cluster.
type Secrets struct {
	Namespace string `yaml:"namespace"`
	// GroupPrefixes are what a group named by a Secret has to begin with; none
	// means that no groups may be named.
	GroupPrefixes []string `yaml:"groupPrefixes"`
	// UsernamePrefixes likewise for the username; none means any.
	UsernamePrefixes []string `yaml:"usernamePrefixes"`
}

// HTTP verifies opaque tokens by asking a service for what belongs to them.
type HTTP struct {
	// Preset fills in the fields that are not set.
	Preset HTTPPreset `yaml:"preset"`
	// BaseURL comes before those URLs of Requests that begin with "/".
	BaseURL string `yaml:"baseURL"`
	// AllowedHosts are the hosts, with a port where it is not the scheme's,
	// that requests may go to.
	AllowedHosts []string      `yaml:"allowedHosts"`
	Requests     []HTTPRequest `yaml:"requests"`
	// Subject is where input.identity.subject is found in the claims: names
	// joined by dots. It has to be a string or a whole number.
	Subject string `yaml:"subject"`
	// Expires likewise for when the token expires, as seconds since 1970 or
	// in RFC 3339; "" when the service does not say.
	Expires    string     `yaml:"expires"`
	Tokens     Tokens     `yaml:"tokens"`
	Connection Connection `yaml:"connection"`
}

// HTTPPreset names a service that HTTP knows.
type HTTPPreset string

// The values of HTTPPreset.
const (
	HTTPPresetNone   HTTPPreset = ""
	HTTPPresetGitHub HTTPPreset = "github"
)

// HTTPRequest is one question to the service. In URL and Headers the text
// {token} stands for the token, in a URL escaped.
type HTTPRequest struct {
	Method  string            `yaml:"method"`
	URL     string            `yaml:"url"`
	Headers map[string]string `yaml:"headers"`
	// Claim is where in the claims the JSON of the answer goes; "" for the
	// claims themselves, which needs an object.
	Claim string `yaml:"claim"`
	// Pages is how many pages a list may have, which are found by the Link
	// header (RFC 8288); 1 when it has none.
	Pages int `yaml:"pages"`
	// Accepted, Rejected and Absent are status codes: the answer counts, the
	// token is no good, there is nothing to put at Claim. Any other is a fault.
	Accepted []int `yaml:"accepted"`
	Rejected []int `yaml:"rejected"`
	Absent   []int `yaml:"absent"`
}

// Connection is how to reach the host that a source asks.
type Connection struct {
	// CAFile has the authorities to trust, in PEM; "" for the system's.
	CAFile string `yaml:"caFile"`
	// CertFile and KeyFile are a client certificate, in PEM. Files are read
	// again when they change.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
	// ProxyURL is the proxy to use; "" for what the environment says
	// (HTTPS_PROXY, NO_PROXY).
	ProxyURL string `yaml:"proxyURL"`
	// Timeout bounds one verification, or one fetching of keys.
	Timeout time.Duration `yaml:"timeout"`
}

// What a kind that is given has where the file says nothing. The leeways are
// those of kube-apiserver, which looks at no "iat".
const (
	defaultNotBeforeLeeway   = time.Minute
	defaultConnectionTimeout = 5 * time.Second
)

func (j *JWT) setDefaults() {
	j.Algorithms, j.SubjectClaim, j.AudienceClaim = JWTAlgorithms(), "sub", "aud"
	j.Leeway.NotBefore = defaultNotBeforeLeeway
	j.Connection.Timeout = defaultConnectionTimeout
}

func (i *Introspection) setDefaults() {
	i.Tokens.Format = TokenFormatOpaque
	i.Leeway.NotBefore = defaultNotBeforeLeeway
	i.Connection.Timeout = defaultConnectionTimeout
}

func (f *TokenFile) setDefaults() { f.Format = TokenFileYAML }

func (h *HTTP) setDefaults() {
	h.Tokens.Format = TokenFormatOpaque
	h.Connection.Timeout = defaultConnectionTimeout
}

func (r *HTTPRequest) setDefaults() {
	r.Method, r.Pages = "GET", 1
	r.Accepted, r.Rejected = []int{200}, []int{401}
}
