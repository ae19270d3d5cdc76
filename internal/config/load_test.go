package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/tokenfile"
	"github.com/verdict-dev/verdict/policy"
)

const header = "apiVersion: verdict.dev/v1alpha1\nkind: Configuration\n"

// write makes a file, and its directory, below dir.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadReadsEveryField(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tls/server.crt", "tls/server.key", "tls/clients.crt", "tokens.yaml", "revoked.yaml", "kubeconfig", "policies/a.rego"} {
		write(t, dir, name, "x")
	}
	absolute := filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(absolute, 0o700); err != nil {
		t.Fatal(err)
	}
	path := write(t, dir, "verdict.yaml", header+`
server:
  address: "[::1]:9443"
  tls: {certFile: tls/server.crt, keyFile: tls/server.key, clientCAFile: tls/clients.crt}
  callers:
    authentication: [kube-apiserver]
    authorization: ["*"]
    scheduling: ["spiffe://cluster.local/scheduler"]
  maxInFlight: 7
  maxBytesInFlight: 64Ki
  limits: {reviewBytes: 2048, reviewValues: 100, schedulingBytes: 1.5Ki, schedulingValues: 200, objectValues: 50, tokenBytes: 3Ki, headerBytes: 1e4}
  timeouts: {readHeader: 1s, read: 2s, write: 1m30s, idle: 4s, decision: 250ms}
operations: {address: ":0"}
shutdown: {drain: 0s, grace: 0}
policy:
  directories: [policies, `+absolute+`]
  allowedHosts: [registry.example.com, 10.0.0.1]
  allowedFolders: [policies, `+absolute+`]
  evaluator: interpreter
  loadTimeout: 90s
authentication:
  sources:
  - name: local
    tokenFile: {path: tokens.yaml}
  audiences: [api]
  allowedSystemNames: ["system:nodes", "system:serviceaccounts:team-*"]
  allowedExtraKeys: [authentication.kubernetes.io/credential-id, example.k8s.io/*]
  revokedFile: revoked.yaml
  entry: {user: example.who, deny: example.deny}
authorization: {onError: noOpinion, onUnavailable: deny, entry: {allow: example.allow, deny: example.deny}}
scheduling:
  timeout: 3s
  profiles: [gpu, batch]
  podAnnotations: [gpu.example.com/, example.com/size]
  entry: {reject: example.reject, unresolvable: example.unresolvable, score: example.score, protect: example.protect, deny: example.denied, annotate: example.annotate}
  bind: {enabled: true, lease: {namespace: kube-system, name: binder}, readinessAddress: "127.0.0.1:8082"}
cache: {enabled: false, maxBytes: 2Mi, maxEntries: 10, lifetimes: {allow: 1s, deny: 2s, noOpinion: 0s}, identityTTL: 3s, rejectedTTL: 0s}
cluster: {kubeconfig: kubeconfig, maxStaleness: 5m}
log: {level: debug, format: json}
`)
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &Configuration{
		APIVersion: APIVersion,
		Kind:       Kind,
		Server: Server{
			Address: "[::1]:9443",
			TLS: TLS{
				CertFile:     filepath.Join(dir, "tls/server.crt"),
				KeyFile:      filepath.Join(dir, "tls/server.key"),
				ClientCAFile: filepath.Join(dir, "tls/clients.crt"),
			},
			Callers: callersOf(map[policy.Point][]string{
				policy.AuthenticationPoint: {"kube-apiserver"},
				policy.AuthorizationPoint:  {"*"},
				policy.SchedulingPoint:     {"spiffe://cluster.local/scheduler"},
			}),
			MaxInFlight: 7, MaxBytesInFlight: 65536,
			Limits: Limits{
				ReviewBytes: 2048, SchedulingBytes: 1536, TokenBytes: 3072, HeaderBytes: 10000,
				ReviewValues: 100, SchedulingValues: 200, ObjectValues: 50,
			},
			Timeouts: Timeouts{
				ReadHeader: time.Second, Read: 2 * time.Second, Write: 90 * time.Second,
				Idle: 4 * time.Second, Decision: 250 * time.Millisecond,
			},
		},
		Operations: Operations{Address: ":0"},
		Policy: Policy{
			Evaluator:      PolicyEvaluatorInterpreter,
			LoadTimeout:    90 * time.Second,
			Directories:    []string{filepath.Join(dir, "policies"), absolute},
			AllowedHosts:   []string{"registry.example.com", "10.0.0.1"},
			AllowedFolders: []string{filepath.Join(dir, "policies"), absolute},
		},
		Authentication: Authentication{
			Sources:            []IdentitySource{{Name: "local", Kind: "tokenFile", Config: &tokenfile.Config{Path: filepath.Join(dir, "tokens.yaml"), Format: tokenfile.YAML}}},
			Audiences:          []string{"api"},
			AllowedSystemNames: []string{"system:nodes", "system:serviceaccounts:team-*"},
			AllowedExtraKeys:   []string{"authentication.kubernetes.io/credential-id", "example.k8s.io/*"},
			RevokedFile:        filepath.Join(dir, "revoked.yaml"),
			Entry:              Entry{{policy.EntryRule{Point: policy.AuthenticationPoint, Name: "user"}, "example.who"}, {policy.EntryRule{Point: policy.AuthenticationPoint, Name: "deny"}, "example.deny"}},
		},
		Authorization: Authorization{
			OnError: OnErrorNoOpinion, OnUnavailable: OnUnavailableDeny,
			Entry: Entry{{policy.EntryRule{Point: policy.AuthorizationPoint, Name: "allow"}, "example.allow"}, {policy.EntryRule{Point: policy.AuthorizationPoint, Name: "deny"}, "example.deny"}},
		},
		Scheduling: Scheduling{
			Timeout:        3 * time.Second,
			Profiles:       []string{"gpu", "batch"},
			PodAnnotations: []string{"gpu.example.com/", "example.com/size"},
			Entry: Entry{
				{policy.EntryRule{Point: policy.SchedulingPoint, Name: "reject"}, "example.reject"},
				{policy.EntryRule{Point: policy.SchedulingPoint, Name: "unresolvable"}, "example.unresolvable"},
				{policy.EntryRule{Point: policy.SchedulingPoint, Name: "score"}, "example.score"},
				{policy.EntryRule{Point: policy.SchedulingPoint, Name: "protect"}, "example.protect"},
				{policy.EntryRule{Point: policy.SchedulingPoint, Name: "deny"}, "example.denied"},
				{policy.EntryRule{Point: policy.SchedulingPoint, Name: "annotate"}, "example.annotate"},
			},
			Bind: Bind{Enabled: true, Lease: Lease{Namespace: "kube-system", Name: "binder"}, ReadinessAddress: "127.0.0.1:8082"},
		},
		Points:  Default().Points,
		Cache:   Cache{Enabled: false, MaxBytes: 2 << 20, MaxEntries: 10, Lifetimes: policy.Lifetimes{Allow: time.Second, Deny: 2 * time.Second}, IdentityTTL: 3 * time.Second},
		Cluster: Cluster{Kubeconfig: filepath.Join(dir, "kubeconfig"), MaxStaleness: 5 * time.Minute},
		Log:     Log{Level: LogLevelDebug, Format: LogFormatJSON},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got:\n%+v\nwant:\n%+v", got, want)
	}
}

