package lib.oidc_test

import data.lib.oidc

test_text if {
	oidc.text({"sub": "7"}, "sub") == "7"
	oidc.text({"sub": null}, "sub") == ""
	not oidc.text({}, "sub")
	not oidc.text({"sub": 7}, "sub")
}

test_email_verified if {
	oidc.email_verified({"email_verified": true})
	oidc.email_verified({})
	every odd in [false, null, "true", 1] {
		not oidc.email_verified({"email_verified": odd})
	}
}

test_groups if {
	every case in [
		{"claims": {}, "want": []},
		{"claims": {"g": null}, "want": []},
		{"claims": {"g": []}, "want": []},
		{"claims": {"g": "dev"}, "want": ["p:dev"]},
		{"claims": {"g": ["b", "a", "b"]}, "want": ["p:b", "p:a", "p:b"]},
		{"claims": {"g": [null, ""]}, "want": ["p:", "p:"]},
	] {
		oidc.groups(case.claims, "g", "p:") == case.want
	}
	every odd in [7, true, {}, ["a", 7], [["a"]]] {
		not oidc.groups({"g": odd}, "g", "")
	}
}

test_distributed if {
	elsewhere := {"_claim_names": {"g": "s"}, "_claim_sources": {"s": {"endpoint": "https://a.example"}}}
	oidc.distributed(elsewhere, "g")
	every odd in [
		{"_claim_names": "g", "_claim_sources": {}},
		{"_claim_names": {"g": "s"}},
		{"_claim_names": {"g": "s"}, "_claim_sources": {}},
		{"_claim_names": {"g": "s"}, "_claim_sources": 7},
		{"_claim_names": {"g": "s"}, "_claim_sources": {"s": {"Endpoint": "https://a.example"}}},
		{"_claim_names": {"x": 7}, "_claim_sources": {}},
	] {
		oidc.distributed(odd, "g")
	}
	every sound in [
		{},
		object.union(elsewhere, {"g": ["a"]}),
		object.union(elsewhere, {"g": null}),
		{"_claim_names": {"x": "s"}, "_claim_sources": {"s": {"endpoint": "https://a.example"}}},
		{"_claim_names": {"g": "s"}, "_claim_sources": {"s": {"JWT": "e30"}}},
		{"_claim_names": null, "_claim_sources": null},
	] {
		not oidc.distributed(sound, "g")
	}
}

test_credential_id if {
	oidc.credential_id({"jti": "7"}) == ["JTI=7"]
	oidc.credential_id({"jti": ""}) == []
	oidc.credential_id({"jti": 7}) == []
	oidc.credential_id({}) == []
}

test_present if oidc.present({"a": ["b"], "c": []}) == {"a": ["b"]}
