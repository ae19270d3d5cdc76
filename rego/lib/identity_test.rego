package lib.identity_test

import data.lib.identity

test_names if {
	every case in [
		{"claim": "dev", "want": {"dev"}},
		{"claim": ["dev", "ops", "dev"], "want": {"dev", "ops"}},
		{"claim": ["dev", "", 7, null, ["x"]], "want": {"dev"}},
		{"claim": "", "want": set()},
		{"claim": [], "want": set()},
		{"claim": null, "want": set()},
		{"claim": 7, "want": set()},
		{"claim": {"dev": true}, "want": set()},
		{"claim": ["Entwicklung-Süd"], "want": {"Entwicklung-Süd"}},
	] {
		identity.names(case.claim) == case.want
	}
}

test_list if {
	every case in [
		{"claim": "dev", "want": ["dev"]},
		{"claim": ["ops", "dev", "ops"], "want": ["ops", "dev", "ops"]},
		{"claim": ["dev", "", 7, null, ["x"]], "want": ["dev"]},
		{"claim": "", "want": []},
		{"claim": [], "want": []},
		{"claim": null, "want": []},
		{"claim": 7, "want": []},
		{"claim": {"dev": true}, "want": []},
	] {
		identity.list(case.claim) == case.want
	}
}

test_prefixed if {
	identity.prefixed("corp:", ["dev", "ops"]) == {"corp:dev", "corp:ops"}
	identity.prefixed("corp:", "dev") == {"corp:dev"}
	identity.prefixed("corp:", null) == set()
}

test_verified_email if {
	identity.verified_email({"email": "a@b.c", "email_verified": true}) == "a@b.c"
	not identity.verified_email({"email": "a@b.c"})
	not identity.verified_email({"email": "a@b.c", "email_verified": "true"})
	not identity.verified_email({"email": "a@b.c", "email_verified": false})
	not identity.verified_email({"email": "", "email_verified": true})
	not identity.verified_email({"email": ["a@b.c"], "email_verified": true})
	not identity.verified_email({"email_verified": true})
}

test_service_account if {
	claims := {
		"sub": "system:serviceaccount:payments:builder",
		"kubernetes.io": {"namespace": "payments", "serviceaccount": {"name": "builder", "uid": "7"}},
	}
	identity.service_account(claims) == {"namespace": "payments", "name": "builder"}
	not identity.service_account(object.union(claims, {"sub": "alice"}))
	not identity.service_account({"sub": "system:serviceaccount:payments:builder"})
}
