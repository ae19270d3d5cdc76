package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/source"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
	builtin "github.com/verdict-dev/verdict/rego"
)

// exampleRequest is what a page says of a folder of examples on it: what is decided
// of one request.
type exampleRequest struct {
	folder  string
	profile string // that of scheduling, "" for the default
	// alone says that the page does not put the files beside the starter policies,
	// with which they cannot be.
	alone       bool
	point       policy.Point
	input, want string
}

// exampleRequests has at least one of every folder on the pages.
var exampleRequests = []exampleRequest{
	{
		folder: "support", point: policy.AuthorizationPoint, want: "deny",
		input: `{"spec": {"user": "sam", "resourceAttributes": {"verb": "delete", "resource": "namespaces", "name": "payments"}}}`,
	},
	{
		folder: "support", point: policy.AuthorizationPoint, want: "noOpinion",
		input: `{"spec": {"user": "sam", "groups": ["support"], "resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "other"}}}`,
	},
	{
		folder: "boolean", alone: true, point: policy.AuthorizationPoint, want: "allow",
		input: `{"spec": {"user": "rita", "groups": ["release-managers"], "resourceAttributes": {"verb": "update", "resource": "deployments"}}}`,
	},
	{
		folder: "boolean", alone: true, point: policy.AuthorizationPoint, want: "deny",
		input: `{"spec": {"user": "rita", "groups": ["release-managers"], "resourceAttributes": {"verb": "impersonate", "resource": "users"}}}`,
	},
	{
		folder: "scheduling", point: policy.SchedulingPoint, want: "rejected, and no eviction cures it",
		input: `{"pod": {"metadata": {"name": "p", "annotations": {"example.com/gpu-memory": "much"}}}, "node": {"metadata": {"name": "n"}}}`,
	},
	{
		folder: "jwt", point: policy.AuthenticationPoint, want: "authenticated as alice@example.com",
		input: `{"identity": {"source": "corp", "type": "jwt", "subject": "7", "claims": {"email": "alice@example.com", "email_verified": true, "groups": ["team-payments"]}}}`,
	},
	{
		folder: "jwt", point: policy.AuthenticationPoint, want: "not authenticated: no username",
		input: `{"identity": {"source": "corp", "type": "jwt", "subject": "7", "claims": {"email": "alice@example.com", "email_verified": false}}}`,
	},
	{
		folder: "clusters", point: policy.AuthenticationPoint, want: "authenticated as cluster-a:payments:builder",
		input: `{"identity": {"source": "cluster-a", "type": "jwt", "claims": {"sub": "system:serviceaccount:payments:builder", "kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "builder"}}}}}`,
	},
	{
		folder: "github", point: policy.AuthenticationPoint, want: "authenticated as github:octocat",
		input: `{"identity": {"source": "github", "type": "http", "subject": "583231", "claims": {"user": {"login": "octocat"}, "orgs": [{"login": "example-inc"}], "teams": []}}}`,
	},
	{
		folder: "imported", point: policy.AuthenticationPoint, want: "authenticated as alice@example.com",
		input: `{"identity": {"source": "login.example.com", "type": "jwt", "claims": {"iss": "https://login.example.com", "aud": ["kubernetes"], "sub": "7", "hd": "example.com", "email": "alice@example.com", "email_verified": true, "roles": "dev", "tenant": "blue", "iat": 1700000000, "exp": 1700003600}}}`,
	},
	{folder: "useful", point: policy.SchedulingPoint, want: "accepted, score 0", input: `{"pod": {"metadata": {"name": "p"}}, "node": {"metadata": {"name": "n"}}}`},
	{
		folder: "tenants", point: policy.SchedulingPoint, want: "rejected, and no eviction cures it",
		input: `{"pod": {"metadata": {"name": "p", "namespace": "search"}}, "node": {"metadata": {"name": "n", "labels": {"example.com/tenant": "payments"}}}}`,
	},
	{
		folder: "tenants", point: policy.SchedulingPoint, want: "accepted, score 0",
		input: `{"pod": {"metadata": {"name": "p", "namespace": "search"}}, "node": {"metadata": {"name": "n", "labels": {"example.com/tenant": "search"}}}}`,
	},
	{
		folder: "first", profile: "tenants", point: policy.SchedulingPoint, want: "rejected",
		input: `{"pod": {"metadata": {"name": "p", "namespace": "search"}}, "node": {}, "state": {"pods": [{"namespace": "payments"}]}}`,
	},
	{
		folder: "gpushare", profile: "gpushare", point: policy.SchedulingPoint, want: "rejected, and no eviction cures it",
		input: `{"pod": {"metadata": {"name": "p"}, "spec": {"containers": [{"resources": {"requests": {"aliyun.com/gpu-mem": "20"}}}]}}, "node": {"status": {"capacity": {"aliyun.com/gpu-count": "2", "aliyun.com/gpu-mem": "32"}, "allocatable": {"aliyun.com/gpu-count": "2", "aliyun.com/gpu-mem": "32"}}}, "state": {"pods": []}}`,
	},
	{
		folder: "packing", point: policy.SchedulingPoint, want: "accepted, score 6",
		input: `{"pod": {"metadata": {"name": "p", "namespace": "batch"}, "spec": {"containers": [{"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]}}, "node": {}, "state": {"requested": {"cpu": 3000, "memory": 3221225472}, "allocatable": {"cpu": 8000, "memory": 8589934592}}}`,
	},
	{
		folder: "images", point: policy.SchedulingPoint, want: "rejected, and no eviction cures it",
		input: `{"pod": {"metadata": {"name": "p"}, "spec": {"containers": [{"image": "quay.io/ml/model:7", "imagePullPolicy": "Never"}]}}, "node": {}}`,
	},
	{
		folder: "zonecost", point: policy.SchedulingPoint, want: "accepted, score 5",
		input: `{"pod": {"metadata": {"name": "p", "namespace": "web"}}, "node": {"metadata": {"labels": {"topology.kubernetes.io/zone": "eu-2a"}}}}`,
	},
	{folder: "maintenance", point: policy.SchedulingPoint, want: "accepted, score 0", input: `{"pod": {"metadata": {"name": "p"}}, "node": {"metadata": {"name": "n"}}}`},
	{folder: "topolvm", profile: "topolvm", point: policy.SchedulingPoint, want: "accepted, score 0", input: `{"pod": {"metadata": {"name": "p"}}, "node": {"metadata": {"name": "n"}}}`},
	{folder: "gpus", profile: "gpus", point: policy.SchedulingPoint, want: "accepted, score 0", input: `{"pod": {"metadata": {"name": "p"}}, "node": {"metadata": {"name": "n"}}}`},
}

