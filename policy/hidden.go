package policy

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// hiddenAnnotations warns of annotations of pods on nodes that scheduling rules
// read and that Options.PodAnnotations does not list. Such an annotation is always
// undefined, and a rule that reads it takes every device for free.
func hiddenAnnotations(rules []*rule, modules []*ast.Module, allowed []string) []Problem {
	if allowed == nil {
		return nil
	}
	h := hiddenSearch{modules: modules, allowed: allowed, seen: map[string]bool{}}
	for _, r := range rules {
		if r.point != SchedulingPoint || r.evaluator == nil {
			continue
		}
		for _, pod := range r.podsRead() {
			if reads := pod.Field("annotations"); reads != nil && !pod.Whole() {
				h.check(r, reads)
			}
		}
	}
	return h.found
}

// hiddenSearch is one run of hiddenAnnotations.
type hiddenSearch struct {
	modules []*ast.Module
	allowed []string
	seen    map[string]bool // the names that were warned of; "" is all annotations
	found   problems
}

// check warns of the annotations that r reads, each of which is warned of once.
func (h *hiddenSearch) check(r *rule, reads *document.Selection) {
	if reads.Whole() && len(h.allowed) == 0 && !h.seen[""] {
		h.seen[""] = true
		h.found.at(nil, "%s reads annotations of pods on nodes, and scheduling.podAnnotations lists none: list the annotations that it needs", r.path)
		return
	}
	for _, name := range reads.Names() {
		if !h.seen[name] && !listed(h.allowed, name) {
			h.seen[name] = true
			h.found.at(mentioned(h.modules, name), "%s reads the annotation %s of pods on nodes, which scheduling.podAnnotations leaves out, so that no pod ever has it: list it there", r.path, name)
		}
	}
}

// podsRead returns the parts of pods on nodes that the rule reads, one selection for
// each member of input that holds such pods.
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

// mentioned returns the location of the first string in modules that is the name, nil
// when there is none.
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
