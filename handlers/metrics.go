package handlers

import (
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
)

// Metrics are those of the webhook listener.
type Metrics struct {
	decisions *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	size      *prometheus.HistogramVec
	inFlight  *prometheus.GaugeVec
	shed      *prometheus.CounterVec
	errors    *prometheus.CounterVec
	nodes     *prometheus.CounterVec
	panics    prometheus.Counter

	work       *prometheus.CounterVec
	scheduled  *prometheus.HistogramVec
	reasons    *reasonCounter
	registerer prometheus.Registerer
}

// NewMetrics registers the metrics with registerer.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		registerer: registerer,
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_decisions_total",
			Help: "Decisions by point, verb and outcome.",
		}, []string{"point", "verb", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "verdict_request_duration_seconds",
			Help: "Time from the request's header to its answer, by point, verb and HTTP status code.",
			// 50 µs is less than a round trip on loopback; 30 s is the longest apiserver waits.
			Buckets: []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"point", "verb", "code"}),
		size: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "verdict_request_size_bytes",
			Help:    "Bytes read of request bodies by point and verb.",
			Buckets: prometheus.ExponentialBuckets(256, 4, 10),
		}, []string{"point", "verb"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "verdict_requests_in_flight",
			Help: "Requests being answered, by point and verb.",
		}, []string{"point", "verb"}),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_requests_shed_total",
			Help: "Requests answered 503 because too many requests or bytes were in flight, by point and verb.",
		}, []string{"point", "verb"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_policy_errors_total",
			Help: "Evaluations that failed, by point, verb and kind: policy, timeout, cluster (there is none to ask, or it refused), stale (it was last heard of too long ago), or profile (there is none of that name).",
		}, []string{"point", "verb", "kind"}),
		nodes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_scheduling_nodes_total",
			Help: "Nodes in extender calls by profile, verb and outcome: accepted, rejected, unresolvable, scored, unknown, error. In a preempt call a node is rejected whose victims are protected.",
		}, []string{"profile", "verb", "outcome"}),
		work: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_scheduling_work_total",
			Help: "Work of extender calls by profile, verb and kind: nodes decided, classes of nodes that a rule cannot tell apart, evaluations of the policy. Each rule counts for itself. 1 - evaluations/nodes is the share of decisions that nodes had in common or that were kept.",
		}, []string{"profile", "verb", "kind"}),
		scheduled: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "verdict_scheduling_duration_seconds",
			Help:    "Time from the header of an extender call to its answer, by profile and verb.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"profile", "verb"}),
		reasons: newReasonCounter(),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "verdict_handler_panics_total",
			Help: "Handlers that panicked: each is a defect.",
		}),
	}
	registerer.MustRegister(m.decisions, m.duration, m.size, m.inFlight, m.shed, m.errors, m.nodes, m.work, m.scheduled, m.reasons.counter, m.panics)
	return m
}

// watchMemory registers what bodies in flight take.
func (m *Metrics) watchMemory(kind string, of *memory) {
	labels := prometheus.Labels{"kind": kind}
	m.registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "verdict_request_memory_bytes", ConstLabels: labels,
			Help: "About how much memory the bodies in flight and what becomes of them take, beyond what is each request's own, by kind of request.",
		}, func() float64 { return float64(of.now.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "verdict_request_memory_limit_bytes", ConstLabels: labels,
			Help: "The most that verdict_request_memory_bytes may be.",
		}, func() float64 { return float64(of.most) }),
	)
}

// WatchCache registers what a cache counts. Each name is watched once.
func (m *Metrics) WatchCache(name cache.Name, stats func() cache.Stats) {
	labels := prometheus.Labels{"cache": string(name)}
	counter := func(metric, help string, value func(cache.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: metric, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(stats())) })
	}
	gauge := func(metric, help string, value func(cache.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metric, Help: help, ConstLabels: labels},
			func() float64 { return value(stats()) })
	}
	m.registerer.MustRegister(
		counter("verdict_cache_hits_total", "Look-ups that a cache answered, by cache.", func(s cache.Stats) uint64 { return s.Hits }),
		counter("verdict_cache_misses_total", "Look-ups that a cache could not answer, by cache.", func(s cache.Stats) uint64 { return s.Misses }),
		counter("verdict_cache_evictions_total", "Entries dropped for want of room, by cache.", func(s cache.Stats) uint64 { return s.Evictions }),
		gauge("verdict_cache_entries", "Entries in a cache.", func(s cache.Stats) float64 { return float64(s.Entries) }),
		gauge("verdict_cache_size_bytes", "About how much memory the entries of a cache take.", func(s cache.Stats) float64 { return float64(s.Bytes) }),
		gauge("verdict_cache_max_bytes", "A cache's share of cache.maxBytes.", func(s cache.Stats) float64 { return float64(s.Limit) }),
	)
}

// WatchEvaluations registers what the engine evaluates at the moment.
func (m *Metrics) WatchEvaluations(now func() (underWay, abandoned int64)) {
	gauge := func(state string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "verdict_evaluations",
			Help:        "Evaluations of entry rules under way by state: awaited, or abandoned, which go on though their caller has given up.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(value()) })
	}
	m.registerer.MustRegister(
		gauge("awaited", func() int64 {
			underWay, abandoned := now()
			return max(underWay-abandoned, 0)
		}),
		gauge("abandoned", func() int64 {
			_, abandoned := now()
			return abandoned
		}),
	)
}

// prepare makes counters known from the start, so that the first of each shows
// in a rate.
func (m *Metrics) prepare(point policy.Point, verb string) {
	m.shed.WithLabelValues(point.String(), verb)
	for _, kind := range []string{"policy", "timeout"} {
		m.errors.WithLabelValues(point.String(), verb, kind)
	}
}

func (m *Metrics) durationOf(point policy.Point, verb string, code int) prometheus.Observer {
	return m.duration.WithLabelValues(point.String(), verb, strconv.Itoa(code))
}

// outcomes are the counters of one endpoint's decisions, looked up once.
type outcomes struct {
	decisions   *prometheus.CounterVec
	point, verb string
	known       sync.Map // outcome to prometheus.Counter
}

func (m *Metrics) decisionsOf(point policy.Point, verb string) *outcomes {
	return &outcomes{decisions: m.decisions, point: point.String(), verb: verb}
}

func (o *outcomes) of(outcome string) prometheus.Counter {
	if counter, ok := o.known.Load(outcome); ok {
		return counter.(prometheus.Counter)
	}
	counter := o.decisions.WithLabelValues(o.point, o.verb, outcome)
	o.known.Store(outcome, counter)
	return counter
}
