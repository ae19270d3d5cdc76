package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	sectionFlood = "Floods of bad tokens"
	// goodUsers are asked for at goodRate in all: more than API servers do that
	// keep answers themselves, so that there is a p99 to speak of.
	goodUsers, goodRate = 100, 500
	// badRate is that of a flood in the field: 60,000 tokens in five minutes.
	badRate = 200
	// badConnections are those of the client that sends bad tokens.
	badConnections = 4
	// So many times fewer are the opaque tokens that an issuer is asked about.
	opaqueShare = 4
	// settling passes before the calm is measured.
	settling = 300 * time.Millisecond
)

// flood asks for good users at a constant rate while another client sends bad
// tokens.
type flood struct {
	*bench
	name  string // of the tokens
	dir   string
	files generate.Files
	// sources are verdict's, which ask the issuer.
	sources   []any
	issuer    *servers.Issuer
	good, bad *generate.Workload
	// count of the bad tokens come as fast as they are answered; the others at
	// badRate for as long as window.
	count  int
	window time.Duration
	rivals []string
	answer []byte // to a good user
}

// flooded is what one round measured of one server.
type flooded struct {
	calm, slow, fast float64 // p99 of the good users, in milliseconds
	perSecond        float64 // bad tokens answered in the fast flood
	refused          int     // requests of good users that were not let in
	faults           int64   // bad tokens of which verdict could not tell
	verified         float64 // verifications of good users after the first of each
	growth           float64 // of resident memory, in MiB
	asked            int64   // times that the issuer was
}

