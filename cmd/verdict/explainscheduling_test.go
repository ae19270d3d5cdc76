package main

import (
	"path/filepath"
	"strings"
	"testing"
)

const explainedRules = `
unresolvable contains "another tenant's" if input.node.metadata.labels.tenant != input.pod.metadata.labels.tenant

unresolvable contains "a kind" if input.node.kind

reject contains "full" if input.state.free.cpu < 500

score.free := input.state.free.cpu / 100

protect contains sprintf("%s stays", [input.victim.name]) if input.victim.labels.app == "db"

protect contains "frees too little" if input.stateWithout.free.cpu < 300

deny contains "no device" if input.state.requested.pods > 1

annotate["example.com/device"] := "3" if input.state
`

// explainedPolicy is a folder with rules of a profile, and a default profile
// that takes everything.
func explainedPolicy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gpus.rego"), "package kubernetes.scheduler.gpus\n"+explainedRules)
	write(t, filepath.Join(dir, "default.rego"), "package kubernetes.scheduling\n\nscore.x := 3\n")
	return dir
}

const (
	explainedPod   = `{"metadata": {"name": "app", "namespace": "a", "labels": {"tenant": "a"}}}`
	explainedNode  = `{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"tenant": "a"}}}`
	explainedOther = `{"metadata": {"name": "m", "labels": {"tenant": "b"}}}`
	explainedState = `{"allocatable": {"cpu": 1000, "pods": 9}, "requested": {"cpu": 800, "pods": 2}, "pods": [
		{"namespace": "x", "name": "web", "uid": "1", "labels": {"app": "web"}, "requests": {"cpu": 400}},
		{"namespace": "x", "name": "db", "uid": "2", "labels": {"app": "db"}, "requests": {"cpu": 400}}]}`
)

