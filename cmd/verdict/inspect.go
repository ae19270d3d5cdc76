package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/identity/kinds"
	"github.com/verdict-dev/verdict/policy"
)

func inspectCommand() *cobra.Command {
	var (
		file        string
		directories []string
		output      string
	)
	command := &cobra.Command{
		Use:   "inspect",
		Short: "Print the fields that decisions depend on, and how long decisions can be cached",
		Long: `Compile the policies, and print for each entry rule the fields of input and data
that it reads, how long its decisions can be cached, and the lines of the
policies that prevent caching or read large values. Without flags it uses the
starter policies. At the end it prints an example of input.identity for each kind
of identity source in the configuration, or for all kinds if it has none.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			write, ok := inspectionWriters[output]
			if !ok {
				return usageError{errors.New("--output: must be text or json")}
			}
			c, err := policyConfiguration(file, directories)
			if err != nil {
				return usageError{err}
			}
			revision, err := compilePolicies(cmd.Context(), c)
			if err != nil {
				return err
			}
			for _, warning := range revision.Warnings() {
				if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+warning.String()); err != nil {
					return err
				}
			}
			return write(cmd.OutOrStdout(), revision, c)
		},
	}
	set := command.Flags()
	set.StringVar(&file, "config", "", "configuration file, for its policies, entry rules and allowed hosts")
	set.StringArrayVar(&directories, "policy", nil, "folder of .rego, data.json and data.yaml files, instead of the starter policies (repeatable)")
	set.StringVarP(&output, "output", "o", "text", "form: text or json")
	return command
}

var inspectionWriters = map[string]func(io.Writer, *policy.Revision, *config.Configuration) error{
	"text": writeInspectionText,
	"json": writeInspectionJSON,
}

func writeInspectionText(w io.Writer, revision *policy.Revision, c *config.Configuration) error {
	var b strings.Builder
	for i, rule := range revision.Inspect() {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(rule.Rule + "\n")
		if !rule.Defined {
			b.WriteString("  no policy has this rule\n")
			continue
		}
		column(&b, "reads", append(rule.Input, rule.Data...))
		column(&b, "cached", lifetime(rule, c.Cache))
		var wide []string
		for _, widening := range rule.Widenings {
			wide = append(wide, fmt.Sprintf("%s, all of it: %s", widening.Path, widening.Location))
		}
		column(&b, "wide", wide)
		column(&b, "run", []string{evaluatorOf(rule)})
	}
	examples, err := exampleIdentities(c)
	if err != nil {
		return err
	}
	for _, example := range examples {
		var text bytes.Buffer
		if err := json.Indent(&text, example.text, "  ", "  "); err != nil {
			return err
		}
		fmt.Fprintf(&b, "\ninput.identity from a source of the kind %s, for example\n  %s\n", example.kind, &text)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// column writes a heading with lines beside it, nothing where there are none.
func column(b *strings.Builder, heading string, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(b, "  %-6s %s\n", heading, line)
		heading = ""
	}
}

// exampleIdentity is what input.identity looks like.
type exampleIdentity struct {
	kind string
	text []byte // JSON
}

// exampleIdentities are those of the kinds that are configured, of all where
// none is.
func exampleIdentities(c *config.Configuration) ([]exampleIdentity, error) {
	used := map[string]string{} // the first source of a kind
	for _, source := range c.Authentication.Sources {
		if used[source.Kind] == "" {
			used[source.Kind] = source.Name
		}
	}
	var out []exampleIdentity
	for _, kind := range kinds.All() {
		name := used[kind.Name]
		if len(used) > 0 && name == "" {
			continue
		}
		example := kind.Example()
		if name != "" {
			example.Source = name
		}
		text, err := example.JSON()
		if err != nil {
			return nil, err
		}
		out = append(out, exampleIdentity{kind.Name, text})
	}
	return out, nil
}

func evaluatorOf(rule policy.Inspection) string {
	if rule.Interpreted == "" {
		return "compiled"
	}
	return "by OPA's interpreter: " + rule.Interpreted
}

// lifetime says how long decisions are cached, and what prevents a longer time.
func lifetime(rule policy.Inspection, cache config.Cache) []string {
	var out []string
	switch {
	case !cache.Enabled:
		return []string{"never: cache.enabled is false"}
	case !rule.Cached:
		out = append(out, "never")
		for _, use := range rule.Varying {
			if use.TTL == 0 {
				out = append(out, fmt.Sprintf("because of %s: %s; its package does not say for how long", use.Builtin, use.Location))
			}
		}
		return append(out, "to cache decisions for some time, write `custom: {cache: {ttl: 30s}}` in the metadata of the package")
	case rule.TTL > 0:
		out = append(out, fmt.Sprintf("for %v", rule.TTL))
		for _, use := range rule.Varying {
			out = append(out, fmt.Sprintf("because of %s: %s; its package says %v", use.Builtin, use.Location, use.TTL))
		}
	default:
		out = append(out, "while the fields that it reads stay the same")
	}
	if rule.Timed {
		out = append(out, "until data.lib.time.active changes at the latest")
	}
	if lifetimes := cache.Lifetimes; lifetimes != (policy.Lifetimes{}) {
		out = append(out, fmt.Sprintf("and cache.lifetimes: allow %s, deny %s, noOpinion %s",
			limit(lifetimes.Allow), limit(lifetimes.Deny), limit(lifetimes.NoOpinion)))
	}
	return out
}

func limit(d time.Duration) string {
	if d == 0 {
		return "no limit"
	}
	return d.String()
}

// inspectedRule is an entry of the JSON output.
type inspectedRule struct {
	Rule    string   `json:"rule"`
	Defined bool     `json:"defined"`
	Input   []string `json:"input,omitempty"`
	Data    []string `json:"data,omitempty"`
	Kept    bool     `json:"kept"`
	// TTLSeconds is 0 for no limit.
	TTLSeconds float64 `json:"ttlSeconds,omitempty"`
	Timed      bool    `json:"timed,omitempty"`
	// Interpreted says why OPA's interpreter runs the rule; absent where it is
	// compiled.
	Interpreted string              `json:"interpreted,omitempty"`
	Varying     []inspectedUse      `json:"varying,omitempty"`
	Widenings   []inspectedWidening `json:"widenings,omitempty"`
}

// inspectedLifetimes are cache.lifetimes; 0 for no limit.
type inspectedLifetimes struct {
	Allow     float64 `json:"allowSeconds"`
	Deny      float64 `json:"denySeconds"`
	NoOpinion float64 `json:"noOpinionSeconds"`
}

type inspectedUse struct {
	Builtin    string  `json:"builtin"`
	Location   string  `json:"location"`
	TTLSeconds float64 `json:"ttlSeconds,omitempty"`
}

type inspectedWidening struct {
	Path     string `json:"path"`
	Location string `json:"location"`
}

func writeInspectionJSON(w io.Writer, revision *policy.Revision, c *config.Configuration) error {
	cache := c.Cache
	out := struct {
		Revision  string             `json:"policyRevision"`
		Cached    bool               `json:"cacheEnabled"`
		Lifetimes inspectedLifetimes `json:"cacheLifetimes"`
		Rules     []inspectedRule    `json:"rules"`
		// Identities are examples of input.identity by the kind of source.
		Identities map[string]json.RawMessage `json:"identityExamples"`
	}{
		Identities: map[string]json.RawMessage{},
		Revision:   revision.ID(), Cached: cache.Enabled,
		Lifetimes: inspectedLifetimes{cache.Lifetimes.Allow.Seconds(), cache.Lifetimes.Deny.Seconds(), cache.Lifetimes.NoOpinion.Seconds()},
	}
	for _, rule := range revision.Inspect() {
		inspected := inspectedRule{
			Rule: rule.Rule, Defined: rule.Defined, Input: rule.Input, Data: rule.Data,
			Kept: rule.Cached, TTLSeconds: rule.TTL.Seconds(), Timed: rule.Timed, Interpreted: rule.Interpreted,
		}
		for _, use := range rule.Varying {
			inspected.Varying = append(inspected.Varying, inspectedUse{use.Builtin, use.Location, use.TTL.Seconds()})
		}
		for _, widening := range rule.Widenings {
			inspected.Widenings = append(inspected.Widenings, inspectedWidening(widening))
		}
		out.Rules = append(out.Rules, inspected)
	}
	examples, err := exampleIdentities(c)
	if err != nil {
		return err
	}
	for _, example := range examples {
		out.Identities[example.kind] = example.text
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}
