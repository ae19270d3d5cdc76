package cluster

import (
	"github.com/prometheus/client_golang/prometheus"
)

// register makes the metrics, and shows them when there is a registerer.
func (s *State) register() error {
	if s.options.Registerer == nil {
		return nil
	}
	collectors := []prometheus.Collector{contacts{s}}
	if s.options.Bind {
		collectors = append(collectors,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "verdict_scheduling_bind_active",
				Help: "1 on the replica that binds pods, 0 on the others.",
			}, func() float64 {
				if s.Active() != nil {
					return 0
				}
				return 1
			}))
	}
	for _, collector := range collectors {
		if err := s.options.Registerer.Register(collector); err != nil {
			return err
		}
	}
	return nil
}

// contacts shows when the API server was last heard.
type contacts struct{ state *State }

var lastContact = prometheus.NewDesc("verdict_cluster_last_contact_timestamp_seconds",
	"Time of the API server's last message on a list or watch, in seconds since 1970. A quiet watch gets a bookmark about every minute.",
	[]string{"resource"}, nil)

// Describe implements prometheus.Collector.
func (contacts) Describe(out chan<- *prometheus.Desc) { out <- lastContact }

// Collect implements prometheus.Collector.
func (c contacts) Collect(out chan<- prometheus.Metric) {
	show := func(resource string, of *contact) {
		if heardAt, _ := of.state(); !heardAt.IsZero() {
			out <- prometheus.MustNewConstMetric(lastContact, prometheus.GaugeValue,
				float64(heardAt.UnixMilli())/1000, resource) //nolint:mnd // milliseconds
		}
	}
	show("nodes", c.state.nodes.contact)
	if c.state.current.Load() != nil {
		show("pods", c.state.podContact)
	}
}
