package scheduler

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/verdict-dev/verdict/loadtest/servers"
)

// parse reads the data items of scheduler_perf: the average throughput of each
// createPods operation, whose name ends in its namespace.
func parse(text []byte) (result, error) {
	var items struct {
		DataItems []struct {
			Data   map[string]float64 `json:"data"`
			Labels map[string]string  `json:"labels"`
		} `json:"dataItems"`
	}
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, fmt.Errorf("reading scheduler_perf's results: %w", err)
	}
	out := result{}
	for _, item := range items.DataItems {
		if item.Labels["Metric"] != "SchedulingThroughput" {
			continue
		}
		sampling, extender, round, ok := parseName(item.Labels["Name"])
		if !ok {
			return nil, fmt.Errorf("scheduler_perf's results: no operation is called %q", item.Labels["Name"])
		}
		if out[sampling] == nil {
			out[sampling] = map[string][]float64{}
		}
		rounds := out[sampling][extender]
		for len(rounds) <= round {
			rounds = append(rounds, 0) // missing, unless it comes
		}
		rounds[round] = item.Data["Average"]
		out[sampling][extender] = rounds
	}
	if len(out) == 0 {
		return nil, errors.New("scheduler_perf's results hold no throughput: bind more pods")
	}
	return out, nil
}

// parseName reads the name of an operation, such as …/extenders-100/turns/verdict-3.
func parseName(name string) (sampling, extender string, round int, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 3 {
		return "", "", 0, false
	}
	_, percentage, _ := strings.Cut(parts[len(parts)-3], "-")
	namespace, turn, _ := strings.Cut(parts[len(parts)-1], "-")
	round, err := strconv.Atoi(turn)
	extender = map[string]string{"none": none, "nothing": servers.Extender, "verdict": servers.Verdict}[namespace]
	for _, s := range samplings {
		if strconv.Itoa(s.percentage) == percentage {
			sampling = s.name
		}
	}
	return sampling, extender, round, err == nil && extender != "" && sampling != ""
}
