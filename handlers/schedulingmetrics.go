package handlers

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-dev/verdict/policy/scheduling"
)

// countNodes counts the nodes of an extender call by what became of them.
func (e *endpoint) countNodes(counts map[string]int) {
	for outcome, n := range counts {
		if n > 0 {
			e.Metrics.nodes.WithLabelValues(e.profile, e.verb, outcome).Add(float64(n))
		}
	}
}

// countWork counts what it took to decide an extender call.
func (e *endpoint) countWork(work scheduling.Sharing) {
	count := func(kind string, n int) {
		e.Metrics.work.WithLabelValues(e.profile, e.verb, kind).Add(float64(n))
	}
	count("nodes", work.Nodes)
	count("classes", work.Classes)
	count("evaluations", work.Evaluations)
}

func (e *endpoint) countRefusals(refused refusals) {
	for i := range refused {
		e.countReasons(refused[i].reasons, refused[i].nodes)
	}
}

// countReasons counts each of the reasons for n nodes.
func (e *endpoint) countReasons(reasons []string, n int) {
	for _, reason := range reasons {
		e.Metrics.reasons.add(e.profile, e.verb, reason, n)
	}
}

// reasonCounter counts what policies refuse for. Policies make up the reasons,
// so only the first of each profile are counted by themselves.
type reasonCounter struct {
	counter *prometheus.CounterVec

	mutex sync.RWMutex
	known map[string]map[string]bool // by profile
}

// Bounds of what is counted by itself.
const (
	mostReasons   = 100 // of a profile
	longestReason = 200 // in bytes
	otherReasons  = "other"
)

func newReasonCounter() *reasonCounter {
	return &reasonCounter{
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_scheduling_reasons_total",
			Help: "Nodes refused in extender calls by profile, verb and reason; for bind, pods. The first 100 reasons of a profile are told apart, the rest are counted as other.",
		}, []string{"profile", "verb", "reason"}),
		known: map[string]map[string]bool{},
	}
}

func (r *reasonCounter) add(profile, verb, reason string, n int) {
	// Policies can make text of any bytes, and labels have to be UTF-8.
	label := strings.ToValidUTF8(reason[:min(len(reason), longestReason)], "")
	if !r.countable(profile, label) {
		label = otherReasons
	}
	r.counter.WithLabelValues(profile, verb, label).Add(float64(n))
}

func (r *reasonCounter) countable(profile, label string) bool {
	r.mutex.RLock()
	known, full := r.known[profile][label], len(r.known[profile]) >= mostReasons
	r.mutex.RUnlock()
	if known || full {
		return known
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.known[profile] == nil {
		r.known[profile] = map[string]bool{}
	}
	if len(r.known[profile]) < mostReasons {
		r.known[profile][label] = true
	}
	return r.known[profile][label]
}

// WatchAssumed registers what the cluster counts of assumed pods.
func (m *Metrics) WatchAssumed(stats func() scheduling.AssumedStats) {
	ended := func(how string, value func(scheduling.AssumedStats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "verdict_scheduling_assumed_pods_ended_total",
			Help:        "Assumed pods by how that ended: confirmed (seen on their node), expired (never seen there), forgotten (not bound after all).",
			ConstLabels: prometheus.Labels{"how": how},
		}, func() float64 { return float64(value(stats())) })
	}
	m.registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "verdict_scheduling_assumed_pods",
			Help: "Pods that were bound and have not been seen on their node yet.",
		}, func() float64 { return float64(stats().Assumed) }),
		ended("confirmed", func(s scheduling.AssumedStats) uint64 { return s.Confirmed }),
		ended("expired", func(s scheduling.AssumedStats) uint64 { return s.Expired }),
		ended("forgotten", func(s scheduling.AssumedStats) uint64 { return s.Forgotten }),
	)
}
