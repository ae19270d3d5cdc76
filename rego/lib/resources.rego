# METADATA
# title: Resources
# description: |
#   Matching the resource attributes of a request against what a rule grants.
#   Only the grant may have wildcards: callers choose the text of a request, so a
#   `*` in a request is an ordinary name.
package lib.resources

# METADATA
# title: Qualified resource
# description: |
#   The resource with its subresource as roles write it: `pods`, or `pods/log`.
#   Undefined unless both are strings; the subresource may be empty.
# scope: document
qualified(resource, "") := resource if is_string(resource)

qualified(resource, subresource) := concat("/", [resource, subresource]) if {
	is_string(resource)
	is_string(subresource)
	subresource != ""
}

# METADATA
# title: Resource matching
# description: |
#   True when granted, a list or set, holds the resource of a request:
#   `*` is everything, `pods` the pods without their subresources, `pods/log`
#   one subresource, `pods/*` every subresource of pods but not the pods, and
#   `*/scale` that subresource of every resource.
# scope: document
default matches(_, _, _) := false

matches(granted, _, _) if "*" in granted

matches(granted, resource, subresource) if qualified(resource, subresource) in granted

matches(granted, resource, subresource) if {
	subresource != ""
	qualified(resource, "*") in granted
}

matches(granted, _, subresource) if {
	subresource != ""
	qualified("*", subresource) in granted
}

# METADATA
# title: API group matching
# description: |
#   True when granted holds the API group or `*`. The core group is the empty
#   string.
# scope: document
default in_groups(_, _) := false

in_groups(granted, _) if "*" in granted

in_groups(granted, group) if group in granted

# METADATA
# title: Namespace matching
# description: |
#   True when granted holds the namespace or `*`. The empty namespace, in requests
#   for cluster-scoped resources or for all namespaces, needs `*`.
# scope: document
default in_namespaces(_, _) := false

in_namespaces(granted, _) if "*" in granted

in_namespaces(granted, namespace) if {
	namespace != ""
	namespace in granted
}

# METADATA
# title: Name matching
# description: |
#   True when granted holds the object's name. There is no wildcard, and a
#   request without a name, such as list and create, does not match.
# scope: document
default named(_, _) := false

named(granted, name) if {
	name != ""
	name in granted
}
