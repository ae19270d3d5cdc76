package policy

import (
	"maps"
	"slices"
)

// buildCache is what one revision leaves to the next, which usually differs in a
// file or two: what did not change is neither read nor compiled again. It is for
// one set of Options and for one goroutine at a time.
type buildCache struct {
	documents parsedDocuments
	modules   parsedModules
	policies  *policies // nil before something was compiled
}

// clone is a copy that can be changed while the original is in use. What it holds
// is only read.
func (c *buildCache) clone() buildCache {
	out := *c
	out.documents.byHash = maps.Clone(c.documents.byHash)
	out.modules.byHash = maps.Clone(c.modules.byHash)
	return out
}

// changed lists the files of content that the last load did not have.
func (c *buildCache) changed(content Content) []string {
	var out []string
	for _, m := range content.Modules {
		if _, known := c.modules.byHash[m.id()]; !known {
			out = append(out, m.Path)
		}
	}
	for _, d := range content.Documents {
		if _, known := c.documents.byHash[d.id()]; !known {
			out = append(out, d.Path)
		}
	}
	return slices.Compact(out)
}
