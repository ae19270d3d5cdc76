package lib.taints_test

import data.lib.taints

_gpu := {"key": "gpu", "value": "a100", "effect": "NoSchedule"}

_price := {"key": "price", "value": "70", "effect": "NoSchedule"}

test_tolerates if {
	every case in [
		{"toleration": {"key": "gpu", "operator": "Equal", "value": "a100", "effect": "NoSchedule"}, "want": true},
		{"toleration": {"key": "gpu", "value": "a100"}, "want": true},
		{"toleration": {"key": "gpu", "operator": "", "value": "a100"}, "want": true},
		{"toleration": {"key": "gpu", "value": "h100"}, "want": false},
		{"toleration": {"key": "gpu", "operator": "Exists"}, "want": true},
		{"toleration": {"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, "want": false},
		{"toleration": {"operator": "Exists"}, "want": true},
		{"toleration": {"operator": "Exists", "effect": "NoSchedule"}, "want": true},
		{"toleration": {"key": "disk", "operator": "Exists"}, "want": false},
		{"toleration": {"key": "gpu", "operator": "Near", "value": "a100"}, "want": false},
		{"toleration": {"key": null, "operator": "Exists", "effect": null}, "want": true},
		{"toleration": {}, "want": false},
		{"toleration": null, "want": false},
		{"toleration": 7, "want": false},
		{"toleration": {"key": 7, "operator": []}, "want": false},
	] {
		taints.tolerates(case.toleration, _gpu) == case.want
	}
}

test_numeric_operators if {
	every case in [
		{"operator": "Lt", "value": "80", "want": true},
		{"operator": "Lt", "value": "70", "want": false},
		{"operator": "Gt", "value": "9", "want": true},
		{"operator": "Gt", "value": "70", "want": false},
		{"operator": "Gt", "value": "-5", "want": true},
		{"operator": "Gt", "value": "009", "want": false},
		{"operator": "Gt", "value": "+9", "want": false},
		{"operator": "Gt", "value": "cheap", "want": false},
	] {
		toleration := {"key": "price", "operator": case.operator, "value": case.value}
		taints.tolerates(toleration, _price) == case.want
	}
}

test_numeric_operator_on_text_taint if {
	taints.tolerates({"key": "gpu", "operator": "Gt", "value": "1"}, _gpu) == false
}

test_equal_without_values if taints.tolerates({"key": "edge"}, {"key": "edge", "effect": "NoExecute"})

test_untolerated if {
	soft := {"key": "soft", "effect": "PreferNoSchedule"}
	down := {"key": "down", "effect": "NoExecute"}
	taints.untolerated([_gpu, soft, down], [{"key": "gpu", "operator": "Exists"}]) == {down}
}

test_untolerated_with_nothing if {
	taints.untolerated([_gpu], null) == {_gpu}
	taints.untolerated(null, []) == set()
	taints.untolerated([], []) == set()
}
