# METADATA
# title: Verbs
# description: The verbs of Kubernetes requests, and matching them against what a rule grants.
package lib.verbs

# METADATA
# title: Reading verbs
# description: The verbs that look at objects and change nothing.
read := {"get", "list", "watch"}

# METADATA
# title: Writing verbs
# description: The verbs that change objects.
write := {"create", "update", "patch", "delete", "deletecollection"}

# METADATA
# title: Verb matching
# description: |
#   True when granted, a list or set of verbs, holds the verb of a request or
#   `*`. A `*` in the request is an ordinary name, not a wildcard.
# scope: document
default matches(_, _) := false

matches(granted, _) if "*" in granted

matches(granted, verb) if verb in granted
