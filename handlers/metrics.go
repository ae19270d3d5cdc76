package handlers

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
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

	cacheHits, cacheMisses, cacheEvictions *prometheus.CounterVec
	registerer                             prometheus.Registerer
}

// NewMetrics registers the metrics with registerer.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	cacheCounter := func(what, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "verdict_cache_" + what + "_total", Help: help}, []string{"cache"})
	}
	m := &Metrics{
		registerer:     registerer,
		cacheHits:      cacheCounter("hits", "Requests that a cache answered, by cache."),
		cacheMisses:    cacheCounter("misses", "Requests that a cache could not answer, by cache."),
		cacheEvictions: cacheCounter("evictions", "Entries dropped for want of room, by cache."),
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
			Help: "Requests answered 503 because too many were in flight, by point.",
		}, []string{"point"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_policy_errors_total",
			Help: "Evaluations that failed, by point, verb and kind: policy, timeout, or cluster (there is none to look nodes up in).",
		}, []string{"point", "verb", "kind"}),
		nodes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_scheduling_nodes_total",
			Help: "Nodes in extender calls by verb and outcome: accepted, rejected, unresolvable, unknown, error.",
		}, []string{"verb", "outcome"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "verdict_handler_panics_total",
			Help: "Handlers that panicked: each is a defect.",
		}),
	}
	registerer.MustRegister(m.decisions, m.duration, m.size, m.inFlight, m.shed, m.errors, m.nodes, m.panics,
		m.cacheHits, m.cacheMisses, m.cacheEvictions)
	return m
}

// watchCache registers gauges for what a cache holds.
func (m *Metrics) watchCache(name string, entries, size func() float64) {
	labels := prometheus.Labels{"cache": name}
	m.registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "verdict_cache_entries", Help: "Entries in a cache.", ConstLabels: labels,
		}, entries),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "verdict_cache_size_bytes", Help: "About how much memory the entries of a cache take.", ConstLabels: labels,
		}, size),
	)
}

// measure observes duration and requests in flight.
func (h *handler) measure(point Point, verb string) func(http.Handler) http.Handler {
	m := h.Metrics
	inFlight := m.inFlight.WithLabelValues(string(point), verb)
	// Known from the start, so that the first of each shows in a rate.
	m.shed.WithLabelValues(string(point))
	for _, kind := range []string{"policy", "timeout"} {
		m.errors.WithLabelValues(string(point), verb, kind)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			inFlight.Inc()
			defer inFlight.Dec()
			recorder := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				code := recorder.Status()
				if code == 0 {
					// Nothing was written: the handler panicked, and the
					// recoverer outside answers.
					code = http.StatusServiceUnavailable
				}
				m.duration.WithLabelValues(string(point), verb, strconv.Itoa(code)).Observe(time.Since(began).Seconds())
			}()
			next.ServeHTTP(recorder, r)
		})
	}
}