func TestExplainScheduling(t *testing.T) {
	dir := explainedPolicy(t)
	on := func(members string) string {
		return `{"pod": ` + explainedPod + `, "node": ` + explainedNode + members + `}`
	}
	full := `, "state": ` + explainedState
	tests := map[string]struct {
		input string
		args  string
		code  int
		want  string // what standard output begins with, or what the error has
		more  string
	}{
		"default":                     {on(""), "--point scheduling", 0, "accepted, score 3\n", ""},
		"a profile":                   {on(full), "--profile gpus", 0, "rejected\n", `{"full"}`},
		"filter":                      {on(full), "--profile gpus --verb filter", 0, "rejected\n", "kubernetes.scheduler.gpus.unresolvable"},
		"filter of another tenant's":  {`{"pod": ` + explainedPod + `, "node": ` + explainedOther + `}`, "--profile gpus --verb filter", 0, "rejected, and no eviction cures it\n", "another tenant's"},
		"filter of an empty node":     {on(`, "state": {"allocatable": {"cpu": 1000}}`), "--profile gpus --verb filter", 0, "accepted\n", ""},
		"prioritize":                  {on(full), "--profile gpus --verb prioritize", 0, "score 2\n", "kubernetes.scheduler.gpus.score"},
		"what is free alone":          {on(`, "state": {"free": {"cpu": 700}}`), "--profile gpus --verb prioritize", 0, "score 7\n", ""},
		"bind":                        {on(full), "--profile gpus --verb bind", 0, "not bound: denied\n", "no device"},
		"bind on another tenant's":    {`{"pod": ` + explainedPod + `, "node": ` + explainedOther + `, "state": {}}`, "--profile gpus --verb bind", 0, "not bound: no eviction makes the node fit\n", "another tenant's"},
		"bind with an annotation":     {on(`, "state": {}`), "--profile gpus --verb bind", 0, "bound, with the annotations example.com/device=3\n", ""},
		"a verb without rules":        {on(""), "--point scheduling --verb bind", 0, "bound: no policy has a rule for this\n", ""},
		"preempt":                     {on(full + `, "victims": [{"uid": "1"}]`), "--profile gpus --verb preempt", 0, "the victims may be evicted\n", "kubernetes.scheduler.gpus.protect of victim x/web"},
		"preempt by itself":           {on(full + `, "victims": [{"uid": "1"}]`), "--profile gpus", 0, "the victims may be evicted\n", "reject in the state without the victims"},
		"preempt of a protected pod":  {on(full + `, "victims": [{"uid": "1"}, {"uid": "2"}]`), "--profile gpus --verb preempt", 0, "no pod is evicted here: a victim is protected\n", "db stays"},
		"preempt of one":              {on(full + `, "victim": {"uid": "2", "namespace": "x", "name": "db", "labels": {"app": "db"}}`), "--profile gpus", 0, "no pod is evicted here: a victim is protected\n", "db stays"},
		"preempt without victims":     {on(full), "--profile gpus --verb preempt", 0, "no pod is evicted here: the node is rejected even without the victims\n", "full"},
		"preempt on another tenant's": {`{"pod": ` + explainedPod + `, "node": ` + explainedOther + full + `, "victims": [{"uid": "1"}]}`, "--profile gpus", 0, "no pod is evicted here: no eviction makes the node fit\n", "another tenant's"},
		"a state without":             {on(full + `, "stateWithout": {"free": {"cpu": 250}}, "victims": [{"uid": "1"}]`), "--profile gpus", 0, "no pod is evicted here: the node is rejected even without the victims\n", "frees too little"},
		"a call with whole nodes":     {`{"Pod": ` + explainedPod + `, "Nodes": {"items": [` + explainedNode + `, ` + explainedOther + `]}, "NodeNames": null}`, "--profile gpus --verb filter", 0, "node n: accepted\n", "node m: rejected, and no eviction cures it"},
		"a call of preempt": {
			`{"Pod": ` + explainedPod + `, "Nodes": {"items": [` + explainedNode + `]}, "NodeNameToVictims": {"n": {"Pods": [{"metadata": {"namespace": "x", "name": "db", "uid": "2", "labels": {"app": "db"}}}]}}, "NodeNameToMetaVictims": null}`,
			"--profile gpus", 0, "node n: no pod is evicted here: a victim is protected\n", "db stays",
		},

		"a review":                {`{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "a"}}`, "--point scheduling", 2, "a SubjectAccessReview is not an input of scheduling: set --point for it", ""},
		"a review without a kind": {`{"spec": {"user": "a", "resourceAttributes": {}}}`, "--point scheduling", 2, "a document with a spec is not an input of scheduling", ""},
		"a pod":                   {`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}`, "--point scheduling", 2, "a Pod is not an input of scheduling", ""},
		"a misspelt member":       {`{"pod": {}, "nodes": {}}`, "--point scheduling", 2, "Nodes.items: has no node", ""},
		"an unknown member":       {`{"pod": {}, "nod": {}}`, "--point scheduling", 2, `nod: an input of scheduling does not have this field: write {"pod": …`, ""},
		"nothing":                 {`{}`, "--point scheduling", 2, "pod: is missing", ""},
		"a pod that is none":      {`{"pod": []}`, "--point scheduling", 2, "pod: must be an object", ""},
		"a state that is none":    {on(`, "state": {"allocatable": {"cpu": "1"}}`), "--point scheduling", 2, "state.allocatable", ""},
		"names of nodes":          {`{"Pod": {}, "NodeNames": ["a"]}`, "--point scheduling", 2, "NodeNames: explain cannot look up nodes: write Nodes.items", ""},
		"UIDs of victims":         {`{"Pod": {}, "NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "1"}]}}}`, "--point scheduling", 2, "NodeNameToMetaVictims: explain cannot look up pods", ""},
		"victims of no node":      {`{"Pod": {}, "NodeNameToVictims": {"a": {"Pods": []}}}`, "--verb preempt", 2, "Nodes: is missing", ""},
		"victims of another verb": {`{"Pod": {}, "Nodes": {"items": [` + explainedNode + `]}, "NodeNameToVictims": {"n": {}}}`, "--verb filter", 2, "NodeNameToVictims: a filter call does not have it", ""},
		"victims that are no use": {on(`, "victims": [{"uid": "1"}]`), "--verb filter", 2, "victims[0].uid: no pod of state.pods has this UID", ""},
		"victims of filter":       {on(full + `, "victims": [{"uid": "1"}]`), "--verb filter", 2, "victims: only preempt is about pods to evict", ""},
		"a call of bind":          {`{"PodName": "a", "PodNamespace": "b", "PodUID": "c", "Node": "n"}`, "--verb bind", 2, "PodName: a bind call only names its pod", ""},
		"no such verb":            {`{}`, "--verb admit", 2, "--verb: must be filter, prioritize, preempt or bind", ""},
		"a verb of another point": {`{}`, "--point authorization --verb filter", 2, "--verb: is for --point scheduling", ""},
		"no such profile":         {on(""), "--profile gpu", 2, `--profile: no policy has a rule of the profile "gpu"`, ""},
		"what is free, to preempt": {
			on(`, "state": {"free": {"cpu": 1}}, "victims": [{"uid": "1", "name": "a"}]`), "--profile gpus", 2, "stateWithout: is missing: it can be computed when state has allocatable", "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "input.json")
			write(t, path, test.input)
			stdout, stderr, code := runVerdict(t, append([]string{"explain", "--policy", dir, path}, strings.Fields(test.args)...)...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if code == 0 && (!strings.HasPrefix(stdout, test.want) || !strings.Contains(stdout, test.more)) || code != 0 && !strings.Contains(stderr, test.want) {
				t.Errorf("want %q and %q of\n%s%s", test.want, test.more, stdout, stderr)
			}
		})
	}
}

