package lib.scheduling.devices_test

import data.lib.scheduling.devices

test_number if {
	every quantity, want in {"8": 8, "0": 0, "": 0, "many": 0, "1.5": 1} {
		devices.number(quantity) == want
	}
	devices.number(8) == 8
	devices.number(null) == 0
}

test_packed if {
	devices.packed(1, 1, 8) == 10
	devices.packed(1, 8, 8) == 1.25
	devices.packed(0, 8, 8) == 0
	devices.packed(2, 4, 8) == 7.5
}

test_spread if {
	devices.spread(1, 1, 8) == 0
	devices.spread(4, 8, 8) == 5
}

test_no_points_where_the_pod_does_not_fit if {
	not devices.packed(2, 1, 8)
	not devices.spread(2, 1, 8)
	not devices.packed(0, 0, 0)
	not devices.packed(0, -1, 8)
	not devices.packed(1, 9, 8)
}

test_holders if {
	pods := [
		{"namespace": "ml", "name": "train", "requests": {"nvidia.com/gpu": 1}},
		{"namespace": "ml", "name": "idle", "requests": {"nvidia.com/gpu": 0}},
		{"namespace": "web", "name": "shop", "requests": {"cpu": 100}},
	]
	devices.holders(pods, "nvidia.com/gpu") == {"ml/train"}
	devices.holders(null, "nvidia.com/gpu") == set()
}
