package lib.nodeselectors_test

import data.lib.nodeselectors

_node := {"metadata": {"name": "worker-1", "labels": {"zone": "a", "cores": "16"}}}

test_operators if {
	every case in [
		{"key": "zone", "operator": "In", "values": ["a", "b"], "want": true},
		{"key": "zone", "operator": "NotIn", "values": ["a"], "want": false},
		{"key": "zone", "operator": "Exists", "want": true},
		{"key": "gpu", "operator": "DoesNotExist", "want": true},
		{"key": "cores", "operator": "Gt", "values": ["8"], "want": true},
		{"key": "cores", "operator": "Gt", "values": ["16"], "want": false},
		{"key": "cores", "operator": "Lt", "values": ["17"], "want": true},
		{"key": "cores", "operator": "Lt", "values": ["9"], "want": false},
		{"key": "zone", "operator": "Gt", "values": ["1"], "want": false},
		{"key": "cores", "operator": "Gt", "values": ["few"], "want": false},
		{"key": "cores", "operator": "Gt", "values": ["1", "2"], "want": false},
		{"key": "cores", "operator": "Gt", "values": [], "want": false},
		{"key": "gpu", "operator": "Lt", "values": ["1"], "want": false},
		{"key": "cores", "operator": "Near", "values": ["16"], "want": false},
	] {
		requirement := object.remove(case, ["want"])
		selector := {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
		nodeselectors.matches(selector, _node) == case.want
	}
}

test_terms_are_alternatives if {
	nodeselectors.matches({"nodeSelectorTerms": [_zone("b"), _zone("a")]}, _node)
	nodeselectors.matches({"nodeSelectorTerms": [_zone("b"), _zone("c")]}, _node) == false
}

test_requirements_of_a_term_hold_together if {
	term := {
		"matchExpressions": [{"key": "zone", "operator": "Exists"}],
		"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["worker-1"]}],
	}
	nodeselectors.matches_term(term, _node) == false
}

test_fields if {
	nodeselectors.matches_term({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["worker-1"]}]}, _node)
	nodeselectors.matches_term({"matchFields": [{"key": "metadata.name", "operator": "Exists"}]}, _node) == false
	nodeselectors.matches_term({"matchFields": [{"key": "spec.unschedulable", "operator": "NotIn", "values": ["x"]}]}, _node) == false
}

test_empty_terms_match_nothing if {
	nodeselectors.matches({"nodeSelectorTerms": []}, _node) == false
	nodeselectors.matches({"nodeSelectorTerms": [{}]}, _node) == false
	nodeselectors.matches({}, _node) == false
	nodeselectors.matches(null, _node) == false
	nodeselectors.matches({"nodeSelectorTerms": [null, 7, {"matchExpressions": 7}]}, _node) == false
}

test_node_without_labels if {
	term := {"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}
	nodeselectors.matches_term(term, {"metadata": {"name": "bare"}})
	nodeselectors.matches_term(term, {"metadata": {"name": "bare", "labels": null}})
}

_zone(name) := {"matchExpressions": [{"key": "zone", "operator": "In", "values": [name]}]}
