package overhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

// run is one run of the workloads.
type run struct {
	*bench.Bench
	// running are the servers, by whether they speak TLS, and by name.
	running map[bool]map[string]*servers.Process
}

// start starts every server the scenarios need. Verdict and OPA come first:
// they are compared with each other, and what verdict answers is what the
// do-nothing handler gives back. idle is what the servers occupied before they
// were asked anything.
func (r *run) start(ctx context.Context, chosen []scenario) (idle map[string]int64, outcomes []map[string]int, err error) {
	secure := map[bool]bool{false: true} // memory is compared among the plain ones
	for _, s := range chosen {
		secure[s.secure()] = true
	}
	for _, name := range []string{servers.Verdict, servers.OPA} {
		for tls := range secure {
			if err := r.startOne(ctx, name, tls); err != nil {
				return nil, nil, err
			}
		}
	}
	if idle, err = r.resident(); err != nil { // before the first request
		return nil, nil, err
	}
	for _, s := range chosen {
		counts, answer, err := r.compare(ctx, s)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := r.Fleet.SetAnswer(s.Path, answer); err != nil {
			return nil, nil, err
		}
		outcomes = append(outcomes, counts)
	}
	for tls := range secure {
		if err := r.startOne(ctx, servers.Nothing, tls); err != nil {
			return nil, nil, err
		}
	}
	nothing, err := r.resident()
	if err != nil {
		return nil, nil, err
	}
	idle[servers.Nothing] = nothing[servers.Nothing]
	return idle, outcomes, nil
}

func (r *run) startOne(ctx context.Context, name string, secure bool) error {
	p, err := r.Fleet.Start(ctx, name, secure)
	if err != nil {
		return err
	}
	r.running[secure][name] = p
	return nil
}

func (r *run) resident() (map[string]int64, error) {
	occupied := map[string]int64{}
	for name, p := range r.running[false] {
		n, err := bench.Resident(p)
		if err != nil {
			return nil, err
		}
		occupied[name] = n
	}
	return occupied, nil
}

// connect opens the scenario's connections to one server.
func (r *run) connect(ctx context.Context, s scenario, name string, count int) ([]load.Client, error) {
	path, version := s.Path, 1
	if s.protocol == secureTwo {
		version = 2
	}
	if name == servers.OPA {
		version = 1 // with TLS, OPA's server does not offer HTTP/2
		path = "/v1/data/" + s.Rule
	}
	address := r.running[s.secure()][name].Address
	var clients []load.Client
	for range count {
		if s.secure() {
			clients = append(clients, load.NewTLS(address, path, r.Fleet.Certificate().Roots, version))
			continue
		}
		client, err := load.DialHTTP1(ctx, address, path)
		if err != nil {
			return nil, errors.Join(err, bench.CloseAll(clients))
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// compare asks verdict and OPA the same. They have to agree; how often each
// outcome came up is returned, with an answer of verdict's.
func (r *run) compare(ctx context.Context, s scenario) (_ map[string]int, answer []byte, err error) {
	ask := map[string]load.Client{}
	for _, name := range []string{servers.Verdict, servers.OPA} {
		clients, err := r.connect(ctx, s, name, 1)
		if err != nil {
			return nil, nil, err
		}
		defer func() { err = errors.Join(err, bench.CloseAll(clients)) }()
		ask[name] = clients[0]
	}
	counts := map[string]int{}
	for n := range min(uint64(len(s.Samples)), 500) {
		var own, other bytes.Buffer
		if err := ask[servers.Verdict].Do(Bodies(s.Workload, servers.Verdict)(nil, n), &own); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", servers.Verdict, err)
		}
		if err := ask[servers.OPA].Do(Bodies(s.Workload, servers.OPA)(nil, n), &other); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", servers.OPA, err)
		}
		outcomes, err := agree(s.Path, own.Bytes(), other.Bytes())
		if err != nil {
			return nil, nil, fmt.Errorf("request %d: %w", n, err)
		}
		for name, count := range outcomes {
			counts[name] += count
		}
		answer = own.Bytes()
	}
	r.Next.Store(uint64(len(s.Samples))) // never-seen requests stay so
	return counts, answer, nil
}
