package config

import (
	_ "embed"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

//go:embed default.yaml
var defaultYAML string

// Default is the configuration of a file that sets nothing.
func Default() *Configuration {
	c := &Configuration{
		APIVersion: APIVersion,
		Kind:       Kind,
		Server:     defaultServer(),
		Operations: Operations{Address: "127.0.0.1:8081"},
		Shutdown:   Shutdown{Drain: 5 * time.Second, Grace: 30 * time.Second},
		Policy:     Policy{Evaluator: PolicyEvaluatorAuto, LoadTimeout: time.Minute},
		Authorization: Authorization{
			OnError:       OnErrorDeny,
			OnUnavailable: OnUnavailableUnavailable,
		},
		Scheduling: Scheduling{
			Timeout: 4 * time.Second,
			Bind:    Bind{Lease: Lease{Name: "verdict-bind"}},
		},
		Cache: Cache{
			Enabled:     true,
			MaxBytes:    128 << 20,
			MaxEntries:  200_000,
			Lifetimes:   policy.Lifetimes{Allow: 5 * time.Minute, Deny: 5 * time.Minute, NoOpinion: 5 * time.Minute},
			IdentityTTL: 2 * time.Minute,
			RejectedTTL: 10 * time.Second,
		},
		Cluster: Cluster{MaxStaleness: 2 * time.Minute},
		Log:     Log{Level: LogLevelInfo, Format: LogFormatAuto},
	}
	c.defaultPoints()
	return c
}

func defaultServer() Server {
	return Server{
		Address:          "127.0.0.1:8443",
		MaxInFlight:      1024,
		MaxBytesInFlight: 512 << 20,
		Limits: Limits{
			ReviewBytes:      1 << 20,
			SchedulingBytes:  64 << 20,
			ReviewValues:     20_000,
			SchedulingValues: 4_000_000,
			ObjectValues:     100_000,
			TokenBytes:       64 << 10,
			HeaderBytes:      64 << 10,
		},
		Timeouts: Timeouts{
			ReadHeader: 5 * time.Second,
			Read:       30 * time.Second,
			Write:      60 * time.Second,
			Idle:       2 * time.Minute,
			Decision:   30 * time.Second,
		},
	}
}

// DefaultYAML is Default as a file, with a comment on every field. The caller
// owns the slice.
func DefaultYAML() []byte {
	return []byte(defaultYAML)
}
