// Package scheduler measures how many pods a second kube-scheduler binds with
// one extender or another, by upstream's scheduler_perf.
package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/loadtest/servers"
)

// Options are what a run needs.
type Options struct {
	// Module is the folder of the load generator's module, Dir one for what is
	// written, Policies verdict's policies.
	Module, Dir, Policies string
	// Verdict and Self are programs: verdict, and this one, which is the
	// do-nothing extender too.
	Verdict, Self string
	// Nodes are in the cluster, Pods are bound by each extender in each round.
	Nodes, Pods, Rounds int
	Progress            io.Writer
}

// Result is what one extender reached, by Sampling.Name: pods per second, a
// round each.
type Result map[string]map[string][]float64

// Run builds etcd and the benchmark, once, and runs it.
func Run(ctx context.Context, o Options) (_ Result, err error) {
	cache := filepath.Join(o.Module, ".cache")
	if err := os.MkdirAll(cache, 0o750); err != nil {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return nil, fmt.Errorf("looking for the cache: %w", err)
	}
	fmt.Fprintln(o.Progress, "building etcd and scheduler_perf (minutes when nothing is cached)")
	benchmark := filepath.Join(cache, "scheduler_perf.test")
	if err := goTool(ctx, o.Module, "build", "-trimpath", "-o", filepath.Join(cache, "etcd"), "go.etcd.io/etcd/server/v3"); err != nil {
		return nil, err
	}
	if err := goTool(ctx, o.Module, "test", "-c", "-o", benchmark, "./scheduler/perf"); err != nil {
		return nil, err
	}

	p := plan{dir: o.Dir, nodes: o.Nodes, pods: o.Pods, rounds: o.Rounds}
	addresses := make([]string, 3)
	for i := range addresses {
		if addresses[i], err = servers.FreeAddress(ctx); err != nil {
			return nil, err
		}
	}
	p.nothing, p.verdict = addresses[0], addresses[1]
	nothing, err := servers.Start(ctx, servers.Extender, p.nothing, "", exec.Command(o.Self, "-serve-extender", p.nothing))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, nothing.Stop()) }()
	cases, err := p.write()
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(o.Dir, "kubeconfig")
	config, err := p.verdictConfiguration(addresses[2], kubeconfig, o.Policies)
	if err != nil {
		return nil, err
	}

	fmt.Fprintf(o.Progress, "scheduler_perf: %d nodes, %d pods a round\n", o.Nodes, o.Pods)
	items := filepath.Join(o.Dir, "items")
	command := exec.CommandContext(ctx, benchmark, "-test.run=^$", "-test.bench=PerfScheduling", "-test.benchtime=1x", "-test.timeout=1h",
		"-data-items-dir="+items, "-test-cases="+cases, "-without-verdict=none",
		"-verdict="+o.Verdict, "-verdict-config="+config, "-verdict-kubeconfig="+kubeconfig,
		"-verdict-address="+p.verdict, "-verdict-ready=http://"+addresses[2]+"/readyz")
	command.Dir = o.Dir
	command.Env = append(os.Environ(), "PATH="+cache+string(os.PathListSeparator)+os.Getenv("PATH"))
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if said, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("scheduler_perf: %w\n%s", err, tail(said))
	}
	files, err := filepath.Glob(filepath.Join(items, "*.json"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("scheduler_perf left %d result files: %w", len(files), errors.Join(err))
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return nil, fmt.Errorf("reading scheduler_perf's results: %w", err)
	}
	return parse(text)
}

// tail is the end of what a program said, which is where it says why it ended.
func tail(said []byte) []byte {
	const most = 4000
	said = bytes.TrimSpace(said)
	return said[max(len(said)-most, 0):]
}

func (p plan) verdictConfiguration(operations, kubeconfig, policies string) (string, error) {
	text, err := yaml.Marshal(object{
		"apiVersion": "verdict.dev/v1alpha1", "kind": "Configuration",
		"server":     object{"address": p.verdict, "plainHTTP": true},
		"operations": object{"address": operations},
		"shutdown":   object{"drain": "0s"},
		"policy":     object{"directories": []string{policies}},
		"cluster":    object{"kubeconfig": kubeconfig},
	})
	if err != nil {
		return "", fmt.Errorf("writing verdict's configuration: %w", err)
	}
	return p.file("verdict.yaml", string(text))
}

// parse reads the data items of scheduler_perf: the average throughput of each
// createPods operation, whose name ends in its namespace.
func parse(text []byte) (Result, error) {
	var items struct {
		DataItems []struct {
			Data   map[string]float64 `json:"data"`
			Labels map[string]string  `json:"labels"`
		} `json:"dataItems"`
	}
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, fmt.Errorf("reading scheduler_perf's results: %w", err)
	}
	result := Result{}
	for _, item := range items.DataItems {
		if item.Labels["Metric"] != "SchedulingThroughput" {
			continue
		}
		name := item.Labels["Name"] // …/extenders-100/turns/verdict-3
		parts := strings.Split(name, "/")
		if len(parts) < 3 {
			return nil, fmt.Errorf("scheduler_perf's results: no operation is called %q", name)
		}
		_, percentage, _ := strings.Cut(parts[len(parts)-3], "-")
		namespace, turn, _ := strings.Cut(parts[len(parts)-1], "-")
		round, err := strconv.Atoi(turn)
		extender := map[string]string{"none": None, "nothing": servers.Extender, "verdict": servers.Verdict}[namespace]
		var sampling string
		for _, s := range Samplings {
			if strconv.Itoa(s.Percentage) == percentage {
				sampling = s.Name
			}
		}
		if err != nil || extender == "" || sampling == "" {
			return nil, fmt.Errorf("scheduler_perf's results: no operation is called %q", name)
		}
		if result[sampling] == nil {
			result[sampling] = map[string][]float64{}
		}
		rounds := result[sampling][extender]
		for len(rounds) <= round {
			rounds = append(rounds, 0) // missing, unless it comes
		}
		rounds[round] = item.Data["Average"]
		result[sampling][extender] = rounds
	}
	if len(result) == 0 {
		return nil, errors.New("scheduler_perf's results hold no throughput: bind more pods")
	}
	return result, nil
}

func goTool(ctx context.Context, dir string, arguments ...string) error {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(arguments, " "), err, said)
	}
	return nil
}
