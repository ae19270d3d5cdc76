// Package bench holds what the parts of a load test share: the settings of a
// run, its servers, and how their answers and metrics are read.
package bench

import (
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// Options are the settings of a run.
type Options struct {
	// Root is the checkout to build from.
	Root string
	// Only has texts, separated by commas: a workload or part runs when its name
	// contains one of them.
	Only string
	// Rounds is how often everything is measured; the median is reported.
	Rounds int
	// Duration is how long one server is asked in one round, Warmup how long it is
	// asked before.
	Duration, Warmup time.Duration
	// Connections are those to a server, for reviews.
	Connections int
	// Share is the constant rate, as a part of the requests a second that the
	// slowest server answers in a closed loop.
	Share float64
	// Users and Bindings are the size of the data.
	Users, Bindings int
	// Nodes are those of a scheduler call; Pods are bound in a round.
	Nodes, Pods int
	// BadTokens are sent in a round.
	BadTokens int
	// ClusterNodes and ClusterPods are in a real API server. ClusterIdle is how
	// long nothing happens there.
	ClusterNodes, ClusterPods int
	ClusterIdle               time.Duration
	// Seed decides what is generated.
	Seed uint64
}

// Chooses reports whether what is called name is measured: Only has a text that is
// in the name, or is empty.
func (o Options) Chooses(name string) bool {
	for text := range strings.SplitSeq(o.Only, ",") {
		if strings.Contains(name, strings.TrimSpace(text)) {
			return true
		}
	}
	return false
}

const (
	// ReviewCount is how many reviews a workload repeats.
	ReviewCount = 4096
	// Namespaces are those of a generated company.
	Namespaces = 200
)

// Bench is one run.
type Bench struct {
	Options
	// Dir is a temporary folder.
	Dir    string
	Issuer *generate.Issuer
	Files  generate.Files
	Fleet  *servers.Fleet
	// Progress gets a line for each step of the run.
	Progress io.Writer
	// Next is the number of the next request, over all workloads.
	Next atomic.Uint64
}

// Milliseconds converts a duration that is given in nanoseconds.
func Milliseconds(nanoseconds int64) float64 { return float64(nanoseconds) / float64(time.Millisecond) }
