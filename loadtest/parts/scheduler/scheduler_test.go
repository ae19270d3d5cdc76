package scheduler

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/loadtest/servers"
)

func TestParse(t *testing.T) {
	item := func(name, metric, average string) string {
		return `{"data":{"Average":` + average + `},"unit":"pods/s","labels":{"Metric":"` + metric + `","Name":"BenchmarkPerfScheduling/` + name + `"}}`
	}
	got, err := parse([]byte(`{"version":"v1","dataItems":[` + strings.Join([]string{
		item("none-0/turns/none-0", "SchedulingThroughput", "200"),
		item("extenders-100/turns/verdict-1", "SchedulingThroughput", "90"),
		item("extenders-100/turns/verdict-0", "SchedulingThroughput", "80"),
		item("extenders-100/turns/nothing-0", "SchedulingThroughput", "70"),
		item("extenders-100/turns/nothing-0", "SchedulingDuration", "1"),
	}, ",") + `]}`))
	want := result{
		"sampled nodes": {none: {200}},
		"all nodes":     {servers.Verdict: {80, 90}, servers.Extender: {70}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for name, bad := range map[string]string{
		"no JSON": "x", "nothing": `{"dataItems":[]}`,
		"another lane":     `{"dataItems":[` + item("none-0/turns/other-0", "SchedulingThroughput", "1") + `]}`,
		"another sampling": `{"dataItems":[` + item("none-7/turns/none-0", "SchedulingThroughput", "1") + `]}`,
		"a short name":     `{"dataItems":[{"labels":{"Metric":"SchedulingThroughput","Name":"x"}}]}`,
	} {
		if got, err := parse([]byte(bad)); err == nil {
			t.Errorf("%s: %v and no error", name, got)
		}
	}
}

func TestTestCases(t *testing.T) {
	p := plan{dir: t.TempDir(), verdict: "127.0.0.1:1", nothing: "127.0.0.1:2", nodes: 10, pods: 7, rounds: 3}
	file, err := p.write()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name                string
		SchedulerConfigPath string
		WorkloadTemplate    []struct {
			Opcode, Namespace string
			Count             int
			CollectMetrics    bool
		}
	}
	if err := yaml.UnmarshalStrict(text, &cases, yaml.DisallowUnknownFields); err != nil && cases == nil {
		t.Fatal(err)
	}
	if len(cases) != 2*len(samplings) {
		t.Errorf("%d test cases, want %d", len(cases), 2*len(samplings))
	}
	for _, c := range cases {
		lanes := 1
		configuration, err := os.ReadFile(c.SchedulerConfigPath)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(c.Name, "extenders") {
			lanes = 2
		}
		if got := strings.Count(string(configuration), "urlPrefix"); got != 2*(lanes-1) {
			t.Errorf("%s: %d extenders", c.Name, got)
		}
		var measured []string
		for _, o := range c.WorkloadTemplate {
			if o.CollectMetrics {
				measured = append(measured, o.Namespace)
			}
		}
		if len(measured) != lanes*p.rounds {
			t.Errorf("%s: measures %v, want %d rounds", c.Name, measured, p.rounds)
		}
		if lanes == 2 && (measured[0] != "nothing-0" || measured[2] != "verdict-1") {
			t.Errorf("%s: no turns are taken: %v", c.Name, measured)
		}
	}
	if pods, err := filepath.Glob(filepath.Join(p.dir, "pod-*.yaml")); err != nil || len(pods) != 3 {
		t.Errorf("%v, %v", pods, err)
	}
}
