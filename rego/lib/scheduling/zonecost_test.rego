package lib.scheduling.zonecost_test

import data.lib.scheduling.zonecost

_costs := {"eu-1a": 1, "eu-1b": 1.25, "us-1a": 3}

test_zone if {
	zonecost.zone({"metadata": {"labels": {"topology.kubernetes.io/zone": "eu-1a"}}}) == "eu-1a"
	not zonecost.zone({"metadata": {}})
}

test_points if {
	zonecost.points(_costs, "eu-1a") == 10
	zonecost.points(_costs, "eu-1b") == 8.75
	zonecost.points(_costs, "us-1a") == 0
}

test_equal_costs if {
	zonecost.points({"a": 2, "b": 2}, "a") == 10
	zonecost.points({"a": 2}, "a") == 10
}

test_an_unknown_zone_has_no_points if {
	not zonecost.points(_costs, "ap-1a")
	not zonecost.points({}, "eu-1a")
	not zonecost.points(null, "eu-1a")
}

test_costs_that_are_no_numbers_are_left_out if {
	costs := object.union(_costs, {"ap-1a": "9", "ap-1b": null})
	not zonecost.points(costs, "ap-1a")
	zonecost.points(costs, "us-1a") == 0
}
