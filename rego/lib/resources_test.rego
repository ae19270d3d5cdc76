package lib.resources_test

import data.lib.resources

test_matches if {
	every case in [
		{"granted": ["pods"], "resource": "pods", "subresource": "", "want": true},
		{"granted": ["pods"], "resource": "pods", "subresource": "log", "want": false},
		{"granted": ["pods/log"], "resource": "pods", "subresource": "log", "want": true},
		{"granted": ["pods/log"], "resource": "pods", "subresource": "exec", "want": false},
		{"granted": ["pods/log"], "resource": "pods", "subresource": "", "want": false},
		{"granted": ["pods/*"], "resource": "pods", "subresource": "exec", "want": true},
		{"granted": ["pods/*"], "resource": "pods", "subresource": "", "want": false},
		{"granted": ["pods/*"], "resource": "nodes", "subresource": "exec", "want": false},
		{"granted": ["*/scale"], "resource": "deployments", "subresource": "scale", "want": true},
		{"granted": ["*/scale"], "resource": "deployments", "subresource": "status", "want": false},
		{"granted": ["*/scale"], "resource": "deployments", "subresource": "", "want": false},
		{"granted": ["*"], "resource": "pods", "subresource": "", "want": true},
		{"granted": {"*"}, "resource": "pods", "subresource": "exec", "want": true},
		{"granted": [], "resource": "pods", "subresource": "", "want": false},
		{"granted": ["pods"], "resource": "", "subresource": "", "want": false},
	] {
		resources.matches(case.granted, case.resource, case.subresource) == case.want
	}
}

test_wildcard_in_request_is_a_name if {
	resources.matches(["pods", "pods/log"], "*", "") == false
	resources.matches(["pods", "pods/log"], "*", "log") == false
	resources.matches(["pods", "pods/log"], "pods", "*") == false
	resources.in_groups(["apps"], "*") == false
	resources.in_namespaces(["payments"], "*") == false
	resources.named(["ledger"], "*") == false
}

test_odd_values_match_nothing if {
	every odd in [null, 7, true, ["pods"], {"pods": 1}] {
		resources.matches(["pods"], odd, "") == false
		resources.matches(["pods"], "pods", odd) == false
		resources.matches(odd, "services", "") == false
		resources.in_groups(odd, "") == false
		resources.in_namespaces(["payments"], odd) == false
		resources.named(["ledger"], odd) == false
	}
}

test_groups if {
	resources.in_groups([""], "")
	resources.in_groups(["*"], "apps")
	resources.in_groups([""], "apps") == false
}

test_namespaces if {
	resources.in_namespaces(["payments"], "payments")
	resources.in_namespaces(["payments"], "search") == false
	resources.in_namespaces(["*"], "")
}

test_empty_namespace_needs_the_wildcard if resources.in_namespaces(["", "payments"], "") == false

test_names if {
	resources.named(["ledger"], "ledger")
	resources.named(["ledger"], "ledgers") == false
	resources.named(["*"], "ledger") == false
	resources.named([""], "") == false
}

test_qualified if {
	resources.qualified("pods", "") == "pods"
	resources.qualified("pods", "log") == "pods/log"
	not resources.qualified("pods", null)
}
