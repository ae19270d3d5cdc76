package policy

import "github.com/verdict-dev/verdict/policy/footprint"

// Narrow takes something out of the footprint of every entry rule before the
// engine uses it.
func (o *Options) Narrow(narrow func(path string, f *footprint.Footprint)) { o.narrow = narrow }

// Footprints are those of the entry rules that are defined, by their paths.
func (r *Revision) Footprints() map[string]*footprint.Footprint {
	out := map[string]*footprint.Footprint{}
	for _, rule := range r.rules {
		if rule.evaluator != nil {
			out[rule.path] = rule.footprint
		}
	}
	return out
}