// callersOf are the callers of all points, of which some have names.
func callersOf(names map[policy.Point][]string) Callers {
	callers := defaultCallers()
	for i := range callers {
		callers[i].Names = names[callers[i].Point]
	}
	return callers
}

func TestLoadMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.yaml")
	_, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that wraps fs.ErrNotExist and names %s", err, path)
	}
}

func TestLoadHugeFile(t *testing.T) {
	path := write(t, t.TempDir(), "huge.yaml", strings.Repeat("#", maxFileBytes+1))
	_, err := Load(path)
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error %v, want one about the size", err)
	}
}

func TestParseAcceptsDefaultsForWhatIsLeftOut(t *testing.T) {
	for name, content := range map[string]string{
		"header alone":      header,
		"document markers":  "---\n" + header + "...\n",
		"byte order mark":   "\ufeff" + header,
		"JSON":              `{"apiVersion":"verdict.dev/v1alpha1","kind":"Configuration"}`,
		"null section":      header + "server:\noperations: null\n",
		"null field":        header + "server:\n  address:\n  tls: ~\n",
		"null list":         header + "policy:\n  directories:\n  # - /etc/policies\n",
		"empty list":        header + "policy: {directories: []}\n",
		"empty file name":   header + "server: {tls: {certFile: \"\"}}\n",
		"explicit defaults": header + "log: {level: info, format: auto}\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse("verdict.yaml", []byte(content))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, Default()) {
				t.Errorf("got %+v, want the default", got)
			}
		})
	}
}

