package lib.scheduling.usage_test

import data.lib.scheduling.usage

test_share if {
	usage.share(500, 2000) == 0.25
	usage.share(3000, 2000) == 1
	usage.share(-5, 2000) == 0
}

test_no_share_of_nothing if {
	not usage.share(1, 0)
	not usage.share(1, -1)
	not usage.share(1, null)
	not usage.share(1, "2")
	not usage.share("1", 2)
}

test_packed if {
	usage.packed([0.5, 1]) == 7.5
	usage.packed([0.5, 0.5]) == 5
	not usage.packed([])
}

test_spread if {
	usage.spread([0.5, 1]) == 2.5
	not usage.spread([])
}

test_balanced if {
	usage.balanced([0.5, 0.75]) == 7.5
	usage.balanced([0.25, 0.25]) == 10
	usage.balanced([0, 1, 0.5]) == 0
	not usage.balanced([])
}
