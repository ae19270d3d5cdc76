package main

import (
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	// reviewCount is how many reviews a workload repeats.
	reviewCount = 4096
	// fewPods and manyPods likewise for scheduler calls: whole nodes take
	// megabytes a pod.
	fewPods, manyPods = 2, 6
	namespaces        = 200
)

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

// scenarios returns what is measured over HTTP, what -only leaves out, and the
// company it is about, whose JWTs are the issuer's.
func scenarios(o options, issuer *generate.Issuer) (chosen, left []scenario, company *generate.Company, err error) {
	company, err = generate.NewCompany(generate.Size{Users: o.users, Bindings: o.bindings, Namespaces: namespaces}, o.seed)
	if err != nil {
		return nil, nil, nil, err
	}
	tokens, err := generate.TokenReviews(company, reviewCount, o.seed)
	if err != nil {
		return nil, nil, nil, err
	}
	jwts, err := generate.JWTReviews(company, issuer, reviewCount, o.seed)
	if err != nil {
		return nil, nil, nil, err
	}
	access, err := generate.SubjectAccessReviews(company, reviewCount, o.seed)
	if err != nil {
		return nil, nil, nil, err
	}
	filter, prioritize, err := generate.Placements(generate.Nodes(o.nodes/10, o.seed), generate.WholeNodes, generate.KnownSpecs, manyPods, o.seed)
	if err != nil {
		return nil, nil, nil, err
	}
	filterMany, prioritizeMany, err := generate.Placements(generate.Nodes(o.nodes, o.seed), generate.WholeNodes, generate.KnownSpecs, fewPods, o.seed)
	if err != nil {
		return nil, nil, nil, err
	}
	repeated, mixed, otherBytes, neverSeen := access[0], access[1], access[2], access[3]
	all := []scenario{
		{repeated, plain, o.connections, repeatedTargets},
		{repeated, secureTwo, o.connections, repeatedTargets},
		{repeated, secure, o.connections, nil},
		{otherBytes, plain, o.connections, otherBytesTargets},
		{neverSeen, plain, o.connections, neverSeenTargets},
		{mixed, plain, o.connections, nil},
		{tokens, plain, o.connections, tokenTargets},
		{jwts, plain, o.connections, tokenTargets},
		{filter, plain, 1, nil},
		{prioritize, plain, 1, nil},
		{filterMany, plain, 1, nil},
		{prioritizeMany, plain, 1, nil},
	}
	for _, s := range all {
		if chooses(o.only, s.Name) {
			chosen = append(chosen, s)
		} else {
			left = append(left, s)
		}
	}
	return chosen, left, company, nil
}

func named(s report.Scenario, what string) string {
	return s.Name + " (" + s.Protocol + "), " + what
}

func repeatedTargets(s report.Scenario) []report.Target {
	own, floor := s.Of(servers.Verdict), s.Of(servers.Nothing)
	return []report.Target{
		report.AtLeast(named(s, "requests/s against "+servers.Nothing), report.Ratio(own.PerSecond, floor.PerSecond), 0.90),
		report.AtMost(named(s, "CPU per request against "+servers.Nothing), report.Ratio(own.CPU, floor.CPU), 1.15),
	}
}

func otherBytesTargets(s report.Scenario) []report.Target {
	return []report.Target{report.AtLeast(named(s, "requests/s against "+servers.Nothing),
		report.Ratio(s.Of(servers.Verdict).PerSecond, s.Of(servers.Nothing).PerSecond), 0.75)}
}

func neverSeenTargets(s report.Scenario) []report.Target {
	return []report.Target{report.AtLeast(named(s, "requests/s against "+servers.OPA),
		report.Ratio(s.Of(servers.Verdict).PerSecond, s.Of(servers.OPA).PerSecond), 4.5)}
}

func tokenTargets(s report.Scenario) []report.Target {
	return []report.Target{report.AtLeast(named(s, "requests/s against "+servers.Nothing),
		report.Ratio(s.Of(servers.Verdict).PerSecond, s.Of(servers.Nothing).PerSecond), 0.85)}
}