// Each case is one mistake; want is all that is reported, without the file name.
func TestParseRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "file", "x")
	write(t, dir, "dir/file", "x")
	at := func(name string) string { return filepath.Join(dir, name) }

	for _, test := range []struct {
		name, content string
		want          []string
	}{
		// The document.
		{"empty", "", []string{`the file is empty: it needs at least "apiVersion: verdict.dev/v1alpha1" and "kind: Configuration"`}},
		{"comments only", "# nothing\n", []string{`the file is empty: it needs at least "apiVersion: verdict.dev/v1alpha1" and "kind: Configuration"`}},
		{"null document", "---\n...\n", []string{`the file is empty: it needs at least "apiVersion: verdict.dev/v1alpha1" and "kind: Configuration"`}},
		{"not YAML", "a: [1\n", []string{`:1: not valid YAML: did not find expected ',' or ']'`}},
		{"invalid UTF-8", "a: \xff", []string{`not valid YAML: invalid leading UTF-8 octet`}},
		{"two documents", header + "---\n" + header, []string{`:3: a second YAML document begins here: keep one, and remove the "---" between them`}},
		{"a list", "- a\n", []string{`:1: expected fields (name: value), found a list`}},
		{"text", "hello\n", []string{`:1: expected fields (name: value), found the text "hello"`}},
		{"no header", "log: {}\n", []string{
			`:1: apiVersion: required: write "apiVersion: verdict.dev/v1alpha1"`,
			`:1: kind: required: write "kind: Configuration"`,
		}},
		{"another kind", "apiVersion: v1\nkind: ConfigMap\n", []string{
			`:1: apiVersion: "v1" is not supported: write "apiVersion: verdict.dev/v1alpha1"`,
			`:2: kind: "ConfigMap" is not supported: write "kind: Configuration"`,
		}},

		// Names of fields.
		{"misspelt header", "apiversion: verdict.dev/v1alpha1\nkind: Configuration\n", []string{`:1: apiversion: unknown field: did you mean "apiVersion"?`}},
		{"unknown field", header + "server:\n  addrezs: x\n", []string{`:4: server.addrezs: unknown field: did you mean "address"?`}},
		{"wrong case", header + "server:\n  tls:\n    certfile: x\n", []string{`:5: server.tls.certfile: unknown field: did you mean "certFile"?`}},
		{"no field like it", header + "shutdown:\n  colour: red\n", []string{`:4: shutdown.colour: unknown field: the fields here are drain, grace`}},
		{"no other field", header + "operations:\n  colour: red\n", []string{`:4: operations.colour: unknown field: the only field here is address`}},
		{"odd name", header + "\"a.b\\n\": 1\n", []string{`:3: ["a.b\n"]: unknown field: the fields here are ` + strings.Join(structFields(reflect.ValueOf(Default()).Elem()).names, ", ")}},
		{"duplicate field", header + "log:\n  level: info\n  format: json\n  level: warn\n", []string{`:6: log.level: already given in line 4: keep one of them`}},
		{"duplicate unknown field", header + "operations: {x: 1, x: 2}\n", []string{
			`:3: operations.x: unknown field: the only field here is address`,
			`:3: operations.x: already given in line 3: keep one of them`,
		}},
		{"number as name", header + "operations: {1: 2}\n", []string{`:3: operations: expected the name of a field, found the number 1: the only field here is address`}},
		{"list as name", header + "operations: {[a]: 2}\n", []string{`:3: operations: expected the name of a field, found a list: the only field here is address`}},
		{"merge key", header + "operations:\n  <<: {address: x}\n", []string{`:4: operations: expected the name of a field, found a YAML merge key (<<): the only field here is address`}},
		{"alias", header + "shutdown:\n  drain: &a 1s\n  grace: *a\n", []string{`:5: shutdown.grace: YAML aliases (*a) are not supported: write the value out`}},

		// Types.
		{"text for a struct", header + "server: 8443\n", []string{`:3: server: expected fields (name: value), found the number 8443`}},
		{"text for a list", header + "policy:\n  directories: /etc\n", []string{`:4: policy.directories: expected a list, found the text "/etc": write each item on a line of its own after "- "`}},
		{"number for text", header + "server: {address: 8443}\n", []string{`:3: server.address: expected text, found the number 8443: put it in quotes if it is meant as text`}},
		{"list for text", header + "server: {address: []}\n", []string{`:3: server.address: expected text, found a list`}},
		{"text for a boolean", header + "cluster: {inCluster: \"true\"}\n", []string{`:3: cluster.inCluster: expected true or false (without quotes), found the text "true"`}},
		{"yes for a boolean", header + "cluster: {inCluster: yes}\n", []string{`:3: cluster.inCluster: expected true or false (without quotes), found the text "yes"`}},
		{"fraction for a number", header + "server: {maxInFlight: 1.5}\n", []string{`:3: server.maxInFlight: expected a whole number (without quotes), found the number 1.5`}},
		{"hexadecimal number", header + "server: {maxInFlight: 0x10}\n", []string{`:3: server.maxInFlight: expected a whole number in decimal digits, found the number 0x10`}},
		{"number too large", header + "server: {maxInFlight: 9999999999999999999}\n", []string{`:3: server.maxInFlight: the number 9999999999999999999 is too large`}},
		{"tagged value", header + "server: {address: !secret x}\n", []string{`:3: server.address: expected text, found "x" tagged !secret: put it in quotes if it is meant as text`}},
		{"empty item", header + "policy:\n  allowedHosts:\n  -\n", []string{`:5: policy.allowedHosts[0]: the item is empty: write a value after "-", or remove it`}},
		{"number in a list", header + "authentication:\n  audiences: [a, 1]\n", []string{`:4: authentication.audiences[1]: expected text, found the number 1: put it in quotes if it is meant as text`}},

		// Durations.
		{"duration without unit", header + "server: {timeouts: {read: 30}}\n", []string{`:3: server.timeouts.read: the duration 30 has no unit: seconds are written 30s`}},
		{"duration in words", header + "server: {timeouts: {read: 5 seconds}}\n", []string{`:3: server.timeouts.read: "5 seconds" is not a duration: write a number and a unit, such as 500ms, 30s or 2m`}},
		{"duration as a list", header + "server: {timeouts: {read: [5s]}}\n", []string{`:3: server.timeouts.read: expected a duration such as 500ms, 30s or 2m, found a list`}},
		{"zero timeout", header + "server: {timeouts: {read: 0s}}\n", []string{`:3: server.timeouts.read: must be above 0s, not 0s`}},
		{"negative timeout", header + "scheduling: {timeout: -1s}\n", []string{`:3: scheduling.timeout: must be above 0s, not -1s`}},
		{"negative drain", header + "shutdown: {drain: -1s}\n", []string{`:3: shutdown.drain: must not be negative, not -1s: 0s turns it off`}},
		{"overflowing duration", header + "shutdown: {drain: 99999999999h}\n", []string{`:3: shutdown.drain: "99999999999h" is not a duration: write a number and a unit, such as 500ms, 30s or 2m`}},
		{"write no longer than decision", header + "server: {timeouts: {write: 30s}}\n", []string{`:3: server.timeouts.write: must be longer than server.timeouts.decision (30s), not 30s: when a connection is closed before its answer, the API server retries the request`}},

		// Sizes.
		{"size in words", header + "server: {limits: {reviewBytes: 1 MB}}\n", []string{`:3: server.limits.reviewBytes: "1 MB" is not a size: write bytes, or a number and a unit, such as 64Ki or 1Mi`}},
		{"size with a huge exponent", header + "server: {limits: {reviewBytes: 1e999999999}}\n", []string{`:3: server.limits.reviewBytes: "1e999999999" is not a size: write bytes, or a number and a unit, such as 64Ki or 1Mi`}},
		{"fraction of a byte", header + "server: {limits: {reviewBytes: 1.5}}\n", []string{`:3: server.limits.reviewBytes: "1.5" is not a whole number of bytes`}},
		{"size as a boolean", header + "server: {limits: {reviewBytes: true}}\n", []string{`:3: server.limits.reviewBytes: expected a size such as 64Ki, 1Mi or 1048576, found true`}},
		{"zero size", header + "server: {limits: {headerBytes: 0}}\n", []string{`:3: server.limits.headerBytes: must be above 0 bytes, not 0`}},
		{"profile that is no name", header + "scheduling: {profiles: [gpu-nodes]}\n", []string{`:3: scheduling.profiles[0]: "gpu-nodes" is not a name: up to 63 letters, digits and "_", not beginning with a digit, as in package kubernetes.scheduler.gpu`}},
		{"profile that is a keyword", header + "scheduling: {profiles: [default]}\n", []string{`:3: scheduling.profiles[0]: "default" is a keyword of Rego, so no package can have this name: choose another name`}},
		{"profile twice", header + "scheduling: {profiles: [gpu, gpu]}\n", []string{`:3: scheduling.profiles[1]: "gpu" is already given by scheduling.profiles[0]: remove one of them`}},
		{"pod annotation that is no name", header + "scheduling: {podAnnotations: [\"*\", a/b/c]}\n", []string{
			`:3: scheduling.podAnnotations[0]: "*" is neither the name of an annotation nor a prefix such as example.com/`,
			`:3: scheduling.podAnnotations[1]: "a/b/c" is neither the name of an annotation nor a prefix such as example.com/`,
		}},
		{"bind without a cluster", header + "scheduling: {bind: {enabled: true}}\n", []string{`:3: scheduling.bind.enabled: needs cluster.kubeconfig or cluster.inCluster: pods are bound through the Kubernetes API`}},
		{"lease without bind", header + "scheduling: {bind: {lease: {namespace: kube-system}}}\n", []string{`:3: scheduling.bind.lease.namespace: has no effect: set scheduling.bind.enabled`}},
		{"lease with odd names", header + "cluster: {inCluster: true}\nscheduling: {bind: {enabled: true, lease: {namespace: A, name: B_}}}\n", []string{
			`:4: scheduling.bind.lease.namespace: "A" is not the name of a namespace`,
			`:4: scheduling.bind.lease.name: "B_" is not the name of a Lease: lower case letters, digits, "-" and "."`,
		}},
		{"readiness without an election", header + "cluster: {inCluster: true}\nscheduling: {bind: {enabled: true, readinessAddress: \":80\"}}\n", []string{`:4: scheduling.bind.readinessAddress: needs scheduling.bind.lease.namespace: without an election every replica binds`}},
		{"readiness on another's port", header + "cluster: {inCluster: true}\noperations: {address: \":80\"}\nscheduling: {bind: {enabled: true, lease: {namespace: a}, readinessAddress: \":80\"}}\n", []string{`:5: scheduling.bind.readinessAddress: ":80" is also operations.address: choose another port`}},
		{"negative staleness", header + "cluster: {maxStaleness: -1s}\n", []string{`:3: cluster.maxStaleness: must not be negative, not -1s: 0s turns it off`}},
		{"staleness of a quiet watch", header + "cluster: {maxStaleness: 1m}\n", []string{`:3: cluster.maxStaleness: must be at least 1m30s, not 1m0s: even a quiet watch brings a message of the API server only about once a minute. 0s turns the limit off`}},
		{"negative size", header + "server: {limits: {schedulingBytes: -1Mi}}\n", []string{`:3: server.limits.schedulingBytes: must be above 0 bytes, not -1048576`}},
		{"size too large", header + "server: {limits: {schedulingBytes: 9E}}\n", []string{`:3: server.limits.schedulingBytes: "9E" is too large: the most is 16Gi`}},
		{"size beyond 64 bits", header + "server: {limits: {schedulingBytes: 9999999999999999999Ei}}\n", []string{`:3: server.limits.schedulingBytes: "9999999999999999999Ei" is too large: the most is 16Gi`}},
		{"no values", header + "server: {limits: {reviewValues: 0, objectValues: -1}}\n", []string{`:3: server.limits.reviewValues: must be above 0, not 0`, `:3: server.limits.objectValues: must be above 0, not -1`}},
		{"no bytes in flight", header + "server: {maxBytesInFlight: 0}\n", []string{`:3: server.maxBytesInFlight: must be above 0 bytes, not 0`}},
		{"fewer bytes in flight than a body may have", header + "server: {maxBytesInFlight: 200Mi}\n", []string{`:3: server.maxBytesInFlight: must be at least 4 times server.limits.schedulingBytes (67108864 bytes), not 209715200: otherwise there is no room for the largest body`}},
		{"zero in flight", header + "server: {maxInFlight: 0}\n", []string{`:3: server.maxInFlight: must be above 0, not 0`}},

		// Addresses.
		{"address without port", header + "server: {address: localhost}\n", []string{`:3: server.address: "localhost" is not an address: write host:port, such as 127.0.0.1:8443 or [::1]:8443`}},
		{"empty address", header + "operations: {address: \"\"}\n", []string{`:3: operations.address: "" is not an address: write host:port, such as 127.0.0.1:8443 or [::1]:8443`}},
		{"IPv6 without brackets", header + "server: {address: \"::1:80\"}\n", []string{`:3: server.address: "::1:80" is not an address: write host:port, such as 127.0.0.1:8443 or [::1]:8443`}},
		{"named port", header + "server: {address: \"localhost:https\"}\n", []string{`:3: server.address: "localhost:https" has no usable port: write host:port with a port from 0 to 65535`}},
		{"port too large", header + "server: {address: \"localhost:65536\"}\n", []string{`:3: server.address: "localhost:65536" has no usable port: write host:port with a port from 0 to 65535`}},
		{"not a host", header + "server: {address: \"127.0.0.256:80\"}\n", []string{`:3: server.address: "127.0.0.256" is neither an IP address nor a DNS name`}},
		{"same address twice", header + "server: {address: \"127.0.0.1:8081\"}\n", []string{`operations.address: "127.0.0.1:8081" is also server.address: choose another port`}},

		// TLS and callers.
		{"certificate without key", header + "server: {tls: {certFile: file}}\n", []string{`:3: server.tls.certFile: needs server.tls.keyFile, the private key that belongs to it`}},
		{"key without certificate", header + "server: {tls: {keyFile: file}}\n", []string{`:3: server.tls.keyFile: needs server.tls.certFile, the certificate that belongs to it`}},
		{"missing client CA", header + "server: {tls: {clientCAFile: absent}}\n", []string{`:3: server.tls.clientCAFile: "` + at("absent") + `" does not exist: relative paths begin at the folder of the configuration file`}},
		{"directory for a file", header + "server: {tls: {clientCAFile: dir}}\n", []string{`:3: server.tls.clientCAFile: "` + at("dir") + `" is not a file: it is a directory`}},
		{"device for a file", header + "server: {tls: {clientCAFile: /dev/null}}\n", []string{`:3: server.tls.clientCAFile: "/dev/null" is not a file: it is a device, pipe or socket`}},
		{"file below a file", header + "server: {tls: {clientCAFile: file/x}}\n", []string{`:3: server.tls.clientCAFile: "` + at("file/x") + `" cannot be used: not a directory`}},
		{"plain HTTP with TLS", header + "server: {plainHTTP: true, tls: {certFile: file, keyFile: file, clientCAFile: file}}\n", []string{
			`:3: server.tls.certFile: excludes server.plainHTTP: remove one of them`,
			`:3: server.tls.keyFile: excludes server.plainHTTP: remove one of them`,
			`:3: server.tls.clientCAFile: excludes server.plainHTTP: remove one of them`,
		}},
		{"plain HTTP for all", header + "server: {plainHTTP: true, address: \":80\"}\n", []string{`:3: server.plainHTTP: tokens would cross the network without encryption: use it only on a loopback address such as 127.0.0.1:8080, not ":80"`}},
		{"callers without client CA", header + "server: {callers: {scheduling: [a]}}\n", []string{`:3: server.callers.scheduling: needs server.tls.clientCAFile: without it callers have no certificate, so this list would allow every caller`}},
		{"callers of a point that is not served", header + "server: {tls: {clientCAFile: file}, callers: {mutation: [\"*\"]}}\n", []string{`:3: server.callers.mutation: no such point is served: the points are ` + strings.Join(defaultCallers().fieldNames(), ", ")}},
		{"callers of a misspelt point", header + "server: {tls: {clientCAFile: file}, callers: {authorisation: [a]}}\n", []string{`:3: server.callers.authorisation: unknown field: did you mean "authorization"?`}},
		{"empty caller", header + "server: {tls: {clientCAFile: file}, callers: {scheduling: [\"\"]}}\n", []string{`:3: server.callers.scheduling[0]: is empty: write a value, or remove the item`}},
		{"caller twice", header + "server: {tls: {clientCAFile: file}, callers: {scheduling: [a, a]}}\n", []string{`:3: server.callers.scheduling[1]: "a" is already given by server.callers.scheduling[0]: remove one of them`}},
		{"caller with space", header + "server: {tls: {clientCAFile: file}, callers: {scheduling: [\"a \"]}}\n", []string{`:3: server.callers.scheduling[0]: "a " begins or ends with a space: remove it`}},

		// Policy.
		{"missing directory", header + "policy:\n  directories:\n  - dir\n  - absent\n", []string{`:6: policy.directories[1]: "` + at("absent") + `" does not exist: relative paths begin at the folder of the configuration file`}},
		{"file for a directory", header + "policy: {directories: [file]}\n", []string{`:3: policy.directories[0]: "` + at("file") + `" is not a directory: it is a file`}},
		{"no time to load", header + "policy: {loadTimeout: 0s}\n", []string{`:3: policy.loadTimeout: must be above 0s, not 0s`}},
		{"host with a scheme", header + "policy: {allowedHosts: [\"https://example.com\"]}\n", []string{`:3: policy.allowedHosts[0]: "https://example.com" is neither an IP address nor a DNS name: write only the host, without scheme, port or wildcard, such as registry.example.com`}},
		{"IPv6 host", header + "policy: {allowedHosts: [\"fd00::1\"]}\n", []string{`:3: policy.allowedHosts[0]: "fd00::1": IPv6 addresses cannot be allowed; give the host a name`}},

		// Authentication.
		{"source without name", header + "authentication: {sources: [{tokenFile: {path: file}}]}\n", []string{`:3: authentication.sources[0].name: required: policies, metrics and logs know the source by it`}},
		{"source with an odd name", header + "authentication: {sources: [{name: \"a b\", tokenFile: {path: file}}]}\n", []string{`:3: authentication.sources[0].name: "a b" is not a name: up to 63 letters, digits, ".", "_" and "-", beginning with a letter or digit`}},
		{"two sources of one name", header + "authentication:\n  sources:\n  - {name: a, tokenFile: {path: file}}\n  - {name: a, tokenFile: {path: file}}\n", []string{`:6: authentication.sources[1].name: "a" is the name of authentication.sources[0] too: each source has a name of its own`}},
		{"source without kind", header + "authentication: {sources: [{name: a}]}\n", []string{`:3: authentication.sources[0]: the source has no kind: add one of jwt, introspection, tokenFile, secrets, http, such as tokenFile: {path: FILE}`}},
		{"source of a null kind", header + "authentication: {sources: [{name: a, tokenFile: }]}\n", []string{`:3: authentication.sources[0]: the source has no kind: add one of jwt, introspection, tokenFile, secrets, http, such as tokenFile: {path: FILE}`}},
		{"source with a second kind", header + "authentication: {sources: [{name: a, tokenFile: {path: file}, oidc: {}}]}\n", []string{`:3: authentication.sources[0].oidc: unknown field: the fields here are name, jwt, introspection, tokenFile, secrets, http`}},
		{"source of a misspelt kind", header + "authentication: {sources: [{name: a, tokenfile: {path: file}}]}\n", []string{`:3: authentication.sources[0].tokenfile: unknown field: did you mean "tokenFile"?`}},
		{"token file without path", header + "authentication: {sources: [{name: a, tokenFile: {}}]}\n", []string{`:3: authentication.sources[0].tokenFile.path: required: the file that lists users and the hashes of their tokens`}},
		{"token file as text", header + "authentication: {sources: [{name: a, tokenFile: file}]}\n", []string{`:3: authentication.sources[0].tokenFile: expected fields (name: value), found the text "file"`}},
		{"missing token file", header + "authentication: {sources: [{name: a, tokenFile: {path: absent}}]}\n", []string{`:3: authentication.sources[0].tokenFile.path: "` + at("absent") + `" does not exist: relative paths begin at the folder of the configuration file`}},
		{"name that is no system name", header + "authentication: {allowedSystemNames: [admin]}\n", []string{`:3: authentication.allowedSystemNames[0]: "admin" has no effect: only names of the form system:NAME need to be allowed`}},
		{"pattern of all system names", header + "authentication: {allowedSystemNames: [\"system:*\"]}\n", []string{`:3: authentication.allowedSystemNames[0]: "system:*" would let a policy give users every name of Kubernetes, also system:masters: list names, or a longer prefix such as system:serviceaccounts:*`}},
		{"pattern of system:masters", header + "authentication: {allowedSystemNames: [\"system:ma*\"]}\n", []string{`:3: authentication.allowedSystemNames[0]: "system:ma*" would let a policy give users system:masters, for which the API server asks no authorizer: list names, or a longer prefix`}},
		{"pattern in the middle", header + "authentication: {allowedSystemNames: [\"system:*:a\", \"*\"]}\n", []string{
			`:3: authentication.allowedSystemNames[0]: "system:*:a" has a * that is not at the end: only a * at the end stands for any text`,
			`:3: authentication.allowedSystemNames[1]: "*" has no effect: only names of the form system:NAME need to be allowed`,
		}},
		{"extra keys that need no leave", header + "authentication: {allowedExtraKeys: [example.com/a, \"kubernetes.io*\", \"k8s.io/*/a\"]}\n", []string{
			`:3: authentication.allowedExtraKeys[0]: "example.com/a" is not below kubernetes.io or k8s.io: only such keys need to be allowed; write a key like authentication.kubernetes.io/credential-id, or a prefix like authentication.kubernetes.io/*`,
			`:3: authentication.allowedExtraKeys[1]: "kubernetes.io*" is not below kubernetes.io or k8s.io: only such keys need to be allowed; write a key like authentication.kubernetes.io/credential-id, or a prefix like authentication.kubernetes.io/*`,
			`:3: authentication.allowedExtraKeys[2]: "k8s.io/*/a" has a * that is not at the end: only a * at the end stands for any text`,
		}},

		// Entry rules.
		{"empty entry", header + "authorization: {entry: {allow: \"\"}}\n", []string{`:3: authorization.entry.allow: is empty: name a rule, as package.rule`}},
		{"entry of no rule", header + "scheduling: {entry: {permit: a.b}}\n", []string{`:3: scheduling.entry.permit: unknown field: the fields here are reject, unresolvable, score, protect, deny, annotate`}},
		{"entry that is no mapping", header + "scheduling: {entry: [a.b]}\n", []string{`:3: scheduling.entry: expected fields (name: value), found a list`}},
		{"entry with data", header + "authorization: {entry: {allow: data.a.b}}\n", []string{`:3: authorization.entry.allow: "data.a.b" begins with "data", which is implied: write "a.b"`}},
		{"entry without package", header + "authorization: {entry: {allow: allow}}\n", []string{`:3: authorization.entry.allow: "allow" names no package: write package.rule, such as kubernetes.authorization.allow`}},
		{"entry with brackets", header + "authorization: {entry: {allow: 'a[\"b\"]'}}\n", []string{`:3: authorization.entry.allow: "a[\"b\"]" is not a rule: write package.rule, names of letters, digits and "_" joined by dots`}},
		{"entry with a gap", header + "authorization: {entry: {allow: a..b}}\n", []string{`:3: authorization.entry.allow: "a..b" is not a rule: write package.rule, names of letters, digits and "_" joined by dots`}},
		{"entry with a keyword", header + "authorization: {entry: {allow: a.default}}\n", []string{`:3: authorization.entry.allow: "a.default" is not a rule: "default" is a keyword of Rego`}},
		{"one rule for allow and deny", header + "authorization: {entry: {allow: a.b, deny: a.b}}\n", []string{`:3: authorization.entry.deny: "a.b" is also the rule of authorization.entry.allow: they need different rules`}},

		// The rest.
		{"unknown onError", header + "authorization: {onError: allow}\n", []string{`:3: authorization.onError: "allow" is not one of deny, noOpinion`}},
		{"unknown onUnavailable", header + "authorization: {onUnavailable: noOpinion}\n", []string{`:3: authorization.onUnavailable: "noOpinion" is not one of unavailable, deny`}},
		{"unknown level", header + "log: {level: Info}\n", []string{`:3: log.level: "Info" is not one of debug, info, warn, error`}},
		{"unknown format", header + "log: {format: text}\n", []string{`:3: log.format: "text" is not one of auto, json, console`}},
		{"kubeconfig in the cluster", header + "cluster: {kubeconfig: file, inCluster: true}\n", []string{`:3: cluster.kubeconfig: excludes cluster.inCluster: remove one of them`}},
		{"missing kubeconfig", header + "cluster: {kubeconfig: absent}\n", []string{`:3: cluster.kubeconfig: "` + at("absent") + `" does not exist: relative paths begin at the folder of the configuration file`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := at("verdict.yaml")
			config, err := parse(file, []byte(test.content))
			if config != nil {
				t.Error("a configuration came back with the error")
			}
			checkMistakes(t, file, err, test.want)
		})
	}
}

