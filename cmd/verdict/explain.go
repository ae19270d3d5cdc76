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

	"github.com/verdict-dev/verdict/policy"
)

func explainCommand() *cobra.Command {
	var (
		file        string
		directories []string
		point       string
		detail      string
	)
	command := &cobra.Command{
		Use:   "explain FILE",
		Short: "Print what the policies say of one input, and why",
		Long: `Ask the entry rules of one extension point about the JSON document in FILE, or
on standard input for "-", which is what policies see as input: a
SubjectAccessReview in its v1 form, {"pod": …, "node": …}, or a TokenReview with
what a token proves at "identity". data.cluster is empty.

The explanation is OPA's interpreter's. Where a rule is compiled both are asked,
and that they disagree is an error.`,
		Args: oneArgument("the file with the input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(policy.Details(), policy.Detail(detail)) {
				return usageError{fmt.Errorf("--detail: must be one of %v", policy.Details())}
			}
			c, err := policyConfiguration(file, directories)
			if err != nil {
				return usageError{err}
			}
			text, err := readArgument(cmd, args[0])
			if err != nil {
				return usageError{err}
			}
			document, err := policy.ParseObject(text)
			if err != nil {
				return usageError{fmt.Errorf("%s: %w", args[0], err)}
			}
			defer document.Release()
			if err := checkInput(point, document.Root()); err != nil {
				return usageError{fmt.Errorf("%s: %w", args[0], err)}
			}
			revision, err := compilePolicies(cmd.Context(), c)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), explainTimeout)
			defer cancel()
			explained, err := revision.View().Explain(ctx, point, document.Root())
			switch {
			case errors.Is(err, policy.ErrNoSuchPoint):
				return usageError{fmt.Errorf("--point: %w", err)}
			case err != nil:
				return err
			}
			return writeExplanation(cmd.OutOrStdout(), explained, policy.Detail(detail))
		},
	}
	set := command.Flags()
	set.StringVar(&file, "config", "", "configuration file, for its policies, entry rules and allowed hosts")
	set.StringArrayVar(&directories, "policy", nil, "folder of .rego, data.json and data.yaml files, instead of the starter policies (repeatable)")
	set.StringVar(&point, "point", "authorization", "who asks: authentication, authorization or scheduling")
	set.StringVar(&detail, "detail", string(policy.DetailRules), "steps to print: rules that gave something, notes of trace(…), fails, or full")
	return command
}

// explainTimeout is how long the rules may take: longer than in a request, since
// every step is told.
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

// checkInput refuses what a policy never sees: other versions, and tokens.
func checkInput(point string, input policy.Value) error {
	want := map[string]string{"authorization": "authorization.k8s.io/v1", "authentication": "authentication.k8s.io/v1"}[point]
	got, err := input.String("apiVersion")
	if err != nil {
		return err
	}
	if want != "" && got != "" && got != want {
		return fmt.Errorf("apiVersion %s: policies see the %s form, write it so", got, want)
	}
	if point == "authentication" {
		input.Get("spec").Hide("token")
	}
	return nil
}

var errDisagreement = errors.New("a compiled rule and OPA's interpreter disagree, which is a defect: please report it, and set policy.evaluator to interpreter meanwhile")

func writeExplanation(w io.Writer, explained policy.Explained, detail policy.Detail) error {
	var b strings.Builder
	fmt.Fprintln(&b, explained.Outcome)
	disagree := false
	for i := range explained.Rules {
		rule := &explained.Rules[i]
		fmt.Fprintf(&b, "\n%s\n", rule.Rule)
		if !rule.Defined {
			b.WriteString("  no policy has this rule\n")
			continue
		}
		switch {
		case rule.Err != nil:
			column(&b, "says", []string{"the error " + rule.Err.Error()})
		case rule.Value == "":
			column(&b, "says", []string{"nothing: it is undefined"})
		default:
			column(&b, "says", []string{rule.Value})
		}
		switch {
		case rule.Disagreement != nil:
			disagree = true
			column(&b, "run", []string{"DISAGREEMENT: " + rule.Disagreement.String()})
		case rule.Interpreted == "":
			column(&b, "run", []string{"compiled, and by OPA's interpreter, which says the same"})
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
