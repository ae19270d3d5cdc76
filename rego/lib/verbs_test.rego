package lib.verbs_test

import data.lib.verbs

test_listed_verb_matches if verbs.matches(["get", "list"], "list")

test_unlisted_verb_does_not_match if verbs.matches(["get", "list"], "watch") == false

test_wildcard_grants_every_verb if {
	every verb in ["get", "impersonate", "impersonate:user-info", "impersonate-on:serviceaccount:get", "*"] {
		verbs.matches({"*"}, verb)
	}
}

test_only_the_whole_grant_is_a_wildcard if {
	every granted in ["impersonate", "impersonate:*", "impersonate-on:*", "impersonate-on:user-info:*", "*:*", ""] {
		verbs.matches([granted], "impersonate-on:user-info:get") == false
		verbs.matches([granted], "impersonate:user-info") == false
	}
}

test_wildcard_in_request_is_a_name if verbs.matches(["get"], "*") == false

test_nothing_granted if verbs.matches([], "get") == false

test_odd_grants_match_nothing if {
	every granted in [null, "get", 7, {"get": "x"}] {
		verbs.matches(granted, "get") == false
	}
}

test_reading_and_writing_are_disjoint if verbs.read & verbs.write == set()

test_impersonation if {
	every verb in [
		"impersonate",
		"impersonate:associated-node",
		"impersonate:arbitrary-node",
		"impersonate:serviceaccount",
		"impersonate:user-info",
		"impersonate:a-later-mode",
		"impersonate-on:associated-node:get",
		"impersonate-on:user-info:deletecollection",
		"impersonate-on:user-info:impersonate:user-info",
	] {
		verbs.impersonation(verb)
	}
}

test_no_impersonation if {
	every verb in ["get", "*", "", "Impersonate", "impersonates", "impersonated-on:user-info:get", "x-impersonate:user-info", null, 7, ["impersonate"]] {
		verbs.impersonation(verb) == false
	}
}

test_underlying if {
	every case in [
		{"verb": "get", "want": "get"},
		{"verb": "*", "want": "*"},
		{"verb": "", "want": ""},
		{"verb": "impersonate", "want": "impersonate"},
		{"verb": "impersonate:user-info", "want": "impersonate:user-info"},
		{"verb": "impersonate-on:user-info:get", "want": "get"},
		{"verb": "impersonate-on:user-info:*", "want": "*"},
		{"verb": "impersonate-on:user-info:impersonate:serviceaccount", "want": "impersonate:serviceaccount"},
		{"verb": "impersonate-on:user-info", "want": ""},
		{"verb": "impersonate-on:", "want": ""},
	] {
		verbs.underlying(case.verb) == case.want
	}
}

test_underlying_of_odd_verbs if {
	every verb in [null, 7, ["get"], {}] {
		not verbs.underlying(verb)
	}
}