func checkMistakes(t *testing.T, file string, err error, want []string) {
	t.Helper()
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Fatalf("error %v, want an *Error", err)
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d mistakes:\n%s\nwant %d", len(got), err, len(want))
	}
	for i := range want {
		// An expectation begins with :LINE, or says nothing about lines.
		mistake := strings.TrimPrefix(got[i], file)
		if !strings.HasPrefix(want[i], ":") {
			mistake = afterLine(mistake)
		}
		if mistake != want[i] {
			t.Errorf("mistake %d:\n%s\nwant:\n%s", i, mistake, want[i])
		}
	}
}

// afterLine removes ":LINE: ", or ": " where there is no line.
func afterLine(mistake string) string {
	_, mistake, _ = strings.Cut(strings.TrimLeft(mistake, ":0123456789"), " ")
	return mistake
}

func TestParseReportsAllMistakesAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "verdict.yaml")
	_, err := parse(file, []byte(`apiVersion: verdict.dev/v1
kind: Configuration
server:
  address: nowhere
  tls:
    certFile: absent.crt
  limits: {reviewBytes: lots, headerBytes: 0}
  timeouts:
    read: soon
    read: 1s
operation: {}
policy:
  directories: [absent]
authentication:
  sources:
  - tokenFile: {path: absent.yaml}
  - name: a
cluster:
  inCluster: 1
log: {level: loud, format: pretty}
---
more: true
`))
	absent := func(name string) string {
		return `"` + filepath.Join(filepath.Dir(file), name) + `" does not exist: relative paths begin at the folder of the configuration file`
	}
	checkMistakes(t, file, err, []string{
		`:1: apiVersion: "verdict.dev/v1" is not supported: write "apiVersion: verdict.dev/v1alpha1"`,
		`:4: server.address: "nowhere" is not an address: write host:port, such as 127.0.0.1:8443 or [::1]:8443`,
		`:6: server.tls.certFile: ` + absent("absent.crt"),
		`:6: server.tls.certFile: needs server.tls.keyFile, the private key that belongs to it`,
		`:7: server.limits.reviewBytes: "lots" is not a size: write bytes, or a number and a unit, such as 64Ki or 1Mi`,
		`:7: server.limits.headerBytes: must be above 0 bytes, not 0`,
		`:9: server.timeouts.read: "soon" is not a duration: write a number and a unit, such as 500ms, 30s or 2m`,
		`:10: server.timeouts.read: already given in line 9: keep one of them`,
		`:11: operation: unknown field: did you mean "operations"?`,
		`:13: policy.directories[0]: ` + absent("absent"),
		`:16: authentication.sources[0].name: required: policies, metrics and logs know the source by it`,
		`:16: authentication.sources[0].tokenFile.path: ` + absent("absent.yaml"),
		`:17: authentication.sources[1]: the source has no kind: add one of jwt, introspection, tokenFile, secrets, http, such as tokenFile: {path: FILE}`,
		`:19: cluster.inCluster: expected true or false (without quotes), found the number 1`,
		`:20: log.level: "loud" is not one of debug, info, warn, error`,
		`:20: log.format: "pretty" is not one of auto, json, console`,
		`:21: a second YAML document begins here: keep one, and remove the "---" between them`,
	})
}

