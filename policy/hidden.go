package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// hiddenAnnotations finds annotations of pods on nodes that scheduling rules read
// and Options.PodAnnotations leaves out: they are undefined for ever, so that such
// a rule takes every device for free.
func hiddenAnnotations(rules []*rule, modules []*ast.Module, allowed []string) []Problem {
	if allowed == nil {
		return nil
	}
	var out problems
	seen := map[string]bool{}
	for _, r := range rules {
		if r.point != SchedulingPoint || r.evaluator == nil {
			continue
		}
		for _, pod := range r.podsRead() {
			reads := pod.Field("annotations")
			switch {
			case pod.Whole() || reads == nil:
			case reads.Whole() && len(allowed) == 0 && !seen[""]:
				seen[""] = true
				out.at(nil, "%s reads annotations of pods on nodes, and scheduling.podAnnotations lists none: list those that it needs", r.path)
			default:
				for _, name := range reads.Names() {
					if !seen[name] && !listed(allowed, name) {
						seen[name] = true
						out.at(mentioned(modules, name), "%s reads the annotation %s of pods on nodes, which scheduling.podAnnotations leaves out, so that no pod ever has it: list it there", r.path, name)
					}
				}
			}
		}
	}
	return out
}

// podsRead are what the rule reads of pods on nodes, by where it finds them.
func (r *rule) podsRead() []*document.Selection {
	var out []*document.Selection
	for _, name := range []string{stateName, stateWithoutName} {
		if state := r.input.Field(name); state != nil {
			if pods := state.Field("pods"); pods != nil {
				out = append(out, pods.Item())
			}
		}
	}
	if victim := r.input.Field(victimName); victim != nil {
		out = append(out, victim)
	}
	if victims := r.input.Field(victimsName); victims != nil {
		out = append(out, victims.Item())
	}
	return out
}

// listed reports whether the name is one of allowed, or begins with one that ends
// in "/".
func listed(allowed []string, name string) bool {
	return slices.ContainsFunc(allowed, func(each string) bool {
		return each == name || strings.HasSuffix(each, "/") && strings.HasPrefix(name, each)
	})
}

// mentioned is where modules mention a name first; nil where they do not.
func mentioned(modules []*ast.Module, name string) (found *ast.Location) {
	for _, module := range modules {
		ast.WalkTerms(module, func(term *ast.Term) bool {
			if text, ok := term.Value.(ast.String); ok && string(text) == name && found == nil {
				found = term.Location
			}
			return found != nil
		})
	}
	return found
}
