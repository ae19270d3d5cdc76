package policy

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Entries names the rules that the engine evaluates.
type Entries struct {
	// Paths are the paths of the entry rules outside profiles, below `data` and with
	// dots: kubernetes.authorization.allow. A rule without a path is never evaluated.
	// Nil means the default path of each rule.
	Paths map[EntryRule]string
	// Profiles are the names of further sets of scheduling rules. The rules of the
	// profile NAME are in the package kubernetes.scheduler.NAME and have the names in
	// the table of points.
	Profiles []string
}

// defaultPaths returns the default path of each entry rule. Each point has a package
// of its own, such as kubernetes.authentication.
func defaultPaths() map[EntryRule]string {
	out := map[EntryRule]string{}
	for _, p := range Points() {
		for _, rule := range p.EntryRules() {
			out[rule] = rule.DefaultPath()
		}
	}
	return out
}

// orDefault returns e, with the default paths if e has no paths.
func (e Entries) orDefault() Entries {
	for _, path := range e.Paths {
		if path != "" {
			return e
		}
	}
	e.Paths = defaultPaths()
	return e
}

// profilesRoot is the parent of the packages of profiles.
const profilesRoot = "kubernetes.scheduler"

// entry is an entry rule and its path in the configuration.
type entry struct {
	ruleRow
	path  string // "" for a rule that is never evaluated
	point Point
}

// denies reports whether the request is refused when the rule gives reasons.
func (e *entry) denies() bool { return e.outcome == Deny }

// table returns every entry rule, at its index in a revision.
func (e Entries) table() []entry {
	var out []entry
	for _, p := range Points() {
		for i, rule := range p.EntryRules() {
			out = append(out, entry{points[p].rules[i], e.Paths[rule], p})
		}
	}
	for _, name := range e.Profiles {
		out = append(out, profile(name)...)
	}
	return out
}

// profile returns the scheduling rules of the profile called name.
func profile(name string) []entry {
	var out []entry
	for _, row := range points[SchedulingPoint].rules {
		out = append(out, entry{row, profilesRoot + "." + name + "." + row.name, SchedulingPoint})
	}
	return out
}

// all returns the entry rules that have a path.
func (e Entries) all() []entry {
	var out []entry
	for _, candidate := range e.table() {
		if candidate.path != "" {
			out = append(out, candidate)
		}
	}
	return out
}

// entryRef returns the reference `data.` + path.
func entryRef(path string) ast.Ref {
	ref := ast.Ref{ast.DefaultRootDocument}
	for part := range strings.SplitSeq(path, ".") {
		ref = append(ref, ast.StringTerm(part))
	}
	return ref
}

// checkShapes reports the rules at the path of an entry rule that have a form which
// the engine does not read. It returns the paths at which there are rules.
func checkShapes(modules []*ast.Module, entries []entry, found *problems) map[string]bool {
	defined := map[string]bool{}
	for _, e := range entries {
		for _, module := range modules {
			if e.checkModule(module, found) {
				defined[e.path] = true
			}
		}
	}
	return defined
}

// checkModule reports the rules of module that the engine can't read as e. It
// reports whether module has a rule at the path of e.
func (e entry) checkModule(module *ast.Module, found *problems) (defined bool) {
	ref := entryRef(e.path)
	if module.Package.Path.HasPrefix(ref) {
		found.at(module.Package.Location, "package %s takes the place of the entry rule %s: rename the package",
			strings.TrimPrefix(module.Package.Path.String(), "data."), e.path)
		return false
	}
	if !ref.HasPrefix(module.Package.Path) {
		return false
	}
	for _, rule := range module.Rules {
		full := append(module.Package.Path.Copy(), rule.Head.Ref()...)
		// The reference of the head begins with a variable: the name in the package.
		full[len(module.Package.Path)] = ast.StringTerm(string(rule.Head.Ref()[0].Value.(ast.Var)))
		if full.HasPrefix(ref) {
			defined = true
			e.checkRule(rule, full[len(ref):], found)
		} else if ground := full.GroundPrefix(); len(ground) < len(ref) && ref.HasPrefix(ground) {
			found.at(rule.Location, "rule %v covers the entry rule %s, which the engine does not read from it: write a rule for each entry", rule.Head.Ref(), e.path)
		}
	}
	return defined
}

// checkRule reports what is wrong with the forms of rule and of its else branches.
// rest is what the reference of the head has after the path of e.
func (e entry) checkRule(rule *ast.Rule, rest ast.Ref, found *problems) {
	for r := rule; r != nil; r = r.Else {
		if message := e.check(r, rest); message != "" {
			found.at(r.Location, "%s", message)
		}
	}
}

// check returns what is wrong with the form of rule, "" when nothing is. rest is what
// the reference of the head has after the path of e.
func (e entry) check(rule *ast.Rule, rest ast.Ref) string {
	name := e.path[strings.LastIndexByte(e.path, '.')+1:]
	if len(rule.Head.Args) > 0 {
		return fmt.Sprintf("%s is an entry rule and can't be a function: give the function another name", name)
	}
	return e.shape.check(name, rule, rest, rule.Head.RuleKind() == ast.MultiValue)
}
