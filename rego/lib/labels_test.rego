package lib.labels_test

import data.lib.labels

_payments := {"team": "payments", "tier": "backend"}

test_match_labels if {
	labels.matches({"matchLabels": {"team": "payments"}}, _payments)
	labels.matches({"matchLabels": {"team": "payments", "tier": "frontend"}}, _payments) == false
	labels.matches({"matchLabels": {"zone": "a"}}, _payments) == false
}

test_empty_selects_everything_and_null_nothing if {
	labels.matches({}, _payments)
	labels.matches({}, null)
	labels.matches({"matchLabels": null, "matchExpressions": null}, _payments)
	labels.matches(null, _payments) == false
}

test_operators if {
	every case in [
		{"key": "team", "operator": "In", "values": ["search", "payments"], "want": true},
		{"key": "team", "operator": "In", "values": ["search"], "want": false},
		{"key": "zone", "operator": "In", "values": ["a"], "want": false},
		{"key": "team", "operator": "NotIn", "values": ["search"], "want": true},
		{"key": "team", "operator": "NotIn", "values": ["payments"], "want": false},
		{"key": "zone", "operator": "NotIn", "values": ["a"], "want": true},
		{"key": "team", "operator": "Exists", "want": true},
		{"key": "team", "operator": "Exists", "values": [], "want": true},
		{"key": "zone", "operator": "Exists", "values": null, "want": false},
		{"key": "zone", "operator": "DoesNotExist", "want": true},
		{"key": "team", "operator": "DoesNotExist", "want": false},
		{"key": "team", "operator": "In", "values": [], "want": false},
		{"key": "team", "operator": "NotIn", "values": [], "want": false},
		{"key": "team", "operator": "NotIn", "want": false},
		{"key": "team", "operator": "Exists", "values": ["payments"], "want": false},
		{"key": "zone", "operator": "DoesNotExist", "values": ["a"], "want": false},
		{"key": "team", "operator": "Gt", "values": ["1"], "want": false},
		{"key": "team", "operator": "in", "values": ["payments"], "want": false},
	] {
		requirement := object.remove(case, ["want"])
		labels.matches({"matchExpressions": [requirement]}, _payments) == case.want
	}
}

test_every_requirement_must_hold if {
	selector := {
		"matchLabels": {"team": "payments"},
		"matchExpressions": [
			{"key": "tier", "operator": "Exists"},
			{"key": "tier", "operator": "NotIn", "values": ["backend"]},
		],
	}
	labels.matches(selector, _payments) == false
}

test_empty_label_value_is_present if {
	labels.matches({"matchExpressions": [{"key": "edge", "operator": "Exists"}]}, {"edge": ""})
}

test_odd_selectors_match_nothing if {
	every selector in [7, "team", [], {"matchLabels": 7}, {"matchExpressions": {}}, {"matchExpressions": [7]}, {"matchExpressions": [{"operator": "NotIn", "values": ["a"]}]}] {
		labels.matches(selector, _payments) == false
	}
}

test_odd_labels_match_nothing if labels.matches({}, "team=payments") == false
