package lib.scheduling.tenants_test

import data.lib.scheduling.tenants

test_apart if {
	tenants.apart("payments", "search")
	tenants.apart("payments", "")
	tenants.apart("", "search")
	tenants.apart("payments", "payments") == false
	tenants.apart("", "") == false
}

test_running if {
	pods := [{"namespace": "pay"}, {"namespace": "pay-eu"}, {"namespace": "kube-system"}, {"namespace": "free"}]
	tenants.running(pods, {"pay": "payments", "pay-eu": "payments", "search": "search", "free": ""}) == {"payments"}
	tenants.running([], {}) == set()
	tenants.running(null, {}) == set()
}
