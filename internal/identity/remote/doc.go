// Package remote is what the sources share that ask another host: connections,
// answers, which tokens may be sent, and the circuit breaker.
package remote
