# METADATA
# title: Taints and tolerations
# description: Taints of nodes against tolerations of pods, as v1.Toleration defines them.
package lib.taints

import data.lib.integers

# METADATA
# title: Toleration
# description: |
#   True when the v1 Toleration tolerates the v1 Taint. The operators are Equal
#   (also when it is absent or empty), Exists, Gt and Lt; an absent or empty
#   key or effect matches any.
# scope: document
default tolerates(_, _) := false

tolerates(toleration, taint) if {
	is_object(toleration)
	is_object(taint)
	_text(toleration, "effect") in {"", _text(taint, "effect")}
	_text(toleration, "key") in {"", _text(taint, "key")}
	_tolerates_value(_text(toleration, "operator"), _text(toleration, "value"), _text(taint, "value"))
}

# METADATA
# title: Untolerated taints
# description: |
#   The taints with the effect NoSchedule or NoExecute that no toleration of
#   the list tolerates. Either list may be null.
untolerated(taints, tolerations) := {taint |
	some taint in taints
	taint.effect in {"NoSchedule", "NoExecute"}
	not _tolerated(taint, tolerations)
}

_tolerated(taint, tolerations) if {
	some toleration in tolerations
	tolerates(toleration, taint)
}

_tolerates_value("Exists", _, _) := true

_tolerates_value(operator, tolerated, value) if {
	operator in {"", "Equal"}
	tolerated == value
}

_tolerates_value("Gt", tolerated, value) if _integer(value) > _integer(tolerated)

_tolerates_value("Lt", tolerated, value) if _integer(value) < _integer(tolerated)

# Kubernetes takes only the canonical spelling here: no sign but -, no leading zero.
_integer(text) := integers.parse(text) if regex.match(`^(0|-?[1-9][0-9]*)$`, text)

_text(object_, field) := value if {
	value := object.get(object_, field, "")
	value != null
}

_text(object_, field) := "" if object.get(object_, field, "") == null
