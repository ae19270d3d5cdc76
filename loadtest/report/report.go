// Package report holds what a run measured and writes it as JSON and Markdown.
package report

import (
	"cmp"
	"slices"
	"time"
)

// Figure is one number measured in several rounds.
type Figure struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Rounds []float64 `json:"rounds"`
}

// NewFigure sums up rounds. It keeps the slice. No rounds make a zero Figure.
func NewFigure(rounds []float64) Figure {
	if len(rounds) == 0 {
		return Figure{}
	}
	sorted := slices.Sorted(slices.Values(rounds))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return Figure{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1], Rounds: rounds}
}

// Ratio divides what was measured in the same round, and sums the quotients up.
// Rounds in which either is missing or zero don't count.
func Ratio(over, under Figure) Figure {
	var quotients []float64
	for i := range min(len(over.Rounds), len(under.Rounds)) {
		if over.Rounds[i] > 0 && under.Rounds[i] > 0 {
			quotients = append(quotients, over.Rounds[i]/under.Rounds[i])
		}
	}
	return NewFigure(quotients)
}

// Measurement is one server under one workload.
type Measurement struct {
	Server string `json:"server"`
	// In a closed loop.
	PerSecond Figure `json:"requestsPerSecond"`
	// CPU is the server's processor time per request in microseconds; zero where
	// the system does not tell.
	CPU Figure `json:"cpuMicrosecondsPerRequest"`
	// At the constant rate of the scenario, in milliseconds from the instant at
	// which each request was due.
	P50  Figure `json:"p50Milliseconds"`
	P99  Figure `json:"p99Milliseconds"`
	P999 Figure `json:"p999Milliseconds"`
	// Unsent are requests, over all rounds, that the server was too slow for.
	Unsent int64 `json:"unsent"`
}

// Scenario is one workload over one protocol.
type Scenario struct {
	Name        string         `json:"name"`
	About       string         `json:"about"`
	Protocol    string         `json:"protocol"`
	Connections int            `json:"connections"`
	BodyBytes   int            `json:"bodyBytes"`
	Outcomes    map[string]int `json:"outcomes"` // of the requests compared beforehand
	// Rate is the constant rate in requests per second.
	Rate    float64       `json:"constantRate"`
	Servers []Measurement `json:"servers"`
}

// Of returns what was measured of one server, the zero value where nothing was.
func (s Scenario) Of(server string) Measurement {
	for _, m := range s.Servers {
		if m.Server == server {
			return m
		}
	}
	return Measurement{Server: server}
}

// Memory is how much a server occupied, in bytes.
type Memory struct {
	Server string `json:"server"`
	Idle   int64  `json:"idleBytes"` // ready, before the first request
	// Reviewed is after all workloads of reviews, Loaded after all.
	Reviewed int64 `json:"reviewedBytes"`
	Loaded   int64 `json:"loadedBytes"`
}

// Target is a ratio that is to be reached.
type Target struct {
	What    string `json:"what"`
	Ratio   Figure `json:"ratio"`
	Bound   string `json:"bound"` // "≥ 0.90"
	Reached bool   `json:"reached"`
}

// AtLeast is a target that a ratio reaches from bound upwards.
func AtLeast(what string, ratio Figure, bound float64) Target {
	return Target{What: what, Ratio: ratio, Bound: "≥ " + number(bound), Reached: ratio.Median >= bound}
}

// AtMost is a target that a ratio reaches up to bound. An unknown ratio, zero,
// does not.
func AtMost(what string, ratio Figure, bound float64) Target {
	return Target{What: what, Ratio: ratio, Bound: "≤ " + number(bound), Reached: ratio.Median > 0 && ratio.Median <= bound}
}

// None is a target that something never happens: a number, no ratio.
func None(what string, happened int) Target {
	return Target{What: what + " (a number, no ratio)", Ratio: NewFigure([]float64{float64(happened)}), Bound: "0", Reached: happened == 0}
}

// Machine is where it was measured.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memoryBytes"`
	System string `json:"system"`
	// Load is the system's load average over a minute before the run: what else
	// was running.
	Load string `json:"loadBefore"`
}

// Report is a whole run.
type Report struct {
	Time     time.Time         `json:"time"`
	Took     string            `json:"took"`
	Machine  Machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Settings map[string]string `json:"settings"`
	// Names of the servers in Scenarios: the service, the floor, the alternative.
	Service     string     `json:"service"`
	Floor       string     `json:"floor"`
	Alternative string     `json:"alternative"`
	Targets     []Target   `json:"targets"`
	Scenarios   []Scenario `json:"scenarios"`
	Memory      []Memory   `json:"memory"`
	// Comparisons are what else was compared, Tables what was measured of the
	// service alone; Curves are how things grow.
	Comparisons []Comparison `json:"comparisons"`
	Tables      []Table      `json:"tables"`
	Curves      []Curve      `json:"curves"`
	// Left are the parts that this run left out, or that failed.
	Left []string `json:"left"`
}

// sortedKeys lists a map's keys in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, cmp.Compare[string])
	return keys
}
