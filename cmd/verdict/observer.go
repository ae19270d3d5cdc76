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
	running     atomic.Bool // there is a revision that stays when a change is refused
	loaded      func()      // is told of each new revision; may be nil
	log         *zap.Logger
	revision    *prometheus.GaugeVec
	loads       prometheus.Counter
	loadErrors  prometheus.Counter
	loadSeconds prometheus.Histogram
	files       *prometheus.CounterVec
	// rechecks and disagreements are of decisions that OPA's interpreter made again.
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
		loadSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "verdict_policy_load_duration_seconds",
			Help:    "Time to compile a policy revision.",
			Buckets: prometheus.ExponentialBuckets(.001, 2.5, 10),
		}),
		files: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_file_reloads_total",
			Help: "Readings of changed files by kind (certificate, tokenFile, clientSecret, connection, revoked) and result (success, error).",
		}, []string{"kind", "result"}),
		rechecks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_evaluator_checks_total",
			Help: "Decisions of compiled rules that OPA's interpreter made again, to compare.",
		}, []string{"rule"}),
		disagreements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_evaluator_disagreements_total",
			Help: "Those that came out differently. Anything but 0 is a defect.",
		}, []string{"rule"}),
	}
	registerer.MustRegister(o.revision, o.loads, o.loadErrors, o.loadSeconds, o.files, o.rechecks, o.disagreements)
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
		if rule.Defined && rule.Interpreted == "" { // there to be watched before the first
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
	if !o.running.Load() {
		return // serve reports it and ends
	}
	o.loadErrors.Inc()
	var load *policy.LoadError
	if !errors.As(err, &load) {
		o.log.Error("policy change refused, the running revision stays", zap.Error(err))
		return
	}
	for _, problem := range load.Problems {
		o.log.Error("policy change refused, the running revision stays: " + problem.String())
	}
}

// rechecked counts a decision that OPA's interpreter made again.
func (o *observer) rechecked(rule string) { o.rechecks.WithLabelValues(rule).Inc() }

// disagreed counts and logs one that came out differently.
func (o *observer) disagreed(d *policy.Disagreement) {
	o.disagreements.WithLabelValues(d.Rule).Inc()
	o.log.Error("a compiled rule and OPA's interpreter disagree, which is a defect: please report it, and set policy.evaluator to interpreter meanwhile",
		zap.String("rule", d.Rule), zap.String("revision", d.Revision), zap.String("compiled", d.Compiled), zap.String("interpreted", d.Interpreted))
}

// fileReloaded counts and logs one reading of a changed file.
func (o *observer) fileReloaded(kind, name string, err error) {
	if err != nil {
		o.files.WithLabelValues(kind, "error").Inc()
		o.log.Error("changed file refused, what was read before stays", zap.String("kind", kind), zap.String("name", name), zap.Error(err))
		return
	}
	o.files.WithLabelValues(kind, "success").Inc()
	o.log.Info("file read", zap.String("kind", kind), zap.String("name", name))
}
