package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/cluster"
	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/document"
)

// explanation holds the flags of explain.
type explanation struct {
	file, pointName, detail, profile, verb, identity string
	directories                                      []string
	point                                            policy.Point
}

func explainCommand() *cobra.Command {
	var x explanation
	command := &cobra.Command{
		Use:   "explain FILE",
		Short: "Print the decision of the policies for one input, and the reason",
		Long: `Evaluate the entry rules of one extension point for the JSON document in FILE, or
on standard input for "-":

` + plainReviews() + `  authentication  a TokenReview, v1 or v1beta1, with the identity that its token
                  proves at "identity" or in --identity; else the sources of
                  --config verify the token, which is never printed
  scheduling      {"pod": …, "node": …, "state": …}, as policies see it, for
                  preempt also "victims"; or the body of a scheduler call with
                  whole nodes

data.cluster is empty.

OPA's interpreter gives the explanation. If a rule is compiled, explain runs both,
and it is an error when the results differ.`,
		Args: oneArgument("the file with the input"),
		RunE: func(cmd *cobra.Command, args []string) error { return x.run(cmd, args[0]) },
	}
	set := command.Flags()
	set.StringVar(&x.file, "config", "", "configuration file, for its policies, entry rules, profiles, allowed hosts and identity sources")
	set.StringArrayVar(&x.directories, "policy", nil, "folder of .rego, data.json and data.yaml files, instead of the starter policies (repeatable)")
	set.StringVar(&x.pointName, "point", policy.AuthorizationPoint.String(), "extension point of the input: "+policy.PointNames())
	set.StringVar(&x.profile, "profile", "", "scheduling profile whose rules are evaluated, instead of the default rules")
	set.StringVar(&x.verb, "verb", "", "the scheduler's call: filter, prioritize, preempt or bind (default filter and prioritize)")
	set.StringVar(&x.identity, "identity", "", "JSON file with the identity that the token of a TokenReview proves: source, type, subject, claims, audiences, expires")
	set.StringVar(&x.detail, "detail", string(policy.DetailRules), "steps to print: rules (that gave a value), notes (of trace(…)), fails (expressions that did not hold), or full")
	return command
}

// plainReviews lists the points whose reviews are the whole input.
func plainReviews() string {
	var lines strings.Builder
	for _, point := range policy.Points() {
		if _, kind := handlers.ReviewKind(point); kind != "" && point != policy.AuthenticationPoint {
			fmt.Fprintf(&lines, "  %-15s %s, v1 or v1beta1\n", point, oneReview(point))
		}
	}
	return lines.String()
}

// check completes the flags, some of which are of one point alone.
func (x *explanation) check(pointSaid bool) error {
	if !slices.Contains(policy.Details(), policy.Detail(x.detail)) {
		return fmt.Errorf("--detail: must be one of %v", policy.Details())
	}
	if x.verb != "" && !slices.Contains(policy.Verbs(), policy.Verb(x.verb)) {
		return fmt.Errorf("--verb: %w", policy.ErrNoSuchVerb)
	}
	for _, flag := range []struct {
		name, value string
		point       policy.Point
	}{
		{"--profile", x.profile, policy.SchedulingPoint}, {"--verb", x.verb, policy.SchedulingPoint}, {"--identity", x.identity, policy.AuthenticationPoint},
	} {
		if flag.value == "" {
			continue
		}
		if pointSaid && x.pointName != flag.point.String() {
			return fmt.Errorf("%s: is for --point %s", flag.name, flag.point)
		}
		x.pointName, pointSaid = flag.point.String(), true
	}
	var err error
	if x.point, err = policy.PointOf(x.pointName); err != nil {
		return fmt.Errorf("--point: %w", err)
	}
	return nil
}

func (x *explanation) run(cmd *cobra.Command, name string) error {
	if err := x.check(cmd.Flags().Changed("point")); err != nil {
		return usageError{err}
	}
	c, err := policyConfiguration(x.file, x.directories)
	if err != nil {
		return usageError{err}
	}
	if x.profile != "" && x.file == "" && !slices.Contains(c.Scheduling.Profiles, x.profile) {
		c.Scheduling.Profiles = append(c.Scheduling.Profiles, x.profile) // no configuration lists the profiles
	}
	identityText, err := readIdentity(x.identity)
	if err != nil {
		return usageError{err}
	}
	text, err := readArgument(cmd, name)
	if err != nil {
		return usageError{err}
	}
	if name == "-" {
		name = "standard input"
	}
	document, err := document.ParseObject(text)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", name, err)}
	}
	document.Release()
	revision, err := compilePolicies(cmd.Context(), c)
	if err != nil {
		return err
	}
	for _, warning := range revision.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", warning.String())
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), explainTimeout)
	defer cancel()
	err = x.explain(ctx, cmd.OutOrStdout(), revision.View(), c, text, identityText)
	if usage, ok := errors.AsType[usageError](err); ok {
		return usageError{fmt.Errorf("%s: %w", name, usage.error)}
	}
	return err
}

