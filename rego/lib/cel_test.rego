package lib.cel_test

import data.lib.cel

test_exact if {
	every value in [1, 0, -7, 9007199254740992, 1.5, "x", null, [1.25, {"a": 3}], {}] {
		cel.exact(value)
	}
	every value in [9007199254740993, 1e300, 0.1234567890123456789, [1, {"a": 1e-9}]] {
		not cel.exact(value)
	}
}

test_presence if {
	cel.has({"a": false}, "a")
	cel.has({"a": 1}, "b") == false
	cel.has("text", "a") == false
	cel.has(null, "a") == false
	[v | v := cel.has([1], "a")] == []
}

test_members if {
	cel.at(["a", "b"], 1) == "b"
	cel.at({"a": 7}, "a") == 7
	every key in [2, -1, 0.5, "0", null] {
		not cel.at(["a", "b"], key)
	}
	not cel.at({"a": 7}, "b")
	not cel.at("text", 0)
}

test_plain_key if {
	cel.plain_key("kubernetes.io")
	cel.plain_key(0)
	not cel.plain_key("kubernetes__dot__io")
}

test_collections if {
	cel.elements({"b": 1, "a": 2}) == ["a", "b"]
	cel.elements([1, 1]) == [1, 1]
	not cel.elements("text")
	cel.collection({"a": 1}) == {"a": 1}
	cel.collection([1]) == [1]
	not cel.collection(null)
	cel.in_collection("a", ["a"])
	cel.in_collection("a", {"a": 1})
	cel.in_collection("b", {"a": 1}) == false
	[v | v := cel.in_collection("a", "abc")] == []
	cel.joined([[1], [], [2, 3]]) == [1, 2, 3]
}

test_texts if {
	cel.texts("a") == ["a"]
	cel.texts("") == []
	cel.texts(null) == []
	cel.texts(["b", "", "a"]) == ["b", "a"]
	every value in [7, true, {}, ["a", 7], ["a", null]] {
		not cel.texts(value)
	}
}

test_optionals if {
	cel.optional({"a": null}, "a") == [null]
	cel.optional({"a": 1}, "b") == []
	cel.optional(["x"], 0) == ["x"]
	cel.optional(["x"], 1) == []
	cel.optional("text", "a") == []
	not cel.optional(["x"], "a")
	not cel.optional({"a": 1}, {"b": 1})
	cel.optional_in([], "a") == []
	cel.optional_in([{"a": 1}], "a") == [1]
	cel.or_value([], 7) == 7
	cel.or_value([false], true) == false
	cel.value([7]) == 7
	not cel.value([])
	cel.optional_of_non_zero("") == []
	cel.optional_of_non_zero("a") == ["a"]
}

test_comparable if {
	cel.comparable(1, 2)
	cel.comparable("a", "b")
	not cel.comparable(1, "a")
	not cel.comparable([1], [2])
}

test_whole_numbers if {
	cel.int_add(2, 3) == 5
	cel.int_subtract(2, 3) == -1
	cel.int_multiply(4, 3) == 12
	cel.int_divide(-7, 2) == -3
	cel.int_modulo(-7, 2) == -1
	not cel.int_add(9223372036854775807, 1)
	not cel.int_subtract(-9223372036854775808, 1)
	not cel.int_multiply(9223372036854775807, 2)
	not cel.int_divide(1, 0)
	not cel.int_modulo(1, 0)
	not cel.int_modulo(-9223372036854775808, -1)
	cel.int_modulo(-9223372036854775807, -1) == 0
}

test_doubles if {
	cel.add(2, 3) == 5
	cel.add("a", "b") == "ab"
	cel.add([1], [2]) == [1, 2]
	not cel.add("a", 1)
	not cel.add(0.1, 0.2)
	cel.subtract(1700003600, 1700000000) == 3600
	cel.multiply(3, 4) == 12
	cel.divide(12, 4) == 3
	not cel.divide(1, 3)
	not cel.divide(1, 0)
	not cel.multiply(9007199254740992, 3)
}

test_size_and_type if {
	cel.size("Süd") == 3
	cel.size([1, 2]) == 2
	cel.size({"a": 1}) == 1
	not cel.size(7)
	cel.type(1) == "double"
	cel.type({}) == "map"
	cel.type(null) == "null_type"
}

