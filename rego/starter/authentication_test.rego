package kubernetes.authentication_test

import data.kubernetes.authentication

_identity(claims) := {"identity": {
	"source": "local",
	"type": "tokenFile",
	"subject": "alice",
	"claims": claims,
	"audiences": [],
}}

_alice := {
	"username": "alice",
	"uid": "1001",
	"groups": ["team-payments", "staff"],
	"extra": {"office": ["Lisbon"], "shift": ["early", "late"]},
}

test_all_claims if {
	user := authentication.user with input as _identity(_alice)
	user == {
		"username": "alice",
		"uid": "1001",
		"groups": {"team-payments", "staff"},
		"extra": {"office": {"Lisbon"}, "shift": {"early", "late"}},
	}
}

test_a_secret_is_as_good_as_a_file if {
	every kind in ["tokenFile", "secrets"] {
		authentication.user.username == "alice" with input.identity as {"type": kind, "claims": _alice}
	}
}

test_claims_of_other_sources_are_no_names if {
	every kind in ["jwt", "introspection", "http"] {
		not authentication.user.username with input.identity as {"type": kind, "claims": _alice}
	}
}

test_username_alone if {
	user := authentication.user with input as _identity({"username": "bob"})
	user.username == "bob"
	user.groups == set()
	user.extra == {}
	not user.uid
}

test_empty_claims if {
	every claims in [{"username": "bob", "uid": null, "groups": null, "extra": null}, {"username": "bob", "uid": "", "groups": [], "extra": {}}] {
		user := authentication.user with input as _identity(claims)
		user == {"username": "bob", "groups": set(), "extra": {}}
	}
}

test_ordinary_names_are_not_denied if {
	count(authentication.deny) == 0 with input as _identity(_alice)
}

test_system_username_is_denied if {
	authentication.deny == {`the username "system:admin" is reserved for Kubernetes`} with input as _identity({"username": "system:admin"})
}

test_system_group_is_denied if {
	authentication.deny == {`the group "system:masters" is reserved for Kubernetes`} with input as _identity({"username": "mallory", "groups": ["staff", "system:masters"]})
}

test_system_inside_a_name_is_not_denied if {
	count(authentication.deny) == 0 with input as _identity({"username": "ecosystem:carol", "groups": ["file-system:users"]})
}

test_other_sources_name_nobody if {
	other := {"identity": {"type": "other", "claims": _alice}}
	not authentication.user.username with input as other
}

test_no_claims if {
	not authentication.user.username with input as _identity(null)
	count(authentication.deny) == 0 with input as _identity({"username": 7, "groups": [7]})
}
