# METADATA
# title: Paths
# description: Matching the path of a non-resource request against what a rule grants.
package lib.paths

# METADATA
# title: Path matching
# description: |
#   True when granted, a list or set, holds the path, or a pattern that ends in
#   `*` and whose text before it begins the path: `/healthz*`, `/apis/*`, `*`. A `*`
#   anywhere else, and any `*` in the request, is an ordinary character.
# scope: document
default matches(_, _) := false

matches(granted, path) if {
	is_string(path)
	path in granted
}

matches(granted, path) if {
	is_string(path)
	some pattern in granted
	is_string(pattern)
	endswith(pattern, "*")
	startswith(path, trim_suffix(pattern, "*"))
}
