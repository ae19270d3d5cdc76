package scheduler

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/loadtest/servers"
)

// none is kube-scheduler without an extender.
const none = "no extender"

// sampling says how many of the feasible nodes the scheduler asks about.
type sampling struct {
	name       string
	percentage int // percentageOfNodesToScore; 0 is upstream's default
}

// samplings are upstream's default, which asks about 500 of 5,000 nodes, and
// the other extreme.
var samplings = []sampling{{"sampled nodes", 0}, {"all nodes", 100}}

// resource makes a pod go to one extender and not to the other: a scheduler
// calls an extender for pods that ask for one of its managed resources. Two
// extenders in one scheduler can so be measured in turns on the same cluster.
func resource(extender string) string {
	return map[string]string{
		servers.Extender: "loadtest.example.com/nothing",
		servers.Verdict:  "loadtest.example.com/verdict",
	}[extender]
}

// lane is one of those that are measured in turns within one cluster.
type lane struct{ name, namespace, template string }

// plan is the folder of the files, and what is in them.
type plan struct {
	dir              string
	verdict, nothing string // addresses
	nodes, pods      int
	rounds           int
}

// warmupPods are bound before a lane is measured.
const warmupPods = 200

// object is a JSON or YAML object.
type object = map[string]any

// write writes the test cases and returns their file.
func (p plan) write() (string, error) {
	nodeFile, err := p.file("node.yaml", nodeTemplate)
	if err != nil {
		return "", err
	}
	lanes := map[string]lane{}
	for _, l := range []lane{{none, "none", ""}, {servers.Extender, "nothing", ""}, {servers.Verdict, "verdict", ""}} {
		if l.template, err = p.file("pod-"+l.namespace+".yaml", podTemplate(resource(l.name))); err != nil {
			return "", err
		}
		lanes[l.name] = l
	}
	var cases []object
	for _, s := range samplings {
		for prefix, names := range map[string][]string{"none": {none}, "extenders": {servers.Extender, servers.Verdict}} {
			configuration, err := p.configuration(fmt.Sprintf("scheduler-%s-%d.yaml", prefix, s.percentage), s, names)
			if err != nil {
				return "", err
			}
			cases = append(cases, object{
				"name":                fmt.Sprintf("%s-%d", prefix, s.percentage),
				"schedulerConfigPath": configuration,
				"labels":              []string{"performance"},
				"workloadTemplate":    p.operations(nodeFile, lanes, names),
				"workloads":           []object{{"name": "turns"}},
			})
		}
	}
	text, err := yaml.Marshal(cases)
	if err != nil {
		return "", fmt.Errorf("writing the test cases: %w", err)
	}
	return p.file("test-cases.yaml", string(text))
}

// operations create the nodes, warm each lane up and then measure them in turns.
func (p plan) operations(nodeFile string, lanes map[string]lane, names []string) []object {
	operations := []object{{"opcode": "createNodes", "count": p.nodes, "nodeTemplatePath": nodeFile}}
	for _, name := range names {
		operations = append(operations, p.createPods(lanes[name], "warmup", warmupPods, false))
	}
	for round := range p.rounds {
		for i := range names {
			l := lanes[names[(round+i)%len(names)]]
			operations = append(operations, p.createPods(l, fmt.Sprint(round), p.pods, true))
		}
	}
	return operations
}

func (p plan) createPods(l lane, turn string, count int, measured bool) object {
	return object{
		"opcode": "createPods", "count": count, "namespace": l.namespace + "-" + turn,
		"podTemplatePath": l.template, "collectMetrics": measured,
	}
}

// configuration writes a scheduler's configuration with these extenders.
func (p plan) configuration(file string, s sampling, names []string) (string, error) {
	c := object{
		"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
		"percentageOfNodesToScore": s.percentage,
	}
	var extenders []object
	for _, name := range names {
		address := map[string]string{servers.Extender: p.nothing, servers.Verdict: p.verdict}[name]
		if address == "" {
			continue
		}
		extenders = append(extenders, object{
			"urlPrefix": "http://" + address + servers.ExtenderPrefix, "filterVerb": "filter", "prioritizeVerb": "prioritize",
			"weight": 1, "nodeCacheCapable": true, "httpTimeout": "30s",
			"managedResources": []object{{"name": resource(name), "ignoredByScheduler": true}},
		})
	}
	if len(extenders) > 0 {
		c["extenders"] = extenders
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("writing a scheduler's configuration: %w", err)
	}
	return p.file(file, string(text))
}

func (p plan) file(name, text string) (string, error) {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("writing %s: %w", name, err)
	}
	return path, nil
}

// nodeTemplate makes 50 classes of nodes in what the policy reads, with a
// hostname each: ten in a hundred are some tenant's, and no pod here is.
// scheduler_perf executes it as a text/template.
const nodeTemplate = `apiVersion: v1
kind: Node
metadata:
  name: worker-{{printf "%05d" .Index}}
  labels:
    topology.kubernetes.io/zone: eu-1{{slice "abcde" (Mod .Index 5) (AddInt (Mod .Index 5) 1)}}
    node.example.com/pool: pool-{{Mod .Index 50}}
    {{- if eq (Mod .Index 10) 9}}
    verdict.dev/tenant: tenant-{{DivideInt (Mod .Index 50) 10}}
    {{- end}}
spec: {}
status:
  capacity: {pods: "110", cpu: "32", memory: 128Gi}
  allocatable: {pods: "110", cpu: "32", memory: 128Gi}
  conditions:
    - {type: Ready, status: "True"}
  images:
    - names: ["registry.example.com/shop/service-{{printf "%02d" (Mod .Index 10)}}:v1.0.0"]
      sizeBytes: 41943040
`

// podTemplate is a pod that asks for one of an extender's resource.
func podTemplate(resource string) string {
	asked := `{cpu: 100m, memory: 100Mi}`
	if resource != "" {
		asked = `{cpu: 100m, memory: 100Mi, ` + resource + `: "1"}`
	}
	return `apiVersion: v1
kind: Pod
metadata:
  generateName: pod-
  annotations:
    verdict.dev/zones: eu-1a,eu-1b
spec:
  containers:
    - name: main
      image: registry.example.com/shop/service-03:v1.0.0
      resources:
        requests: ` + asked + `
        limits: ` + asked + `
`
}
