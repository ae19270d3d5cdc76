package footprint

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Problem is a mistake in the metadata of a module.
type Problem struct {
	Location *ast.Location
	Message  string
}

const cacheForm = "write `custom: {cache: {ttl: 30s}}` in the metadata of the package"

// CheckAnnotations finds every custom.cache that does not say for how long
// the decisions of a package are kept. The modules have been parsed with their
// annotations.
func CheckAnnotations(modules []*ast.Module) []Problem {
	var out []Problem
	for _, module := range modules {
		for _, annotations := range module.Annotations {
			cache, ok := annotations.Custom["cache"]
			if !ok {
				continue
			}
			if annotations.Scope != "package" {
				out = append(out, Problem{annotations.Location, fmt.Sprintf("custom.cache is read in the metadata of packages and not of scope %s: %s", annotations.Scope, cacheForm)})
				continue
			}
			if _, message := parseCache(cache); message != "" {
				out = append(out, Problem{annotations.Location, message + ": " + cacheForm})
			}
		}
	}
	return out
}

// parseCache reads custom.cache, or says what is wrong with it.
func parseCache(cache any) (ttl time.Duration, message string) {
	fields, ok := cache.(map[string]any)
	if !ok {
		return 0, "custom.cache is not a map"
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if key != "ttl" {
			return 0, fmt.Sprintf("custom.cache has no field %s", key)
		}
	}
	text, ok := fields["ttl"].(string)
	if ok {
		var err error
		ttl, err = time.ParseDuration(text)
		ok = err == nil
	}
	if !ok || ttl <= 0 {
		return 0, "custom.cache.ttl is not a duration above zero, such as 30s or 5m"
	}
	return ttl, ""
}

// packageTTL is how long the metadata of the package lets decisions be kept, 0
// when it does not say.
func packageTTL(set *ast.AnnotationSet, pkg *ast.Package) time.Duration {
	annotations := set.GetPackageScope(pkg)
	if annotations == nil || !annotations.GetTargetPath().Equal(pkg.Path) {
		return 0
	}
	cache, ok := annotations.Custom["cache"]
	if !ok {
		return 0
	}
	ttl, message := parseCache(cache)
	if message != "" {
		return 0
	}
	return ttl
}
