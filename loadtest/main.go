// Command loadtest measures verdict beside what a user would pick instead: it
// builds the servers, starts them on loopback, asks all of them the same, and
// reports ratios. It reaches nothing but loopback.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/chart"
	"github.com/verdict-dev/verdict/loadtest/parts"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "loadtest:", err)
		}
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	bench.Options
	report, json string
	timeout      time.Duration

	// For the do-nothing servers, which are this program again.
	nothing, cert, key string
	extender           string
	answers            map[string]string
}

func parse(arguments []string, stderr io.Writer) (options, error) {
	var o options
	flags := o.flags(stderr)
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if o.nothing != "" {
		o.answers = map[string]string{}
		for _, argument := range flags.Args() {
			path, file, ok := strings.Cut(argument, "=")
			if !ok || !strings.HasPrefix(path, "/") {
				return o, fmt.Errorf("%q is not of the form PATH=FILE", argument)
			}
			o.answers[path] = file
		}
		return o, nil
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.Rounds < 1 || o.Connections < 1 || o.Nodes < 10 || o.Pods < 1 || o.BadTokens < 1:
		return o, errors.New("-rounds, -connections, -pods and -bad-tokens have to be 1 or more, -nodes 10 or more")
	case o.ClusterNodes < 10 || o.ClusterPods < 10:
		return o, errors.New("-cluster-nodes and -cluster-pods have to be 10 or more")
	case o.Duration <= 0 || o.Warmup <= 0 || o.ClusterIdle <= 0:
		return o, errors.New("-duration, -warmup and -cluster-idle have to be above 0")
	case o.Share <= 0 || o.Share > 1:
		return o, errors.New("-share has to be above 0 and at most 1")
	}
	return o, nil
}

// flags are the flags that set o.
func (o *options) flags(stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Root, "root", "..", "the checkout to build from")
	flags.StringVar(&o.report, "report", "", "write the report to this `file`, in Markdown, and its curves to the folder beside it that is called so without extension; empty: standard output, and the curves go beside -json")
	flags.StringVar(&o.json, "json", filepath.Join(".cache", "performance.json"), "write every figure to this `file`, in JSON")
	flags.StringVar(&o.Only, "only", "", "run only what has this `text` in its name, or one of several joined by commas: a workload over HTTP, or one of the parts "+parts.Names())
	flags.IntVar(&o.Rounds, "rounds", 5, "rounds, of which the median is reported")
	flags.DurationVar(&o.Duration, "duration", time.Second, "how long one server is asked in one round, twice: in a closed loop and at a constant rate")
	flags.DurationVar(&o.Warmup, "warmup", 200*time.Millisecond, "how long a server is asked before a workload is measured; repeated requests are asked once each, however long that takes")
	flags.DurationVar(&o.timeout, "timeout", time.Hour, "give up after this time")
	flags.IntVar(&o.Connections, "connections", 8, "connections to a server, for reviews; scheduler calls come over one, as the scheduler's do")
	flags.Float64Var(&o.Share, "share", 0.5, "the constant rate, as a part of what the slowest server does in the closed loop")
	flags.IntVar(&o.Users, "users", 1000, "users with tokens")
	flags.IntVar(&o.Bindings, "bindings", 10000, "role bindings, half of them cluster-wide")
	flags.IntVar(&o.Nodes, "nodes", 5000, "nodes in a scheduler call; over HTTP a tenth of them too")
	flags.IntVar(&o.Pods, "pods", 1500, "pods that kube-scheduler binds in each round with each extender")
	flags.IntVar(&o.BadTokens, "bad-tokens", 60000, "bad tokens that come as fast as they are answered, in each round")
	flags.IntVar(&o.ClusterNodes, "cluster-nodes", 5000, "nodes in the real API server; a tenth and three times as many too")
	flags.IntVar(&o.ClusterPods, "cluster-pods", 50000, "pods on those nodes, and in proportion on fewer and on more")
	flags.DurationVar(&o.ClusterIdle, "cluster-idle", time.Minute, "how long verdict's processor time is taken while nothing happens in the cluster")
	flags.Uint64Var(&o.Seed, "seed", 1, "the same seed makes the same requests")
	flags.StringVar(&o.nothing, "serve-nothing", "", "do nothing but answer on this `address` what the arguments, PATH=FILE, say")
	flags.StringVar(&o.extender, "serve-extender", "", "be a do-nothing scheduler extender on this `address`")
	flags.StringVar(&o.cert, "cert", "", "with -serve-nothing, the certificate `file`")
	flags.StringVar(&o.key, "key", "", "with -serve-nothing, the certificate's key `file`")
	return flags
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o, err := parse(arguments, stderr)
	if err != nil {
		return err
	}
	if o.extender != "" {
		return servers.ServeExtender(ctx, o.extender)
	}
	if o.nothing != "" {
		return servers.ServeNothing(ctx, o.nothing, o.cert, o.key, o.answers)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	made, err := parts.Run(ctx, o.Options, stderr)
	if made == nil {
		return err
	}
	return errors.Join(err, write(made, o, stdout))
}

func write(made *report.Report, o options, stdout io.Writer) error {
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return fmt.Errorf("marshalling the report: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(o.json), 0o750); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	curves := filepath.Join(filepath.Dir(o.json), "performance")
	if o.report != "" {
		curves = strings.TrimSuffix(o.report, filepath.Ext(o.report)) // performance.md: performance/
	}
	for _, curve := range made.Curves {
		if err := chart.Write(curves, curve); err != nil {
			return err
		}
	}
	if o.report == "" {
		return made.Markdown(stdout)
	}
	var markdown strings.Builder
	if err := made.Markdown(&markdown); err != nil {
		return err
	}
	if err := os.WriteFile(o.report, []byte(markdown.String()), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
