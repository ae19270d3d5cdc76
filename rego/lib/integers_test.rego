package lib.integers_test

import data.lib.integers

test_parse if {
	every text, want in {
		"0": 0,
		"-0": 0,
		"42": 42,
		"+42": 42,
		"-42": -42,
		"007": 7,
		"9223372036854775807": 9223372036854775807,
		"-9223372036854775808": -9223372036854775808,
	} {
		integers.parse(text) == want
	}
}

test_anything_else_is_undefined if {
	every text in ["", "-", "x", "1.5", "1e3", "0x10", " 1", "1 ", "--1", "9223372036854775808", "99999999999999999999", 7, null, []] {
		not integers.parse(text)
	}
}