test_conversions if {
	cel.string(7) == "7"
	cel.string(-7) == "-7"
	cel.string(0) == "0"
	cel.string(1.5) == "1.5"
	cel.string(1000000) == "1e+06"
	cel.string(1700081020) == "1.70008102e+09"
	cel.string(true) == "true"
	cel.string("a") == "a"
	not cel.string(null)
	not cel.string(["a"])
	cel.int(1.9) == 1
	cel.int(-1.9) == -1
	cel.int("-007") == -7
	cel.int("+7") == 7
	not cel.int("7.5")
	not cel.int("9223372036854775808")
	not cel.int(true)
	cel.double("1.5") == 1.5
	cel.double(7) == 7
	not cel.double("NaN")
	cel.bool("T") == true
	cel.bool("false") == false
	[v | v := cel.bool("yes")] == []
}

test_strings if {
	cel.lower_ascii("ABÄ") == "abÄ"
	cel.upper_ascii("abä") == "ABä"
	cel.char_at("abc", 1) == "b"
	cel.char_at("abc", 3) == ""
	not cel.char_at("abc", 4)
	cel.between("abcd", 1, 3) == "bc"
	not cel.between("abcd", 3, 1)
	not cel.between("abcd", 0, 5)
	cel.substring_from("abc", 1) == "bc"
	cel.index_of("abcabc", "c") == 2
	cel.index_of("abc", "x") == -1
	cel.index_of("abc", "") == 0
	cel.index_of_from("abcabc", "c", 3) == 5
	cel.last_index_of("abcabc", "c") == 5
	cel.last_index_of("abc", "") == 3
	cel.last_index_of_from("abcabc", "c", 4) == 2
	cel.index_of_either("abc", "b") == 1
	cel.index_of_either(["a", "b"], "b") == 1
	cel.last_index_of_either("abab", "b") == 3
	cel.last_index_of_either(["a", "b", "a"], "a") == 2
	cel.split_some("a,b,c", ",", 2) == ["a", "b,c"]
	cel.split_some("a,b,c", ",", -1) == ["a", "b", "c"]
	cel.split_some("a,b,c", ",", 0) == []
	cel.replaced("aaa", "a", "b") == "bbb"
	cel.replaced("Ä", "", "-") == "-Ä-"
	cel.replace_some("aaa", "a", "b", 2) == "bba"
	cel.replace_some("aaa", "a", "b", 0) == "aaa"
	cel.join(["a", "b"]) == "ab"
	cel.join_with(["a", "b"], "-") == "a-b"
	not cel.join_with(["a", 7], "-")
}

test_regular_expressions if {
	cel.matches("abc", "b.")
	cel.matches("abc", "^b") == false
	[v | v := cel.matches("abc", "(")] == []
	cel.find("a1b22", "[0-9]+") == "1"
	cel.find("abc", "[0-9]+") == ""
	cel.find_all("a1b22", "[0-9]+") == ["1", "22"]
	cel.find_some("a1b22c3", "[0-9]+", 2) == ["1", "22"]
	cel.find_some("a1b22", "[0-9]+", 0) == []
}

test_lists if {
	cel.set_contains(["a", "b"], ["b"])
	cel.set_contains(["a"], ["b"]) == false
	cel.set_equivalent(["a", "b", "a"], ["b", "a"])
	cel.set_equivalent(["a"], ["a", "b"]) == false
	cel.set_intersects(["a", "b"], ["b", "c"])
	cel.set_intersects([], []) == false
	cel.range(3) == [0, 1, 2]
	cel.range(0) == []
	not cel.range(-1)
	cel.distinct(["b", "a", "b"]) == ["b", "a"]
	cel.sorted(["b", "a"]) == ["a", "b"]
	not cel.sorted(["b", 1])
	cel.is_sorted([1, 2, 2])
	cel.is_sorted([2, 1]) == false
	cel.smallest([2, 1]) == 1
	cel.largest([2, 1]) == 2
	not cel.largest([])
	cel.slice(["a", "b", "c"], 1, 3) == ["b", "c"]
	not cel.slice(["a"], 0, 2)
	cel.first(["a", "b"]) == ["a"]
	cel.last(["a", "b"]) == ["b"]
	cel.last([]) == []
	cel.flatten([["a"], "b", [["c"]]]) == ["a", "b", ["c"]]
	cel.index_in(["a", "b", "a"], "a") == 0
	cel.last_index_in(["a", "b", "a"], "a") == 2
	cel.index_in([], "a") == -1
}

test_never if not cel.never
