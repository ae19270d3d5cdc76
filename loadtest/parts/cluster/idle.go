package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// idle is the processor time that verdict takes while nothing happens, in
// milliseconds a second, and its resident memory afterwards, in MiB, by policy.
// All are idle at once.
func (r *run) idle(ctx context.Context) (_ map[string][2]float64, err error) {
	running := map[string]*servers.Process{}
	before := map[string]time.Duration{}
	for _, each := range cases() {
		fleet, process, _, err := r.start(ctx, each.name)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, fleet.Stop()) }()
		running[each.name] = process
	}
	time.Sleep(settle)
	for name, process := range running {
		if before[name], err = bench.ProcessorTime(process); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	time.Sleep(r.ClusterIdle)
	out := map[string][2]float64{}
	for name, process := range running {
		after, err := bench.ProcessorTime(process)
		if err != nil {
			return nil, err
		}
		memory, err := residentMiB(process)
		if err != nil {
			return nil, err
		}
		out[name] = [2]float64{bench.Milliseconds(int64(after-before[name])) / time.Since(began).Seconds(), memory}
		fmt.Fprintf(r.Progress, "cluster: %s, idle %.2f ms of processor time a second, %.0f MiB\n", name, out[name][0], out[name][1])
	}
	return out, nil
}

// residentMiB is a server's resident memory in MiB.
func residentMiB(process *servers.Process) (float64, error) {
	bytes, err := bench.Resident(process)
	return float64(bytes) / (1 << 20), err
}
