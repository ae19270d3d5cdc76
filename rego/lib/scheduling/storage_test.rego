package lib.scheduling.storage_test

import data.lib.scheduling.storage

test_wanted if {
	pod := {"metadata": {"annotations": {"capacity.topolvm.io/ssd": "10", "capacity.topolvm.io/": "1", "topolvm.io/capacity": "7"}}}
	storage.wanted(pod) == {"ssd": "10", "": "1"}
	storage.wanted({"metadata": {}}) == {}
	storage.wanted({"metadata": {"annotations": null}}) == {}
}

test_illegal if {
	storage.illegal({"a": "10", "b": "0", "c": "-1", "d": "1Gi", "e": "", "f": null, "g": "1e3"}) == {"c", "d", "e", "f", "g"}
}

test_absent if storage.absent({"ssd": "1", "hdd": "1", "nvme": "1"}, {"ssd": "0", "hdd": "much"}) == {"hdd", "nvme"}

test_lacking if {
	storage.lacking({"ssd": "10", "hdd": "10"}, {"ssd": "9", "hdd": "10"}) == {"ssd"}
	storage.lacking({"ssd": "9"}, {"ssd": "10"}) == set()
	storage.lacking({"ssd": "9", "hdd": "x"}, {"hdd": "10"}) == set()
}

test_points if {
	every gibibytes, want in {"0.5": 1, "1": 1, "2": 1, "3": 1, "4": 2, "1023": 9, "1024": 10, "5000": 10} {
		bytes := format_int(to_number(gibibytes) * 1073741824, 10)
		storage.points({"ssd": "1"}, {"ssd": bytes}, 1) == want
	}
	storage.points({"ssd": "1"}, {"ssd": "0"}, 1) == 0
}

test_a_divisor if {
	storage.points({"ssd": "1"}, {"ssd": "42949672960"}, 10) == 2
	storage.points({"ssd": "1"}, {"ssd": "42949672960"}, 0.5) == 6
}

test_the_class_with_the_fewest_points if {
	storage.points({"ssd": "1", "hdd": "1"}, {"ssd": "4294967296", "hdd": "1099511627776"}, 1) == 2
}

test_no_points_without_storage if {
	not storage.points({}, {"ssd": "1"}, 1)
	not storage.points({"ssd": "1"}, {"ssd": "much"}, 1)
}
