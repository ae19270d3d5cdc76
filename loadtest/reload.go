package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/load"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const (
	// reloadBindings are in the data that is replaced.
	reloadBindings = 100000
	// reloadLimit is the longest that a swap may take.
	reloadLimit = 2 * time.Minute
	reloadPoll  = 10 * time.Millisecond
	sectionLoad = "Reloading under load"
)

// reloads replaces the data of a server while it is asked at a constant rate.
type reloads struct {
	*bench
	dir     string
	company *generate.Company
	files   generate.Files
	fleet   *servers.Fleet
	running map[string]*servers.Process
	asked   scenario
	version int
}

// reloadRivals take turns.
var reloadRivals = []string{servers.Verdict, servers.OPA}

// measureReloads replaces the role bindings of verdict, by renaming a file, and
// of OPA's server, by a PUT of the same document, and compares how long requests
// took from that instant to the one at which the new data answered.
func (b *bench) measureReloads(ctx context.Context, made *report.Report) (err error) {
	r := &reloads{bench: b, dir: filepath.Join(b.dir, "reload"), running: map[string]*servers.Process{}}
	size := generate.Size{Users: reloadBindings / 8, Bindings: reloadBindings, Namespaces: namespaces}
	if r.company, err = generate.NewCompany(size, b.seed); err != nil {
		return err
	}
	if r.files, err = generate.WriteFiles(r.dir, r.company, b.issuer); err != nil {
		return err
	}
	access, err := generate.SubjectAccessReviews(r.company, reviewCount, b.seed)
	if err != nil {
		return err
	}
	r.asked = scenario{Workload: access[1], protocol: plain, connections: b.connections} // mixed
	r.fleet = b.fleet.Over(r.dir, r.files)
	defer func() { err = errors.Join(err, r.fleet.Stop()) }()
	rate := 0.0
	for _, name := range reloadRivals {
		if r.running[name], err = r.fleet.Start(ctx, name, false); err != nil {
			return err
		}
		calm, err := r.closed(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if rate == 0 || calm < rate {
			rate = calm
		}
	}
	rate *= b.share

	during, before, took := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	failed := map[string]int{}
	for round := range b.options.rounds {
		for i := range reloadRivals {
			name := reloadRivals[(round+i)%len(reloadRivals)]
			one, err := r.reload(ctx, name, rate)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", name, round+1, err)
			}
			before[name] = append(before[name], one.before)
			during[name] = append(during[name], one.during)
			took[name] = append(took[name], one.took)
			failed[name] += one.failed
		}
	}
	about := fmt.Sprintf("%d role bindings are replaced, at %.0f SubjectAccessReviews a second, 1 in 10 never seen: verdict's by renaming a file, %s by a PUT of the same document.",
		reloadBindings, rate, servers.OPA+"'s")
	entries := func(figures map[string][]float64) (made []report.Entry) {
		for _, name := range reloadRivals {
			made = append(made, report.Entry{Name: name, Figure: report.NewFigure(figures[name])})
		}
		return made
	}
	reloading := report.Comparison{
		Section: sectionLoad, Name: "p99 during a reload", Unit: "ms", Entries: entries(during),
		About: about + fmt.Sprintf(" Requests due from the start of the reload to its swap. Failed requests: %s %d, %s %d.",
			servers.Verdict, failed[servers.Verdict], servers.OPA, failed[servers.OPA]),
	}
	calm := report.Comparison{Section: sectionLoad, Name: "p99 before a reload", Unit: "ms", Entries: entries(before), About: about + " Requests due before it starts."}
	whole := report.Comparison{Section: sectionLoad, Name: "from the start of a reload to its swap", Unit: "ms", Entries: entries(took), About: about + " Verdict's includes noticing the file and is seen at /metrics, which is asked every " + reloadPoll.String() + "."}
	made.Comparisons = append(made.Comparisons, reloading, calm, whole)
	made.Targets = append(made.Targets,
		report.AtMost(fmt.Sprintf("p99 from the start of a reload of %d bindings to its swap, against %s", reloadBindings, servers.OPA), reloading.Against(servers.OPA), 0.5),
		report.AtMost("the same against verdict's p99 before the reload (an aim)", report.Ratio(reloading.Of(servers.Verdict), calm.Of(servers.Verdict)), 2),
		report.None("requests to verdict that failed meanwhile", failed[servers.Verdict]),
	)
	return nil
}

