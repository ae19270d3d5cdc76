package lib.verbs_test

import data.lib.verbs

test_listed_verb_matches if verbs.matches(["get", "list"], "list")

test_unlisted_verb_does_not_match if verbs.matches(["get", "list"], "watch") == false

test_wildcard_grants_every_verb if verbs.matches({"*"}, "impersonate")

test_wildcard_in_request_is_a_name if verbs.matches(["get"], "*") == false

test_nothing_granted if verbs.matches([], "get") == false

test_odd_grants_match_nothing if {
	every granted in [null, "get", 7, {"get": "x"}] {
		verbs.matches(granted, "get") == false
	}
}

test_reading_and_writing_are_disjoint if verbs.read & verbs.write == set()