func (x *explanation) explain(ctx context.Context, w io.Writer, view *policy.View, c *config.Configuration, text, identityText []byte) error {
	var explained policy.Explained
	var err error
	switch x.point {
	case policy.SchedulingPoint:
		return x.explainScheduling(ctx, w, view, c, text)
	case policy.AuthenticationPoint:
		if x.file == "" {
			c = nil
		}
		explained, err = explainToken(ctx, view, text, identityText, c)
	default:
		explained, err = explainReview(ctx, view, x.point, text)
	}
	if err != nil {
		return err
	}
	return writeExplanation(w, explained, policy.Detail(x.detail))
}

func (x *explanation) explainScheduling(ctx context.Context, w io.Writer, view *policy.View, c *config.Configuration, text []byte) error {
	profile := view.DefaultProfile()
	if x.profile != "" {
		named, ok := view.Profile(x.profile)
		switch {
		case !ok:
			return usageError{fmt.Errorf("--profile: there is no profile %q: add it to scheduling.profiles, which are %q", x.profile, c.Scheduling.Profiles)}
		case !named.DefinesAny():
			return usageError{fmt.Errorf("--profile: no policy has a rule of the profile %q: write rules in package kubernetes.scheduler.%[1]s", x.profile)}
		}
		profile = named
	}
	placements, verb, err := readPlacements(text, policy.Verb(x.verb), cluster.PodStateReader(c.Scheduling.PodAnnotations))
	if err != nil {
		return usageError{err}
	}
	for i, placement := range placements {
		explained, err := view.ExplainPlacement(ctx, profile, verb, placement.input)
		if errors.Is(err, policy.ErrTimeout) {
			return err
		}
		if err != nil {
			return usageError{err}
		}
		if !slices.ContainsFunc(explained.Rules, func(rule policy.Explanation) bool { return rule.Defined }) {
			explained.Outcome += ": no policy has a rule for this"
		}
		if placement.node != "" {
			explained.Outcome = "node " + placement.node + ": " + explained.Outcome
		}
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := writeExplanation(w, explained, policy.Detail(x.detail)); err != nil {
			return err
		}
	}
	return nil
}

// explainTimeout is how long the rules may take: longer than in a request, since a
// person waits for the explanation.
const explainTimeout = time.Minute

func readArgument(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		text, err := io.ReadAll(cmd.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return text, nil
	}
	return os.ReadFile(name)
}

var errDisagreement = errors.New("a compiled rule and OPA's interpreter disagree, which is a defect: please report it, and set policy.evaluator to interpreter meanwhile")

func writeExplanation(w io.Writer, explained policy.Explained, detail policy.Detail) error {
	var b strings.Builder
	fmt.Fprintln(&b, explained.Outcome)
	disagree := false
	for i := range explained.Rules {
		rule := &explained.Rules[i]
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(rule.Rule+" "+rule.About, " "))
		if !rule.Defined {
			b.WriteString("  no policy has this rule\n")
			continue
		}
		switch {
		case rule.Err != nil:
			column(&b, "value", []string{"error: " + rule.Err.Error()})
		case rule.Value == "":
			column(&b, "value", []string{"undefined"})
		default:
			column(&b, "value", []string{rule.Value})
		}
		switch {
		case rule.Disagreement != nil:
			disagree = true
			column(&b, "run", []string{"DISAGREEMENT: " + rule.Disagreement.String()})
		case rule.Interpreted == "":
			column(&b, "run", []string{"compiled, and by OPA's interpreter with the same result"})
		default:
			column(&b, "run", []string{"by OPA's interpreter: " + rule.Interpreted})
		}
		var trace strings.Builder
		rule.WriteTrace(&trace, detail)
		column(&b, "why", slices.Collect(trimmedLines(trace.String())))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if disagree {
		return errDisagreement
	}
	return nil
}

func trimmedLines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if !yield(strings.TrimRight(line, " \n")) {
				return
			}
		}
	}
}