// TestExplainProfilesOfAConfiguration: as serve, which knows no others.
func TestExplainProfilesOfAConfiguration(t *testing.T) {
	dir := explainedPolicy(t)
	file := filepath.Join(t.TempDir(), "verdict.yaml")
	write(t, file, "apiVersion: verdict.dev/v1alpha1\nkind: Configuration\npolicy:\n  directories: ["+dir+"]\nscheduling:\n  profiles: [batch]\n")
	input := filepath.Join(t.TempDir(), "input.json")
	write(t, input, `{"pod": `+explainedPod+`, "node": `+explainedNode+`}`)
	_, stderr, code := runVerdict(t, "explain", "--config", file, "--profile", "gpus", input)
	if code != 2 || !strings.Contains(stderr, `there is no profile "gpus": add it to scheduling.profiles, which are ["batch"]`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if !strings.Contains(stderr, `package kubernetes.scheduler.gpus is never evaluated: add "gpus" to scheduling.profiles`) {
		t.Errorf("the warning of the profile is not printed: %s", stderr)
	}
}

// TestConfigCheckWarnsOfWhatSchedulingLacks: a profile that nobody asks, and an
// annotation that no pod ever has.
func TestConfigCheckWarnsOfWhatSchedulingLacks(t *testing.T) {
	dir := explainedPolicy(t)
	write(t, filepath.Join(dir, "devices.rego"), "package kubernetes.scheduling\n\ndeny contains \"taken\" if input.state.pods[_].annotations[\"example.com/gpu\"] == \"0\"\n")
	file := filepath.Join(t.TempDir(), "verdict.yaml")
	for lists, want := range map[string]bool{"": true, "\nscheduling:\n  profiles: [gpus]\n  podAnnotations: [example.com/gpu]": false} {
		write(t, file, "apiVersion: verdict.dev/v1alpha1\nkind: Configuration\npolicy:\n  directories: ["+dir+"]"+lists+"\n")
		stdout, stderr, _ := runVerdict(t, "config", "check", file)
		for _, warning := range []string{`add "gpus" to scheduling.profiles`, "kubernetes.scheduling.deny reads the annotation example.com/gpu of pods on nodes, which scheduling.podAnnotations leaves out"} {
			if strings.Contains(stdout+stderr, warning) != want {
				t.Errorf("with %q: want %v that it warns %q:\n%s%s", lists, want, warning, stdout, stderr)
			}
		}
	}
}
