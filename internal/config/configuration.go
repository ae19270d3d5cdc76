package config

import (
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
)

// The apiVersion and kind that a configuration file must state.
const (
	APIVersion = "verdict.dev/v1alpha1"
	Kind       = "Configuration"
)

// Configuration is everything an operator can set in a file. Default gives the
// values of fields that a file leaves out.
//
// Lists are nil when empty. Paths of files and directories that are relative in
// the file are relative to the directory of that file; once parsed they have
// been joined to it.
type Configuration struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`

	Server         Server         `yaml:"server"`
	Operations     Operations     `yaml:"operations"`
	Shutdown       Shutdown       `yaml:"shutdown"`
	Policy         Policy         `yaml:"policy"`
	Authentication Authentication `yaml:"authentication"`
	Authorization  Authorization  `yaml:"authorization"`
	Scheduling     Scheduling     `yaml:"scheduling"`
	// Points are the sections of the points that have none above.
	Points  PointSections `yaml:",inline"`
	Cache   Cache         `yaml:"cache"`
	Cluster Cluster       `yaml:"cluster"`
	Log     Log           `yaml:"log"`
}

// Server is the listener that Kubernetes calls.
type Server struct {
	// Address is where to listen, host:port. An empty host means every
	// interface, port 0 any free port.
	Address string `yaml:"address"`
	// PlainHTTP turns TLS off. Only on a loopback address, and without TLS.
	PlainHTTP bool `yaml:"plainHTTP"`
	TLS       TLS  `yaml:"tls"`
	// Callers needs TLS.ClientCAFile: without it callers have no name.
	Callers Callers `yaml:"callers"`
	// MaxInFlight is the largest number of requests in flight; further ones get a 503.
	MaxInFlight int `yaml:"maxInFlight"`
	// MaxBytesInFlight bounds the memory, in bytes, of the bodies of all requests in
	// flight and of the values made from them; further requests get a 503. A quarter
	// is for reviews, the rest for extender calls.
	MaxBytesInFlight int64    `yaml:"maxBytesInFlight"`
	Limits           Limits   `yaml:"limits"`
	Timeouts         Timeouts `yaml:"timeouts"`
}

// TLS names PEM files, which are read again when they change.
type TLS struct {
	// CertFile and KeyFile are given together or not at all; without them the
	// development certificate is used.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
	// ClientCAFile turns on mutual TLS: a caller needs a certificate from one
	// of these authorities.
	ClientCAFile string `yaml:"clientCAFile"`
}

// Limits bound single requests: in bytes, written as Kubernetes quantities (1Mi)
// or plain numbers, and in JSON values.
type Limits struct {
	// ReviewBytes bounds the body of one TokenReview or SubjectAccessReview.
	ReviewBytes int64 `yaml:"reviewBytes"`
	// SchedulingBytes bounds the body of one scheduler extender call.
	SchedulingBytes int64 `yaml:"schedulingBytes"`
	// TokenBytes bounds a token; no source sees a longer one.
	TokenBytes int64 `yaml:"tokenBytes"`
	// ReviewValues and SchedulingValues bound the JSON values in such bodies, and
	// ObjectValues those of one Pod or Node in an extender call.
	ReviewValues     int `yaml:"reviewValues"`
	SchedulingValues int `yaml:"schedulingValues"`
	ObjectValues     int `yaml:"objectValues"`
	// HeaderBytes bounds the header of any request.
	HeaderBytes int64 `yaml:"headerBytes"`
}

// Timeouts are the timeouts of http.Server, and that of a decision.
type Timeouts struct {
	ReadHeader time.Duration `yaml:"readHeader"`
	Read       time.Duration `yaml:"read"`
	// Write is longer than Decision: a connection closed before its answer
	// makes an API server retry.
	Write time.Duration `yaml:"write"`
	Idle  time.Duration `yaml:"idle"`
	// Decision bounds one decision. The caller's ?timeout= can only make it shorter.
	Decision time.Duration `yaml:"decision"`
}

// Operations is the plain HTTP listener for /livez, /readyz, /metrics and
// /version.
type Operations struct {
	// Address is where to listen, host:port.
	Address string `yaml:"address"`
}

// Shutdown configures the end of the process after SIGTERM.
type Shutdown struct {
	// Drain is how long requests are still accepted while /readyz fails.
	Drain time.Duration `yaml:"drain"`
	// Grace is how long, after Drain, requests in flight may take.
	Grace time.Duration `yaml:"grace"`
}

// Policy names the policies, and the hosts and folders that they may use.
type Policy struct {
	// Directories hold .rego, data.json and data.yaml files; none means the
	// starter policies.
	Directories []string `yaml:"directories"`
	// AllowedHosts are the hosts, without port, that http.send and the other
	// builtins that use the network may reach.
	AllowedHosts []string `yaml:"allowedHosts"`
	// AllowedFolders are the folders whose files policies may read: schemas that other
	// schemas refer to, and certificates and keys for http.send.
	AllowedFolders []string `yaml:"allowedFolders"`
	// Evaluator runs the rules.
	Evaluator PolicyEvaluator `yaml:"evaluator"`
	// LoadTimeout bounds how long a change of policies is parsed and compiled.
	LoadTimeout time.Duration `yaml:"loadTimeout"`
}

// PolicyEvaluator selects the evaluator of the rules.
type PolicyEvaluator string

// The values of PolicyEvaluator.
const (
	// PolicyEvaluatorAuto compiles every rule that can be compiled.
	PolicyEvaluatorAuto PolicyEvaluator = "auto"
	// PolicyEvaluatorInterpreter runs all rules with OPA's interpreter.
	PolicyEvaluatorInterpreter PolicyEvaluator = "interpreter"
)

// Authentication configures the answers to TokenReviews.
type Authentication struct {
	// Sources verify tokens. Names are unique.
	Sources []IdentitySource `yaml:"sources"`
	// Audiences are assumed for a review that names none.
	Audiences []string `yaml:"audiences"`
	// AllowedSystemNames are the users and groups with the prefix "system:"
	// that a policy may give to a user. A name that ends in "*" is a prefix.
	AllowedSystemNames []string `yaml:"allowedSystemNames"`
	// AllowedExtraKeys are the keys under kubernetes.io and k8s.io that a policy
	// may put into a user's extra. A key that ends in "*" is a prefix.
	AllowedExtraKeys []string `yaml:"allowedExtraKeys"`
	// RevokedFile is a YAML file of revoked subjects, token identifiers and digests of
	// tokens. They are refused even if a source accepts the token.
	RevokedFile string `yaml:"revokedFile"`
	Entry       Entry  `yaml:"entry"`
}

// Authorization configures the answers to SubjectAccessReviews.
type Authorization struct {
	OnError       OnError       `yaml:"onError"`
	OnUnavailable OnUnavailable `yaml:"onUnavailable"`
	Entry         Entry         `yaml:"entry"`
}

// OnError selects the answer after a policy error in authorization. Package handlers
// has the same type, since neither package can import the other.
type OnError string

// The values of OnError.
const (
	// OnErrorDeny denies, with the cause in the reason.
	OnErrorDeny OnError = "deny"
	// OnErrorNoOpinion lets the API server ask its next authorizer.
	OnErrorNoOpinion OnError = "noOpinion"
)

// OnUnavailable selects the answer after a timeout in authorization. Package handlers
// has the same type.
type OnUnavailable string

// The values of OnUnavailable.
const (
	// OnUnavailableUnavailable answers 503, which an API server does not cache.
	OnUnavailableUnavailable OnUnavailable = "unavailable"
	// OnUnavailableDeny denies, which an API server caches for 30 seconds.
	OnUnavailableDeny OnUnavailable = "deny"
)

// Scheduling configures the answers to scheduler extender calls.
type Scheduling struct {
	// Timeout bounds one call: the scheduler sends no deadline of its own.
	Timeout time.Duration `yaml:"timeout"`
	// Profiles answer at /scheduler/PROFILE/VERB by the rules of the package
	// kubernetes.scheduler.PROFILE.
	Profiles []string `yaml:"profiles"`
	// PodAnnotations are the annotations of pods on a node that policies see in
	// input.state: names, or prefixes that end in "/".
	PodAnnotations []string `yaml:"podAnnotations"`
	// Entry names the rules outside profiles.
	Entry Entry `yaml:"entry"`
	Bind  Bind  `yaml:"bind"`
}

// Bind configures the extender's bind verb.
type Bind struct {
	// Enabled lets pods be bound. It needs Cluster.
	Enabled bool  `yaml:"enabled"`
	Lease   Lease `yaml:"lease"`
	// ReadinessAddress is the address, host:port, of a plain HTTP listener whose
	// /readyz succeeds while this replica binds; "" for none. It needs Lease.
	ReadinessAddress string `yaml:"readinessAddress"`
}

// Lease is the coordination.k8s.io/v1 Lease by which one of several replicas
// is elected. With an empty Namespace there is no election.
type Lease struct {
	Namespace string `yaml:"namespace"`
	Name      string `yaml:"name"`
}

// Cache configures the caches.
type Cache struct {
	// Enabled turns all caches on or off.
	Enabled bool `yaml:"enabled"`
	// MaxBytes bounds the memory of all caches together.
	MaxBytes int64 `yaml:"maxBytes"`
	// MaxEntries bounds the entries of each cache.
	MaxEntries int              `yaml:"maxEntries"`
	Lifetimes  policy.Lifetimes `yaml:"lifetimes"`
	// IdentityTTL is how long a verified token is not verified again, if it
	// does not expire before; 0 for not at all.
	IdentityTTL time.Duration `yaml:"identityTTL"`
	// RejectedTTL likewise for a token that no source knows.
	RejectedTTL time.Duration `yaml:"rejectedTTL"`
}

// Budget is the budget of all caches together, the zero Budget unless Enabled.
func (c *Cache) Budget() cache.Budget {
	if !c.Enabled {
		return cache.Budget{}
	}
	return cache.Budget{Bytes: c.MaxBytes, Entries: c.MaxEntries}
}

// Cluster is how to reach the Kubernetes API. With neither field set nothing is
// known of the cluster beyond the nodes and pods in requests.
type Cluster struct {
	// Kubeconfig is the path of a kubeconfig file. It excludes InCluster.
	Kubeconfig string `yaml:"kubeconfig"`
	// InCluster uses the service account of the pod.
	InCluster bool `yaml:"inCluster"`
	// MaxStaleness is the time without a message of the API server after which
	// extender calls are answered with an Error; 0 for no limit.
	MaxStaleness time.Duration `yaml:"maxStaleness"`
}

// Log configures the log on standard error.
type Log struct {
	Level  LogLevel  `yaml:"level"`
	Format LogFormat `yaml:"format"`
}

// LogLevel is the lowest level that is logged; zapcore.ParseLevel knows them
// all.
type LogLevel string

// The values of LogLevel.
const (
	LogLevelDebug LogLevel = "debug"
	LogLevelInfo  LogLevel = "info"
	LogLevelWarn  LogLevel = "warn"
	LogLevelError LogLevel = "error"
)

// LogFormat is the form of a log line.
type LogFormat string

// The values of LogFormat.
const (
	// LogFormatAuto is LogFormatConsole on a terminal, else LogFormatJSON.
	LogFormatAuto    LogFormat = "auto"
	LogFormatJSON    LogFormat = "json"
	LogFormatConsole LogFormat = "console"
)
