package policy

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Entries names the rules that the engine asks.
type Entries struct {
	// Paths are those of the entry rules outside profiles, as dotted paths below
	// `data`: kubernetes.authorization.allow. A rule without a path is never asked.
	// Nil means the default of each.
	Paths map[EntryRule]string
	// Profiles are further sets of scheduling rules, by name. Those of NAME are
	// in the package kubernetes.scheduler.NAME, under the names that the table of
	// points gives them.
	Profiles []string
}

// defaultPaths are the rules of the packages kubernetes.authentication,
// kubernetes.authorization and so on: one for each point.
func defaultPaths() map[EntryRule]string {
	out := map[EntryRule]string{}
	for _, p := range Points() {
		for _, rule := range p.EntryRules() {
			out[rule] = rule.DefaultPath()
		}
	}
	return out
}

// orDefault is e, with defaultPaths where it has no paths.
func (e Entries) orDefault() Entries {
	for _, path := range e.Paths {
		if path != "" {
			return e
		}
	}
	e.Paths = defaultPaths()
	return e
}

// profilesRoot is the package that those of profiles are in.
const profilesRoot = "kubernetes.scheduler"

// entry is an entry rule where the configuration has it.
type entry struct {
	ruleRow
	path  string // "" is never asked
	point Point
}

// denies says that reasons of the rule refuse.
func (e *entry) denies() bool { return e.outcome == Deny }

// table is every entry rule by its index in a revision.
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

// profile are the scheduling rules of the profile called name.
func profile(name string) []entry {
	var out []entry
	for _, row := range points[SchedulingPoint].rules {
		out = append(out, entry{row, profilesRoot + "." + name + "." + row.name, SchedulingPoint})
	}
	return out
}

// all lists the entry rules that are asked.
func (e Entries) all() []entry {
	var out []entry
	for _, candidate := range e.table() {
		if candidate.path != "" {
			out = append(out, candidate)
		}
	}
	return out
}

// entryRef is the reference `data.` + path.
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
			found.at(rule.Location, "rule %v spans the entry rule %s, which is not read there: write a rule for each entry", rule.Head.Ref(), e.path)
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

// check says what is wrong with the form of rule, whose head goes on below the
// entry's path with rest; "" when nothing is.
func (e entry) check(rule *ast.Rule, rest ast.Ref) string {
	name := e.path[strings.LastIndexByte(e.path, '.')+1:]
	if len(rule.Head.Args) > 0 {
		return fmt.Sprintf("%s is asked by the engine and can't be a function: give the function another name", name)
	}
	return e.shape.check(name, rule, rest, rule.Head.RuleKind() == ast.MultiValue)
}