// measureFlood measures 100 users whom everybody knows: alone, while bad tokens
// come at the rate of a report from the field, and while o.badTokens come as fast
// as they are answered. Every round has a server of its own, to which all of the
// tokens are new.
func (b *bench) measureFlood(ctx context.Context, made *report.Report) (err error) {
	company, err := generate.NewCompany(generate.Size{Users: goodUsers, Bindings: goodUsers, Namespaces: namespaces}, b.seed)
	if err != nil {
		return err
	}
	keys, err := b.issuer.JWKS()
	if err != nil {
		return err
	}
	introspect, err := b.issuer.Introspection(company)
	if err != nil {
		return err
	}
	issuer, err := servers.ServeIssuer(ctx, b.fleet.Certificate(), keys, introspect)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, issuer.Stop()) }()
	common := flood{bench: b, dir: filepath.Join(b.dir, "flood"), issuer: issuer, window: max(3*b.duration, time.Second)}
	if common.files, err = generate.WriteFiles(common.dir, company, b.issuer); err != nil {
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
		rounds := map[string][]flooded{}
		for round := range b.options.rounds {
			// Verdict is first in every round: its answer is what the other gives.
			for _, name := range f.rivals {
				one, err := f.round(ctx, name)
				if err != nil {
					return fmt.Errorf("%s, %s, round %d: %w", f.name, name, round+1, err)
				}
				fmt.Fprintf(b.progress, "%s: %s, p99 calm %.2f ms, at %d/s %.2f ms, at %.0f/s %.2f ms\n", f.name, name, one.calm, badRate, one.slow, one.perSecond, one.fast)
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
	f.name, f.count, f.rivals = "bad tokens", f.badTokens, []string{servers.Verdict, servers.Nothing}
	f.sources = []any{
		servers.TokenFileSource(f.files),
		servers.JWTSource(map[string]any{"jwksURL": f.issuer.KeysURL, "connection": map[string]any{"caFile": f.fleet.Certificate().CertFile}}),
	}
	if f.good, err = generate.GoodTokenReviews(company, f.bench.issuer, generate.RS256); err != nil {
		return nil, err
	}
	// None is sent twice in a round.
	f.bad, err = generate.BadTokenReviews(company, f.bench.issuer, f.count+f.slowCount(), f.seed)
	return &f, err
}

// ofOpaqueTokens has tokens about which the issuer is asked, each of them.
func (f flood) ofOpaqueTokens(company *generate.Company) (_ *flood, err error) {
	f.name, f.count, f.rivals = "bad opaque tokens", max(f.badTokens/opaqueShare, 1), []string{servers.Verdict}
	source, err := f.fleet.IntrospectionSource(f.issuer.IntrospectionURL)
	if err != nil {
		return nil, err
	}
	f.sources = []any{source}
	if f.good, err = generate.GoodOpaqueReviews(company); err != nil {
		return nil, err
	}
	f.bad, err = generate.BadOpaqueReviews(f.count+f.slowCount(), f.seed)
	return &f, err
}

func (f *flood) report(rounds map[string][]flooded, made *report.Report) {
	figure := func(name string, of func(flooded) float64) report.Figure {
		var values []float64
		for _, one := range rounds[name] {
			values = append(values, of(one))
		}
		return report.NewFigure(values)
	}
	own := func(of func(flooded) float64) report.Figure { return figure(servers.Verdict, of) }
	calm, slow, fast := func(r flooded) float64 { return r.calm }, func(r flooded) float64 { return r.slow }, func(r flooded) float64 { return r.fast }
	refused, verified, faults, asked := 0, 0.0, int64(0), int64(0)
	for _, one := range rounds[servers.Verdict] {
		refused += one.refused
		verified += one.verified
		faults += one.faults
		asked = max(asked, one.asked)
	}
	about := fmt.Sprintf("%s: %d times a second in all, while another client sends tokens over %d connections. %s. "+
		"Every round has a server of its own, to which all of them are new.", f.good.About, goodRate, badConnections, f.bad.About)
	compare := func(name, more string, of func(flooded) float64) report.Comparison {
		c := report.Comparison{Section: sectionFlood, Name: name, Unit: "ms", About: about + more}
		for _, server := range f.rivals {
			c.Entries = append(c.Entries,
				report.Entry{Name: server + ", flooded", Figure: figure(server, of)}, report.Entry{Name: server + ", calm", Figure: figure(server, calm)})
		}
		return c
	}
	growth := report.Comparison{
		Section: sectionFlood, Name: fmt.Sprintf("growth of resident memory by %d %s", f.count, f.name), Unit: "MiB",
		About: "From before the fast flood to its end, garbage included.",
	}
	for _, server := range f.rivals {
		growth.Entries = append(growth.Entries, report.Entry{Name: server, Figure: figure(server, func(r flooded) float64 { return r.growth })})
	}
	made.Comparisons = append(made.Comparisons,
		compare(fmt.Sprintf("p99 of good users, %d %s as fast as they are answered", f.count, f.name),
			fmt.Sprintf(" Verdict answered %.0f bad ones a second, and could not tell of %d. In all rounds %d requests of good users were not let in, and their tokens were verified %.0f times after the first. "+
				"The issuer was asked %d times at most in a round.", own(func(r flooded) float64 { return r.perSecond }).Median, faults, refused, verified, asked), fast),
		compare(fmt.Sprintf("p99 of good users, %d %s a second", badRate, f.name), " That is the rate of 60,000 in five minutes.", slow),
		growth)
	if f.count == f.badTokens { // of the others there is no target
		made.Targets = append(made.Targets,
			report.AtMost(fmt.Sprintf("p99 of %d users while %d %s come as fast as they are answered, against calm", goodUsers, f.count, f.name), report.Ratio(own(fast), own(calm)), 2))
	}
	made.Targets = append(made.Targets,
		report.None(fmt.Sprintf("requests of good users that were not let in during a flood of %s", f.name), refused),
		report.None(fmt.Sprintf("good tokens that were verified again during a flood of %s", f.name), int(verified)),
	)
}

// round measures one server from its start to its end.
func (f *flood) round(ctx context.Context, name string) (one flooded, err error) {
	fleet := f.fleet.Over(f.dir, f.files)
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
	if err := f.meet(ctx, server); err != nil {
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
		samples, err := load.Timeline(asking, f.dialGood(ctx, server), f.connections, f.good.Body, new(atomic.Uint64), goodRate)
		done <- outcome{samples, err}
	}()
	one, windows, err := f.pour(ctx, name, server)
	stop()
	asked := <-done
	if err := errors.Join(err, asked.err); err != nil {
		return one, err
	}
	one.asked = f.issuer.Asked() - before
	_, one.refused = load.Between(asked.samples, windows[0].from, windows[2].until)
	p99 := func(w window) float64 {
		latency, _ := load.Between(asked.samples, w.from, w.until)
		return milliseconds(latency.ValueAtQuantile(99))
	}
	one.calm, one.slow, one.fast = p99(windows[0]), p99(windows[1]), p99(windows[2])
	return one, nil
}

// window is a part of the time in which good users ask.
type window struct{ from, until time.Time }

// pour lets the calm pass, and then sends bad tokens at badRate and as fast as
// can be. It returns when that was.
func (f *flood) pour(ctx context.Context, name string, server *servers.Process) (one flooded, windows [3]window, err error) {
	var faults atomic.Int64
	clients := make([]load.Client, badConnections)
	for i := range clients {
		client, err := load.DialHTTP1(ctx, server.Address, f.bad.Path)
		if err != nil {
			return one, windows, errors.Join(err, closeAll(clients[:i]))
		}
		clients[i] = client
		if name == servers.Verdict { // the other answers as if all were good
			clients[i] = &checked{Client: client, check: func(answer []byte) error { return checkBad(answer, &faults) }}
		}
	}
	defer func() { err = errors.Join(err, closeAll(clients)) }()

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

	before, err := f.occupied(server)
	if err != nil {
		return one, windows, err
	}
	windows[2].from = time.Now()
	result, err := load.Burst(ctx, clients, f.bad.Body, &next, f.count)
	if err != nil {
		return one, windows, err
	}
	windows[2].until = time.Now()
	after, err := f.occupied(server)
	if err != nil {
		return one, windows, err
	}
	one.perSecond, one.growth, one.faults = result.PerSecond(), float64(after-before)/(1<<20), faults.Load()
	if name == servers.Verdict {
		accepted, err := f.accepted(ctx, server)
		if err != nil {
			return one, windows, err
		}
		one.verified = accepted - goodUsers
	}
	return one, windows, nil
}

func (*flood) occupied(server *servers.Process) (int64, error) {
	n, err := server.Resident()
	if err != nil && runtime.GOOS == "linux" {
		return 0, err
	}
	return n, nil
}

// accepted is how many times verdict verified a token of the issuer's.
func (*flood) accepted(ctx context.Context, server *servers.Process) (float64, error) {
	var text bytes.Buffer
	if err := request(ctx, http.MethodGet, server.Operations+"/metrics", nil, &text); err != nil {
		return 0, err
	}
	return sumOf(text.String(), "verdict_identity_verification_duration_seconds_count", `outcome="accepted"`, `source="`+servers.IssuerSource+`"`), nil
}

// meet asks a server for every good user twice: from then on it knows them.
func (f *flood) meet(ctx context.Context, server *servers.Process) (err error) {
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
		return &checked{Client: client, check: checkGood}, nil
	}
}

// checked is a client that looks at the answers.
type checked struct {
	load.Client
	check  func(answer []byte) error
	answer bytes.Buffer
}

// Do implements load.Client.
func (c *checked) Do(body []byte, answer io.Writer) error {
	c.answer.Reset()
	if err := c.Client.Do(body, io.MultiWriter(answer, &c.answer)); err != nil {
		return err
	}
	return c.check(c.answer.Bytes())
}

var (
	isAuthenticated = []byte(`"authenticated":true`)
	isFault         = []byte(`"error":`)
)

func checkGood(answer []byte) error {
	if !bytes.Contains(answer, isAuthenticated) {
		return fmt.Errorf("a good user was not let in: %.300s", answer)
	}
	return nil
}

// checkBad ends the run when a bad token is accepted.
func checkBad(answer []byte, faults *atomic.Int64) error {
	if bytes.Contains(answer, isAuthenticated) {
		return fmt.Errorf("a bad token was accepted: %.300s", answer)
	}
	if bytes.Contains(answer, isFault) {
		faults.Add(1)
	}
	return nil
}