func TestProblemHasPathLineAndMessage(t *testing.T) {
	_, err := parse("verdict.yaml", []byte(header+"server:\n  maxInFlight: -1\n"))
	problem, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error %v, want an *Error", err)
	}
	want := []Problem{{Path: "server.maxInFlight", Line: 4, Message: "must be above 0, not -1"}}
	if problem.File != "verdict.yaml" || !reflect.DeepEqual(problem.Problems, want) {
		t.Errorf("got %+v, want %+v in verdict.yaml", problem, want)
	}
}

// The bombs take seconds or gigabytes in a reader that falls for them; in this
// one they are mistakes like others.
func TestParseSurvivesHostileDocuments(t *testing.T) {
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 30 {
		previous := "*a" + string(rune('0'+i%10))
		laughs += "a" + string(rune('0'+(i+1)%10)) + ": &a" + string(rune('0'+(i+1)%10)) + " [" + strings.Repeat(previous+",", 9) + previous + "]\n"
	}
	for name, content := range map[string]string{
		"billion laughs":         laughs,
		"laughs in a list":       header + "policy:\n  directories: &a [" + strings.Repeat("*a,", 10000) + "]\n",
		"alias of itself":        header + "server: &a\n  tls: *a\n",
		"deep lists":             header + "server: " + strings.Repeat("[", 100000),
		"deep closed lists":      header + "server: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "\n",
		"deep maps":              header + "server: " + strings.Repeat("{a: ", 9000) + strings.Repeat("}", 9000) + "\n",
		"deep indentation":       header + "server:\n" + deepIndentation(1000),
		"very long field":        header + strings.Repeat("a", 500000) + ": 1\n",
		"very long value":        header + "log: {level: " + strings.Repeat("a", 500000) + "}\n",
		"very long number":       header + "server: {maxInFlight: " + strings.Repeat("9", 500000) + "}\n",
		"very long size":         header + "server: {limits: {reviewBytes: " + strings.Repeat("9", 500000) + "}}\n",
		"a hundred thousand":     header + strings.Repeat("a: 1\n", 100000),
		"a hundred thousand []":  header + "policy: {directories: [" + strings.Repeat("1,", 100000) + "]}\n",
		"sources without number": header + "authentication: {sources: [" + strings.Repeat("{},", 100000) + "]}\n",
		"control characters":     header + "server: \x00\x01\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := parse("verdict.yaml", []byte(content))
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("error %v, want an *Error", err)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if len(line) > 1000 {
					t.Errorf("a message of %d bytes begins %s", len(line), line[:100])
				}
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func deepIndentation(levels int) string {
	var text strings.Builder
	for i := range levels {
		text.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return text.String()
}
