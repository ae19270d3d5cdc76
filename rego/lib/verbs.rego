# METADATA
# title: Verbs
# description: The verbs of Kubernetes requests, and matching them against what a rule grants.
package lib.verbs

# METADATA
# title: Reading verbs
# description: The verbs that read objects and change nothing.
read := {"get", "list", "watch"}

# METADATA
# title: Writing verbs
# description: The verbs that change objects.
write := {"create", "update", "patch", "delete", "deletecollection"}

# METADATA
# title: Verb matching
# description: |
#   True when granted, a list or set of verbs, holds the verb of a request or
#   `*`. A `*` in the request is an ordinary name, not a wildcard. As with RBAC,
#   `*` in a grant covers every verb, including the verbs of impersonation. There
#   are no other wildcards: `impersonate-on:user-info:*` covers only itself.
# scope: document
default matches(_, _) := false

matches(granted, _) if "*" in granted

matches(granted, verb) if verb in granted

# METADATA
# title: Impersonation
# description: |
#   True for each verb with which kube-apiserver asks whether a user may act as
#   another user: `impersonate`, and, since Kubernetes 1.36, `impersonate:<mode>` on
#   the impersonated user and `impersonate-on:<mode>:<verb>` on the target of the
#   request (KEP-5284). A rule that checks only `impersonate` misses the others.
# scope: document
default impersonation(_) := false

impersonation("impersonate") := true

impersonation(verb) if {
	is_string(verb)
	startswith(verb, "impersonate:")
}

impersonation(verb) if {
	is_string(verb)
	startswith(verb, _on)
}

# METADATA
# title: Underlying verb
# description: |
#   The verb of the request itself: `get` for `impersonate-on:user-info:get`, which
#   asks whether a user may get the object while impersonating. Any other verb is
#   returned unchanged. Undefined unless it is a string.
# scope: document
underlying(verb) := verb if {
	is_string(verb)
	not startswith(verb, _on)
}

underlying(verb) := concat(":", array.slice(parts, 2, count(parts))) if {
	is_string(verb)
	startswith(verb, _on)
	parts := split(verb, ":")
}

_on := "impersonate-on:"
