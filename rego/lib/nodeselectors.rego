# METADATA
# title: Node selectors
# description: |
#   Node selectors as v1.NodeSelector defines them, such as
#   requiredDuringSchedulingIgnoredDuringExecution of a pod's node affinity.
package lib.nodeselectors

import data.lib.integers
import data.lib.labels

# METADATA
# title: Node selector
# description: |
#   True when one of the selector's nodeSelectorTerms matches the v1 Node. No
#   terms, and a term without requirements, match nothing.
# scope: document
default matches(_, _) := false

matches(selector, node) if {
	some term in selector.nodeSelectorTerms
	matches_term(term, node)
}

# METADATA
# title: Node selector term
# description: |
#   True when every requirement of the term (matchExpressions on labels,
#   matchFields on metadata.name) holds for the v1 Node. The operators are In,
#   NotIn, Exists, DoesNotExist, Gt and Lt.
# scope: document
default matches_term(_, _) := false

matches_term(term, node) if {
	is_object(term)
	is_object(node)
	expressions := _array(object.get(term, "matchExpressions", null))
	fields := _array(object.get(term, "matchFields", null))
	count(expressions) + count(fields) > 0
	node_labels := _object(object.get(node, ["metadata", "labels"], null))
	every requirement in expressions {
		_satisfies(requirement, node_labels)
	}
	every requirement in fields {
		requirement.operator in {"In", "NotIn"}
		requirement.key == "metadata.name"
		count(_array(requirement.values)) == 1
		labels.satisfies(requirement, {"metadata.name": node.metadata.name})
	}
}

_satisfies(requirement, node_labels) if labels.satisfies(requirement, node_labels)

_satisfies(requirement, node_labels) if {
	requirement.operator == "Gt"
	integers.parse(node_labels[requirement.key]) > _bound(requirement)
}

_satisfies(requirement, node_labels) if {
	requirement.operator == "Lt"
	integers.parse(node_labels[requirement.key]) < _bound(requirement)
}

_bound(requirement) := integers.parse(requirement.values[0]) if count(_array(requirement.values)) == 1

_object(value) := value if is_object(value)

_object(null) := {}

_array(value) := value if is_array(value)

_array(null) := []
