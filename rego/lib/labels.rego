# METADATA
# title: Labels
# description: |
#   Label selectors as metav1.LabelSelector defines them. Invalid selectors, such
#   as an unknown operator or In without values, match nothing.
package lib.labels

# METADATA
# title: Label selector
# description: |
#   True when the selector (matchLabels, matchExpressions) selects the labels.
#   The empty selector selects everything, null nothing. Labels may be null.
# scope: document
default matches(_, _) := false

matches(selector, labels) if {
	is_object(selector)
	present := _object(labels)
	every key, value in _object(object.get(selector, "matchLabels", null)) {
		present[key] == value
	}
	every requirement in _array(object.get(selector, "matchExpressions", null)) {
		satisfies(requirement, present)
	}
}

# METADATA
# title: Label requirement
# description: |
#   True when the labels satisfy one requirement {key, operator, values} with
#   the operator In, NotIn, Exists or DoesNotExist. NotIn holds for labels
#   without the key.
# scope: document
default satisfies(_, _) := false

satisfies(requirement, labels) if {
	requirement.operator == "In"
	labels[requirement.key] in _values(requirement)
}

satisfies(requirement, labels) if {
	requirement.operator == "NotIn"
	is_string(requirement.key)
	values := _values(requirement)
	not _holds(labels, requirement.key, values)
}

satisfies(requirement, labels) if {
	requirement.operator == "Exists"
	_no_values(requirement)
	some key, _ in labels
	key == requirement.key
}

satisfies(requirement, labels) if {
	requirement.operator == "DoesNotExist"
	_no_values(requirement)
	is_string(requirement.key)
	every key, _ in _object(labels) {
		key != requirement.key
	}
}

_holds(labels, key, values) if labels[key] in values

_values(requirement) := requirement.values if {
	is_array(requirement.values)
	count(requirement.values) > 0
}

_no_values(requirement) if not requirement.values

_no_values(requirement) if requirement.values in {null, []}

_object(value) := value if is_object(value)

_object(null) := {}

_array(value) := value if is_array(value)

_array(null) := []
