package sources

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/verdict-dev/verdict/policy/identity"
)

// Metrics count what the sources do. Labels hold the configured names of
// sources and issuers, never anything of a token.
type Metrics struct {
	verifications *prometheus.HistogramVec // source, outcome
	kept          *prometheus.CounterVec   // source
	keyFetches    *prometheus.CounterVec   // source, issuer, result
	keysFetched   *prometheus.GaugeVec     // source, issuer
	circuitOpen   *prometheus.GaugeVec     // source
	secrets       *prometheus.GaugeVec     // source, state
}

// NewMetrics registers the metrics; with nil they are counted and not shown.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		verifications: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "verdict_identity_verification_duration_seconds",
			Help:    "Time of one source to verify one token that was not kept, by outcome: accepted, rejected, or fault when it could not tell.",
			Buckets: prometheus.ExponentialBuckets(.00001, 4, 11),
		}, []string{"source", "outcome"}),
		kept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_identity_kept_total",
			Help: "Tokens that were not verified again, by the source that had verified them.",
		}, []string{"source"}),
		keyFetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "verdict_identity_key_fetches_total",
			Help: "Times that an issuer's keys were asked for, by result: success or error.",
		}, []string{"source", "issuer", "result"}),
		keysFetched: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "verdict_identity_keys_fetched_timestamp_seconds",
			Help: "When the keys that an issuer's tokens are verified with were fetched, in seconds since 1970.",
		}, []string{"source", "issuer"}),
		circuitOpen: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "verdict_identity_circuit_open",
			Help: "1 while a source that failed repeatedly is not asked, 0 while it is.",
		}, []string{"source"}),
		secrets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "verdict_identity_secrets",
			Help: "Secrets with tokens by state: accepted, or why they are refused: type, malformed, group, username, duplicate.",
		}, []string{"source", "state"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.verifications, m.kept, m.keyFetches, m.keysFetched, m.circuitOpen, m.secrets)
	}
	return m
}

// Verified counts one verification by a source.
func (m *Metrics) Verified(source string, err error, took time.Duration) {
	outcome := "accepted"
	switch {
	case errors.Is(err, identity.ErrUnknownToken), IsEarly(err):
		outcome = "rejected"
	case err != nil:
		outcome = "fault"
	}
	m.verifications.WithLabelValues(source, outcome).Observe(took.Seconds())
}

// KeptBy counts the tokens of a source that were not verified again.
func (m *Metrics) KeptBy(source string) prometheus.Counter { return m.kept.WithLabelValues(source) }

// KeysLookedFor counts one attempt to fetch the keys of issuer, at an instant.
func (m *Metrics) KeysLookedFor(source, issuer string, err error, at time.Time) {
	if err != nil {
		m.keyFetches.WithLabelValues(source, issuer, "error").Inc()
		return
	}
	m.keyFetches.WithLabelValues(source, issuer, "success").Inc()
	m.keysFetched.WithLabelValues(source, issuer).Set(float64(at.UnixNano()) / float64(time.Second))
}

// Circuit says whether a source is left alone.
func (m *Metrics) Circuit(source string, open bool) {
	value := 0.0
	if open {
		value = 1
	}
	m.circuitOpen.WithLabelValues(source).Set(value)
}

// SecretsHeld says how many Secrets are in one state.
func (m *Metrics) SecretsHeld(source, state string, secrets int) {
	m.secrets.WithLabelValues(source, state).Set(float64(secrets))
}
