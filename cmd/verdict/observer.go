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
	}
	registerer.MustRegister(o.revision, o.loads, o.loadErrors, o.loadSeconds, o.files)
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
