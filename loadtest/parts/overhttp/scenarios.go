package overhttp

import (
	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
)

// fewPods and manyPods are how many scheduler calls a workload repeats: whole
// nodes take megabytes a pod.
const fewPods, manyPods = 2, 6

// scenario is one workload over one protocol, and what it has to reach.
type scenario struct {
	*generate.Workload
	protocol    protocol
	connections int
	targets     func(s report.Scenario) []report.Target
}

// protocol is how requests are sent.
type protocol string

const (
	plain     protocol = "HTTP/1.1"
	secure    protocol = "HTTP/1.1, TLS"
	secureTwo protocol = "HTTP/2, TLS"
)

// secure reports whether the servers speak TLS.
func (s scenario) secure() bool { return s.protocol != plain }

// scenarios returns everything that can be measured over HTTP.
func scenarios(o bench.Options, company *generate.Company, issuer *generate.Issuer) ([]scenario, error) {
	tokens, err := generate.TokenReviews(company, bench.ReviewCount, o.Seed)
	if err != nil {
		return nil, err
	}
	jwts, err := generate.JWTReviews(company, issuer, bench.ReviewCount, o.Seed)
	if err != nil {
		return nil, err
	}
	access, err := generate.SubjectAccessReviews(company, bench.ReviewCount, o.Seed)
	if err != nil {
		return nil, err
	}
	filter, prioritize, err := generate.Placements(generate.Nodes(o.Nodes/10, o.Seed), generate.WholeNodes, generate.KnownSpecs, manyPods, o.Seed)
	if err != nil {
		return nil, err
	}
	filterMany, prioritizeMany, err := generate.Placements(generate.Nodes(o.Nodes, o.Seed), generate.WholeNodes, generate.KnownSpecs, fewPods, o.Seed)
	if err != nil {
		return nil, err
	}
	repeated, mixed, otherBytes, neverSeen := access[0], access[1], access[2], access[3]
	return []scenario{
		{repeated, plain, o.Connections, repeatedTargets},
		{repeated, secureTwo, o.Connections, repeatedTargets},
		{repeated, secure, o.Connections, nil},
		{otherBytes, plain, o.Connections, otherBytesTargets},
		{neverSeen, plain, o.Connections, neverSeenTargets},
		{mixed, plain, o.Connections, nil},
		{tokens, plain, o.Connections, tokenTargets},
		{jwts, plain, o.Connections, tokenTargets},
		{filter, plain, 1, nil},
		{prioritize, plain, 1, nil},
		{filterMany, plain, 1, nil},
		{prioritizeMany, plain, 1, nil},
	}, nil
}
