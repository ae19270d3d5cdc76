package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// entry is the configured path of an entry rule.
type entry struct{ path, rule string }

// entries checks the rules of one point: each is a rule in a package, and no two
// are the same, since one rule cannot both allow and deny.
func (c *checker) entries(entries ...entry) {
	for i, this := range entries {
		if c.undecoded[this.path] {
			continue
		}
		if err := checkRule(this.rule); err != nil {
			c.add(this.path, "%s", err)
			continue
		}
		same := slices.IndexFunc(entries[:i], func(earlier entry) bool { return earlier.rule == this.rule })
		if same >= 0 {
			c.add(this.path, "%s is the rule of %s too: they need different rules", quote(this.rule), entries[same].path)
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
