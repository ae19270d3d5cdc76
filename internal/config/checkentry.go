package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy"
)

// entry checks the rules of one point: each is a rule in a package, and no two are
// the same, since one rule cannot both allow and deny.
func (c *checker) entry(entry Entry) {
	pathOf := func(rule policy.EntryRule) string { return rule.Point.String() + ".entry." + rule.Name }
	for i, this := range entry {
		path := pathOf(this.Rule)
		if c.undecoded[path] {
			continue
		}
		if err := checkRule(this.Path); err != nil {
			c.add(path, "%s", err)
			continue
		}
		same := slices.IndexFunc(entry[:i], func(earlier EntryPath) bool { return earlier.Path == this.Path })
		if same >= 0 {
			c.add(path, "%s is also the rule of %s: they need different rules", quote(this.Path), pathOf(entry[same].Rule))
		}
	}
}

// identifier is a name that Rego writes after a dot; others need ["…"].
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkRule(rule string) error {
	if rule == "" {
		return fmt.Errorf("is empty: name a rule, as package.rule")
	}
	names := strings.Split(rule, ".")
	if names[0] == "data" {
		return fmt.Errorf("%s begins with \"data\", which is implied: write %s", quote(rule), quote(strings.Join(names[1:], ".")))
	}
	for _, name := range names {
		if !identifier.MatchString(name) {
			return fmt.Errorf("%s is not a rule: write package.rule, names of letters, digits and \"_\" joined by dots", quote(rule))
		}
		if ast.IsKeywordInRegoVersion(name, ast.RegoV1) {
			return fmt.Errorf("%s is not a rule: %q is a keyword of Rego", quote(rule), name)
		}
	}
	if len(names) < 2 {
		return fmt.Errorf("%s names no package: write package.rule, such as kubernetes.authorization.allow", quote(rule))
	}
	return nil
}
