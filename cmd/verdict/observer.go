package main

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy"
)

// observer logs and counts how loading policies, certificates and tokens goes.
type observer struct {
	running     atomic.Bool // a revision runs, and stays in use when a change is refused
	loaded      func()      // called after each new revision; may be nil
	log         *zap.Logger
	revision    *prometheus.GaugeVec
	loads       prometheus.Counter
	loadErrors  prometheus.Counter
	loadPanics  prometheus.Counter
	loadSeconds prometheus.Histogram
	files       *prometheus.CounterVec
	// rechecks and disagreements count decisions that OPA's interpreter repeated.
	rechecks, disagreements *prometheus.CounterVec
}

func newObserver(log *zap.Logger, registerer prometheus.Registerer) *observer {
	o := &observer{
		log: log,
		revision: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "verdict_policy_revision_info",
			Help: "1 for the policy revision that runs.",
		}, []string{"revision"}),
		loads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "verdict_policy_reloads_total",
			Help: "Policy revisions that became the running one.",
		}),
		loadErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "verdict_policy_reload_errors_total",
			Help: "Policy changes that were refused; the running revision stayed.",
		}),
		loadPanics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "verdict_policy_load_panics_total",
			Help: "Policy changes that were refused because loading them panicked. Any value but 0 is a defect.",
		}),
		loadSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "verdict_policy_load_duration_seconds",
			Help:    "Time to compile a policy revision.",
			Buckets: prometheus.ExponentialBuckets(.001, 2.5, 10),
		}),
		files: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_file_reloads_total",
			Help: "Reads of changed files by kind (certificate, tokenFile, clientSecret, connection, revoked) and result (success, error).",
		}, []string{"kind", "result"}),
		rechecks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_evaluator_checks_total",
			Help: "Decisions of compiled rules that OPA's interpreter repeated to compare the results.",
		}, []string{"rule"}),
		disagreements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_evaluator_disagreements_total",
			Help: "Decisions of compiled rules for which OPA's interpreter had a different result. Any value but 0 is a defect.",
		}, []string{"rule"}),
	}
	registerer.MustRegister(o.revision, o.loads, o.loadErrors, o.loadPanics, o.loadSeconds, o.files, o.rechecks, o.disagreements)
	return o
}

// RevisionLoaded implements policy.Observer.
func (o *observer) RevisionLoaded(revision *policy.Revision, took time.Duration) {
	o.running.Store(true)
	if o.loaded != nil {
		o.loaded()
	}
	o.revision.Reset()
	o.revision.WithLabelValues(revision.ID()).Set(1)
	o.loads.Inc()
	o.loadSeconds.Observe(took.Seconds())
	for _, rule := range revision.Inspect() {
		if rule.Defined && rule.Interpreted == "" { // so that the series exist before the first check
			o.rechecks.WithLabelValues(rule.Rule)
			o.disagreements.WithLabelValues(rule.Rule)
		}
	}
	o.log.Info("policy revision loaded", zap.String("revision", revision.ID()),
		zap.Int("modules", revision.Modules()), zap.Duration("took", took))
	for _, warning := range revision.Warnings() {
		o.log.Warn("policy: " + warning.String())
	}
}

// RevisionRefused implements policy.Observer.
func (o *observer) RevisionRefused(err error) {
	load, isLoad := errors.AsType[*policy.LoadError](err)
	if isLoad && load.Stack != nil {
		o.loadPanics.Inc()
		o.log.Error("loading policies panicked, which is a defect: please report it", zap.Error(err), zap.ByteString("stack", load.Stack))
	}
	if !o.running.Load() {
		return // serve reports it and ends
	}
	o.loadErrors.Inc()
	if !isLoad {
		o.log.Error("policy change refused, the running revision stays", zap.Error(err))
		return
	}
	for _, problem := range load.Problems {
		o.log.Error("policy change refused, the running revision stays: " + problem.String())
	}
}

// watchLoading adds a metric of the changes that are being loaded, and since when.
func (o *observer) watchLoading(registerer prometheus.Registerer, loading func() []policy.LoadStatus) {
	registerer.MustRegister(&loadingCollector{
		loading: loading,
		seconds: prometheus.NewDesc("verdict_policy_loading_seconds",
			"How long a policy change has been loading, by its revision and state: "+
				"current, or abandoned because of the timeout or a newer change. There is no series while nothing is loading.",
			[]string{"revision", "state"}, nil),
	})
}

// loadingCollector reports the changes that are loading when it is collected.
type loadingCollector struct {
	loading func() []policy.LoadStatus
	seconds *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *loadingCollector) Describe(out chan<- *prometheus.Desc) { out <- c.seconds }

// Collect implements prometheus.Collector.
func (c *loadingCollector) Collect(out chan<- prometheus.Metric) {
	type key struct{ revision, state string }
	oldest := map[key]time.Time{} // one revision may be loaded twice
	for _, load := range c.loading() {
		k := key{load.Revision, "current"}
		if load.Abandoned {
			k.state = "abandoned"
		}
		if since, ok := oldest[k]; !ok || load.Since.Before(since) {
			oldest[k] = load.Since
		}
	}
	for k, since := range oldest {
		out <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, time.Since(since).Seconds(), k.revision, k.state)
	}
}

// rechecked counts a decision that OPA's interpreter repeated.
func (o *observer) rechecked(rule string) { o.rechecks.WithLabelValues(rule).Inc() }

// disagreed counts and logs a repeated decision with another result.
func (o *observer) disagreed(d *policy.Disagreement) {
	o.disagreements.WithLabelValues(d.Rule).Inc()
	o.log.Error("a compiled rule and OPA's interpreter disagree, which is a defect: please report it, and set policy.evaluator to interpreter meanwhile",
		zap.String("rule", d.Rule), zap.String("revision", d.Revision), zap.String("compiled", d.Compiled), zap.String("interpreted", d.Interpreted))
}

// fileReloaded counts and logs one reading of a changed file.
func (o *observer) fileReloaded(kind, name string, err error) {
	if err != nil {
		o.files.WithLabelValues(kind, "error").Inc()
		o.log.Error("changed file refused, its last good content stays in use", zap.String("kind", kind), zap.String("name", name), zap.Error(err))
		return
	}
	o.files.WithLabelValues(kind, "success").Inc()
	o.log.Info("file read", zap.String("kind", kind), zap.String("name", name))
}