// pageExamples are the files of every page that has `# file:` blocks, by folder.
func pageExamples(t *testing.T) map[string]map[string]string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"../../README.md", "../../docs/*.md", "../../docs/*/*.md", "../../deploy/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	out := map[string]map[string]string{}
	block := regexp.MustCompile("(?ms)^```(?:rego|yaml)\n# file: (\\S+)\n(.*?)^```$")
	for _, page := range pages {
		for _, found := range block.FindAllStringSubmatch(readString(t, page), -1) {
			folder, file, _ := strings.Cut(found[1], "/")
			if out[folder] == nil {
				out[folder] = map[string]string{}
			}
			out[folder][file] = found[2]
		}
	}
	return out
}

// writeExample writes the files, and those of the starter policies where beside is set.
func writeExample(t *testing.T, files map[string]string, beside bool) string {
	t.Helper()
	dir := t.TempDir()
	all := maps.Clone(files)
	if beside {
		starter := builtin.Starter()
		for _, m := range starter.Modules {
			all["starter/"+filepath.Base(m.Path)] = string(m.Source)
		}
		for _, d := range starter.Documents {
			all[filepath.Base(d.Path)] = string(d.Content)
		}
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
	return dir
}

// TestExamplesDecide loads the examples of every page as serve loads them, beside
// the starter policies and alone, and has them decide what the page says.
func TestExamplesDecide(t *testing.T) {
	examples := pageExamples(t)
	for folder, files := range examples {
		isPolicy := slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(name string) bool { return strings.HasSuffix(name, ".rego") })
		if isPolicy && !slices.ContainsFunc(exampleRequests, func(r exampleRequest) bool { return r.folder == folder }) {
			t.Errorf("nothing says what the example %s decides", folder)
		}
	}
	for _, request := range exampleRequests {
		for _, beside := range []bool{false, true} {
			if beside && request.alone {
				continue
			}
			name := request.folder + " alone"
			if beside {
				name = request.folder + " beside the starter policies"
			}
			t.Run(name+": "+request.want, func(t *testing.T) {
				files, ok := examples[request.folder]
				if !ok {
					t.Fatal("no page has this example")
				}
				revision := loadExample(t, writeExample(t, files, beside), request.profile)
				document, err := document.ParseObject([]byte(request.input))
				if err != nil {
					t.Fatal(err)
				}
				defer document.Release()
				explained, err := revision.View().Explain(t.Context(), request.point, document.Root())
				if err != nil {
					t.Fatal(err)
				}
				if explained.Outcome != request.want {
					t.Errorf("%s, want %s", explained.Outcome, request.want)
				}
				for _, rule := range explained.Rules {
					if rule.Err != nil || rule.Disagreement != nil {
						t.Errorf("%s: %v %v", rule.Rule, rule.Err, rule.Disagreement)
					}
				}
			})
		}
	}
}

