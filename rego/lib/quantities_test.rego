package lib.quantities_test

import data.lib.quantities

test_parse if {
	every text, want in {
		"0": 0,
		"-0": 0,
		"1": 1,
		"+1": 1,
		"-1": -1,
		"007": 7,
		"500m": 0.5,
		"1m": 0.001,
		"-250m": -0.25,
		"1n": 0.000000001,
		"10u": 0.00001,
		"2k": 2000,
		"3M": 3000000,
		"4G": 4000000000,
		"5T": 5000000000000,
		"6P": 6000000000000000,
		"1E": 1000000000000000000,
		"1Ki": 1024,
		"1Mi": 1048576,
		"1.5Gi": 1610612736,
		"1Ti": 1099511627776,
		"1Pi": 1125899906842624,
		"1Ei": 1152921504606846976,
		"0.1Ki": 102.4,
		"-1Ki": -1024,
		"1e3": 1000,
		"1E3": 1000,
		"12e-2": 0.12,
		"1e+2": 100,
		".5": 0.5,
		"1.": 1,
		"0.1": 0.1,
		"0.10": 0.1,
	} {
		quantities.parse(text) == want
	}
}

test_sums_are_exact if {
	sum([quantities.parse(q) | some q in ["100m", "200m"]]) == quantities.parse("300m")
	quantities.parse("9223372036854775807") == 9223372036854775807
	quantities.parse("9223372036854775807m") == 9223372036854775.807
}

test_rounded_away_from_zero if {
	quantities.parse("0.1n") == quantities.parse("1n")
	quantities.parse("-0.1n") == quantities.parse("-1n")
	quantities.parse("1e-50") == quantities.parse("1n")
	quantities.parse("1.0000000001") == quantities.parse("1.000000001")
	quantities.parse("0e-50") == 0
}

test_binary_amounts_are_capped if {
	quantities.parse("100Ei") == 9223372036854775807
	quantities.parse("-100Ei") == -9223372036854775807
	quantities.parse("100E") == 100000000000000000000
}

test_numbers_pass if quantities.parse(2.5) == 2.5

test_illegal_text_is_undefined if {
	every text in ["1.2.3", "abc", "1 Gi", " 1", "1gi", "1ki", "1K", "--1", "1e", "1e1.5", "1mi", "1Kim", "1e1000000000", "0x10", null, true, [], {}] {
		not quantities.parse(text)
		quantities.valid(text) == false
	}
}

test_valid if {
	quantities.valid("1Gi")
	quantities.valid("0")
	quantities.valid(0)
}
