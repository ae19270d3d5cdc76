// Package badtokens measures verdict for good users while another client sends
// tokens that no source verifies.
package badtokens

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	// goodUsers are asked for at goodRate in all: more than API servers do, which
	// keep answers themselves, so that there are enough requests for a p99.
	goodUsers, goodRate = 100, 500
	// badRate is that of a flood in the field: 60,000 tokens in five minutes.
	badRate = 200
	// badConnections are those of the client that sends bad tokens.
	badConnections = 4
	// opaqueShare is how many times fewer the opaque tokens are: the issuer is asked
	// about each.
	opaqueShare = 4
	// settling is how long the good users are asked for before the measurement begins.
	settling = 300 * time.Millisecond
)

// flood asks for good users at a constant rate while another client sends bad
// tokens.
type flood struct {
	*bench.Bench
	name  string // of the tokens
	dir   string
	files generate.Files
	// sources are verdict's, which ask the issuer.
	sources   []any
	issuer    *servers.Issuer
	good, bad *generate.Workload
	// count of the bad tokens come as fast as they are answered; the others at
	// badRate for as long as window.
	count    int
	window   time.Duration
	compared []string
	answer   []byte // to a good user
}

// measured is what one round measures of one server.
type measured struct {
	calm, slow, fast float64 // p99 of the good users, in milliseconds
	perSecond        float64 // bad tokens answered in the fast flood
	refused          int     // requests of good users that were not let in
	undecided        int64   // bad tokens that verdict could neither accept nor refuse
	verified         float64 // verifications of good users after the first of each
	growth           float64 // of resident memory, in MiB
	asked            int64   // requests to the issuer
}

// Add measures 100 users whom every server knows: alone, while bad tokens
// come at the rate of a report from the field, and while -bad-tokens come as fast
// as they are answered. Every round has a server of its own, to which all of the
// tokens are new.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) (err error) {
	company, err := generate.NewCompany(generate.Size{Users: goodUsers, Bindings: goodUsers, Namespaces: bench.Namespaces}, b.Seed)
	if err != nil {
		return err
	}
	keys, err := b.Issuer.JWKS()
	if err != nil {
		return err
	}
	introspect, err := b.Issuer.Introspection(company)
	if err != nil {
		return err
	}
	issuer, err := servers.ServeIssuer(ctx, b.Fleet.Certificate(), keys, introspect)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, issuer.Stop()) }()
	common := flood{Bench: b, dir: filepath.Join(b.Dir, "flood"), issuer: issuer, window: max(3*b.Duration, time.Second)}
	if common.files, err = generate.WriteFiles(common.dir, company, b.Issuer); err != nil {
		return err
	}
	jwts, err := common.ofJWTs(company)
	if err != nil {
		return err
	}
	opaque, err := common.ofOpaqueTokens(company)
	if err != nil {
		return err
	}
	for _, f := range []*flood{jwts, opaque} {
		rounds := map[string][]measured{}
		for round := range b.Rounds {
			// Verdict is first in every round: the other gives its answer.
			for _, name := range f.compared {
				one, err := f.round(ctx, name)
				if err != nil {
					return fmt.Errorf("%s, %s, round %d: %w", f.name, name, round+1, err)
				}
				fmt.Fprintf(b.Progress, "%s: %s, p99 calm %.2f ms, at %d/s %.2f ms, at %.0f/s %.2f ms\n", f.name, name, one.calm, badRate, one.slow, one.perSecond, one.fast)
				rounds[name] = append(rounds[name], one)
			}
		}
		f.report(rounds, made)
	}
	return nil
}

// slowCount is how many tokens come at badRate.
func (f *flood) slowCount() int { return int(badRate*f.window.Seconds()) + 1 }

// ofJWTs has JWTs that an issuer signed, whose keys are fetched. The do-nothing
// handler shows what the client that floods takes from a machine that it shares.
func (f flood) ofJWTs(company *generate.Company) (_ *flood, err error) {
	f.name, f.count, f.compared = "bad tokens", f.BadTokens, []string{servers.Verdict, servers.Nothing}
	f.sources = []any{
		servers.TokenFileSource(f.files),
		servers.JWTSource(map[string]any{"jwksURL": f.issuer.KeysURL, "connection": map[string]any{"caFile": f.Fleet.Certificate().CertFile}}),
	}
	if f.good, err = generate.GoodTokenReviews(company, f.Issuer, generate.RS256); err != nil {
		return nil, err
	}
	// None is sent twice in a round.
	f.bad, err = generate.BadTokenReviews(company, f.Issuer, f.count+f.slowCount(), f.Seed)
	return &f, err
}