// loadExample has an engine load the folder as serve does. The rules of profile, if
// one is named, are those of the default profile then.
func loadExample(t *testing.T, dir, profile string) *policy.Revision {
	t.Helper()
	c := config.Default()
	if profile != "" {
		c.Scheduling.Profiles = []string{profile}
		for i := range c.Scheduling.Entry {
			entry := &c.Scheduling.Entry[i]
			entry.Path = "kubernetes.scheduler." + profile + "." + entry.Rule.Name
		}
	}
	content, err := source.NewDirectory([]string{dir}).Read()
	if err != nil {
		t.Fatal(err)
	}
	engine := policy.NewEngine(policyOptions(c), ignored{})
	if err := engine.Load(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	return engine.Revision()
}

// TestDeployedPoliciesDecide loads the policies of every ConfigMap in deploy.
func TestDeployedPoliciesDecide(t *testing.T) {
	files, err := filepath.Glob("../../deploy/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	loaded := 0
	for _, file := range files {
		for text := range strings.SplitSeq(readString(t, file), "\n---\n") {
			var manifest struct {
				Kind string            `json:"kind"`
				Data map[string]string `json:"data"`
			}
			if err := yaml.Unmarshal([]byte(text), &manifest); err != nil {
				continue // not every document is a manifest
			}
			isPolicy := slices.ContainsFunc(slices.Collect(maps.Keys(manifest.Data)), func(name string) bool { return strings.HasSuffix(name, ".rego") })
			if manifest.Kind != "ConfigMap" || !isPolicy {
				continue
			}
			loaded++
			revision := loadExample(t, writeExample(t, manifest.Data, false), "")
			object, err := document.ParseObject([]byte(`{"spec": {"user": "alice", "groups": ["nobody"], "resourceAttributes": {"verb": "list", "resource": "pods"}}}`))
			if err != nil {
				t.Fatal(err)
			}
			explained, err := revision.View().Explain(t.Context(), policy.AuthorizationPoint, object.Root())
			if err != nil || explained.Outcome == "error" {
				t.Errorf("%s: %v %v", file, explained.Outcome, err)
			}
			object.Release()
		}
	}
	if loaded == 0 {
		t.Error("no ConfigMap with policies was found")
	}
}

// ignored is an observer that does nothing.
type ignored struct{}

func (ignored) RevisionLoaded(*policy.Revision, time.Duration) {}
func (ignored) RevisionRefused(error)                          {}