func (r *reloads) dial(ctx context.Context, name string) func() (load.Client, error) {
	path := r.asked.Path
	if name == servers.OPA {
		path = "/v1/data/" + r.asked.Rule
	}
	return func() (load.Client, error) { return load.DialHTTP1(ctx, r.running[name].Address, path) }
}

// closed is how many requests a second a server answers in a closed loop.
func (r *reloads) closed(ctx context.Context, name string) (_ float64, err error) {
	var clients []load.Client
	for range r.asked.connections {
		client, err := r.dial(ctx, name)()
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, client.Close()) }()
		clients = append(clients, client)
	}
	result, err := load.Closed(ctx, clients, bodies(r.asked, name), &r.next, max(r.duration, time.Second/2))
	return result.PerSecond(), err
}

// reloaded is what one reload did to requests, in milliseconds.
type reloaded struct {
	before, during, took float64
	failed               int
}

func (r *reloads) reload(ctx context.Context, name string, rate float64) (reloaded, error) {
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
		samples, err := load.Timeline(asking, r.dial(ctx, name), r.asked.connections, bodies(r.asked, name), &r.next, rate)
		done <- outcome{samples, err}
	}()
	time.Sleep(max(r.duration, time.Second/2)) // the calm before
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
		before: milliseconds(calm.ValueAtQuantile(99)), during: milliseconds(busy.ValueAtQuantile(99)),
		took: milliseconds(int64(end.Sub(start))), failed: failed,
	}, nil
}

func milliseconds(nanoseconds int64) float64 { return float64(nanoseconds) / float64(time.Millisecond) }

// prepare returns what replaces the data of a server by data it has not had yet,
// and returns when the server answers by it.
func (r *reloads) prepare(ctx context.Context, name string) (func(context.Context) error, error) {
	r.version++
	r.company.Access.GuardRails["kubeSystem"] = generate.Trusted{Groups: []string{"platform-oncall", fmt.Sprint("version-", r.version)}}
	if name == servers.OPA {
		document, err := json.Marshal(r.company.Access)
		if err != nil {
			return nil, fmt.Errorf("marshalling data: %w", err)
		}
		return func(ctx context.Context) error {
			return request(ctx, http.MethodPut, "http://"+r.running[name].Address+"/v1/data/access", document, io.Discard)
		}, nil
	}
	files, err := generate.PolicyFiles(r.company)
	if err != nil {
		return nil, err
	}
	beside := filepath.Join(r.dir, "next.json") // not in the folder that is watched
	if err := os.WriteFile(beside, files[0].Text, 0o600); err != nil {
		return nil, fmt.Errorf("writing data: %w", err)
	}
	before, err := r.revision(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := os.Rename(beside, filepath.Join(r.files.Verdict, generate.DataFile)); err != nil {
			return fmt.Errorf("replacing data: %w", err)
		}
		for limit := time.Now().Add(reloadLimit); time.Now().Before(limit); time.Sleep(reloadPoll) {
			if now, err := r.revision(ctx); err != nil || now != before {
				return err
			}
		}
		return fmt.Errorf("no new revision within %v", reloadLimit)
	}, nil
}

// revision is the line of verdict's metrics that names its revision.
func (r *reloads) revision(ctx context.Context) (string, error) {
	var text bytes.Buffer
	if err := request(ctx, http.MethodGet, r.running[servers.Verdict].Operations+"/metrics", nil, &text); err != nil {
		return "", err
	}
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "verdict_policy_revision_info") {
			return line, nil
		}
	}
	return "", errors.New("verdict's metrics name no revision")
}

// request succeeds with any status below 300.
func request(ctx context.Context, method, url string, body []byte, answer io.Writer) (err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("asking %s: %s", url, response.Status)
	}
	if _, err := io.Copy(answer, response.Body); err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	return nil
}