// ofOpaqueTokens has tokens about which the issuer is asked, each of them.
func (f flood) ofOpaqueTokens(company *generate.Company) (_ *flood, err error) {
	f.name, f.count, f.compared = "bad opaque tokens", max(f.BadTokens/opaqueShare, 1), []string{servers.Verdict}
	source, err := f.Fleet.IntrospectionSource(f.issuer.IntrospectionURL)
	if err != nil {
		return nil, err
	}
	f.sources = []any{source}
	if f.good, err = generate.GoodOpaqueReviews(company); err != nil {
		return nil, err
	}
	f.bad, err = generate.BadOpaqueReviews(f.count+f.slowCount(), f.Seed)
	return &f, err
}

// round measures one server from its start to its end.
func (f *flood) round(ctx context.Context, name string) (one measured, err error) {
	fleet := f.Fleet.Over(f.dir, f.files)
	fleet.SetSources(f.sources...)
	if err := fleet.SetAnswer(f.good.Path, f.answer); err != nil {
		return one, err
	}
	before := f.issuer.Asked()
	server, err := fleet.Start(ctx, name, false)
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, fleet.Stop()) }()
	if err := f.warm(ctx, server); err != nil {
		return one, err
	}

	asking, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		samples []load.Sample
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		samples, err := load.Timeline(asking, f.dialGood(ctx, server), f.Connections, f.good.Body, new(atomic.Uint64), goodRate)
		done <- outcome{samples, err}
	}()
	one, windows, err := f.sendBad(ctx, name, server)
	stop()
	asked := <-done
	if err := errors.Join(err, asked.err); err != nil {
		return one, err
	}
	one.asked = f.issuer.Asked() - before
	_, one.refused = load.Between(asked.samples, windows[0].from, windows[2].until)
	p99 := func(w window) float64 {
		latency, _ := load.Between(asked.samples, w.from, w.until)
		return bench.Milliseconds(latency.ValueAtQuantile(99))
	}
	one.calm, one.slow, one.fast = p99(windows[0]), p99(windows[1]), p99(windows[2])
	return one, nil
}

// window is a part of the time in which good users ask.
type window struct{ from, until time.Time }

// sendBad waits while there is calm, and then sends bad tokens at badRate and as fast as
// they are answered. It returns the time of each of the three.
func (f *flood) sendBad(ctx context.Context, name string, server *servers.Process) (one measured, windows [3]window, err error) {
	var undecided atomic.Int64
	clients := make([]load.Client, badConnections)
	for i := range clients {
		client, err := load.DialHTTP1(ctx, server.Address, f.bad.Path)
		if err != nil {
			return one, windows, errors.Join(err, bench.CloseAll(clients[:i]))
		}
		clients[i] = client
		if name == servers.Verdict { // the other answers as if all were good
			clients[i] = &bench.Checked{Client: client, Check: func(answer []byte) error { return checkBad(answer, &undecided) }}
		}
	}
	defer func() { err = errors.Join(err, bench.CloseAll(clients)) }()

	time.Sleep(settling)
	windows[0].from = time.Now()
	time.Sleep(f.window)
	windows[0].until = time.Now()

	var next atomic.Uint64
	windows[1].from = time.Now()
	if _, err := load.ConstantRate(ctx, clients, f.bad.Body, &next, badRate, f.window); err != nil {
		return one, windows, err
	}
	windows[1].until = time.Now()

	before, err := bench.Resident(server)
	if err != nil {
		return one, windows, err
	}
	windows[2].from = time.Now()
	result, err := load.Burst(ctx, clients, f.bad.Body, &next, f.count)
	if err != nil {
		return one, windows, err
	}
	windows[2].until = time.Now()
	after, err := bench.Resident(server)
	if err != nil {
		return one, windows, err
	}
	one.perSecond, one.growth, one.undecided = result.PerSecond(), float64(after-before)/(1<<20), undecided.Load()
	if name == servers.Verdict {
		accepted, err := f.accepted(ctx, server)
		if err != nil {
			return one, windows, err
		}
		one.verified = accepted - goodUsers
	}
	return one, windows, nil
}

// accepted is how many times verdict verified a token of the issuer's.
func (*flood) accepted(ctx context.Context, server *servers.Process) (float64, error) {
	text, err := bench.Metrics(ctx, server)
	if err != nil {
		return 0, err
	}
	return bench.SumOf(text, "verdict_identity_verification_duration_seconds_count", `outcome="accepted"`, `source="`+servers.IssuerSource+`"`), nil
}

// warm asks a server for every good user twice: from then on it knows them.
func (f *flood) warm(ctx context.Context, server *servers.Process) (err error) {
	client, err := f.dialGood(ctx, server)()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var answer bytes.Buffer
	for n := range uint64(2 * len(f.good.Samples)) {
		answer.Reset()
		if err := client.Do(f.good.Body(nil, n), &answer); err != nil {
			return err
		}
	}
	f.answer = answer.Bytes()
	return nil
}

func (f *flood) dialGood(ctx context.Context, server *servers.Process) func() (load.Client, error) {
	return func() (load.Client, error) {
		client, err := load.DialHTTP1(ctx, server.Address, f.good.Path)
		if err != nil {
			return nil, err
		}
		return &bench.Checked{Client: client, Check: checkGood}, nil
	}
}
