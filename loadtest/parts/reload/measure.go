// Package reload measures requests while the data of the policies is replaced.
package reload

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/parts/overhttp"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	// roleBindings are in the data that is replaced.
	roleBindings = 100000
	// limit is the longest that a reload may take.
	limit = 2 * time.Minute
	// poll is how long it takes until verdict is asked again for its revision.
	poll = 10 * time.Millisecond
)

// reloads replaces the data of a server while it is sent requests at a constant rate.
type reloads struct {
	*bench.Bench
	dir     string
	company *generate.Company
	files   generate.Files
	fleet   *servers.Fleet
	running map[string]*servers.Process
	reviews *generate.Workload
	version int // of the data
	rate    float64
}

// compared are the servers; they take turns.
var compared = []string{servers.Verdict, servers.OPA}

// figures are what is measured of one server: latencies in milliseconds, a round each.
type figures struct {
	before, during, took []float64
	failed               int
}

// Add replaces the role bindings of verdict, by renaming a file, and of OPA's
// server, by a PUT of the same document, and compares how long requests took from
// that instant to the one at which the new data answered.
func Add(ctx context.Context, b *bench.Bench, made *report.Report) (err error) {
	r := &reloads{Bench: b, dir: filepath.Join(b.Dir, "reload"), running: map[string]*servers.Process{}}
	size := generate.Size{Users: roleBindings / 8, Bindings: roleBindings, Namespaces: bench.Namespaces}
	if r.company, err = generate.NewCompany(size, b.Seed); err != nil {
		return err
	}
	if r.files, err = generate.WriteFiles(r.dir, r.company, b.Issuer); err != nil {
		return err
	}
	access, err := generate.SubjectAccessReviews(r.company, bench.ReviewCount, b.Seed)
	if err != nil {
		return err
	}
	r.reviews = access[1] // mixed
	r.fleet = b.Fleet.Over(r.dir, r.files)
	defer func() { err = errors.Join(err, r.fleet.Stop()) }()
	if err := r.start(ctx); err != nil {
		return err
	}
	measured := map[string]*figures{}
	for _, name := range compared {
		measured[name] = &figures{}
	}
	for round := range b.Rounds {
		for i := range compared {
			name := compared[(round+i)%len(compared)]
			one, err := r.reload(ctx, name)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
			f := measured[name]
			f.before, f.during, f.took = append(f.before, one.before), append(f.during, one.during), append(f.took, one.took)
			f.failed += one.failed
		}
	}
	r.report(measured, made)
	return nil
}

// start starts the servers. The rate is a part of what the slower one answers.
func (r *reloads) start(ctx context.Context) (err error) {
	for _, name := range compared {
		if r.running[name], err = r.fleet.Start(ctx, name, false); err != nil {
			return err
		}
		perSecond, err := r.closed(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if r.rate == 0 || perSecond < r.rate {
			r.rate = perSecond
		}
	}
	r.rate *= r.Share
	return nil
}

func (r *reloads) dial(ctx context.Context, name string) func() (load.Client, error) {
	path := r.reviews.Path
	if name == servers.OPA {
		path = "/v1/data/" + r.reviews.Rule
	}
	return func() (load.Client, error) { return load.DialHTTP1(ctx, r.running[name].Address, path) }
}

// closed is how many requests a second a server answers in a closed loop.
func (r *reloads) closed(ctx context.Context, name string) (_ float64, err error) {
	var clients []load.Client
	for range r.Connections {
		client, err := r.dial(ctx, name)()
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, client.Close()) }()
		clients = append(clients, client)
	}
	result, err := load.Closed(ctx, clients, overhttp.Bodies(r.reviews, name), &r.Next, max(r.Duration, time.Second/2))
	return result.PerSecond(), err
}

// reloaded are the latencies of requests around one reload, in milliseconds.
type reloaded struct {
	before, during, took float64
	failed               int
}

func (r *reloads) reload(ctx context.Context, name string) (reloaded, error) {
	swap, err := r.prepare(ctx, name)
	if err != nil {
		return reloaded{}, err
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		samples []load.Sample
		err     error
	}
	done := make(chan outcome, 1)
	began := time.Now()
	go func() {
		samples, err := load.Timeline(asking, r.dial(ctx, name), r.Connections, overhttp.Bodies(r.reviews, name), &r.Next, r.rate)
		done <- outcome{samples, err}
	}()
	time.Sleep(max(r.Duration, time.Second/2)) // the calm before
	start := time.Now()
	err = swap(ctx)
	end := time.Now()
	stop()
	asked := <-done
	if err := errors.Join(err, asked.err); err != nil {
		return reloaded{}, err
	}
	calm, _ := load.Between(asked.samples, began, start)
	busy, _ := load.Between(asked.samples, start, end)
	_, failed := load.Between(asked.samples, began, end)
	return reloaded{
		before: bench.Milliseconds(calm.ValueAtQuantile(99)), during: bench.Milliseconds(busy.ValueAtQuantile(99)),
		took: bench.Milliseconds(int64(end.Sub(start))), failed: failed,
	}, nil
}
