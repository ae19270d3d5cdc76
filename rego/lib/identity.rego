# METADATA
# title: Identities
# description: |
#   Names from the claims of a verified token. None of these functions fails on
#   unexpected claims: they give the valid names in them.
package lib.identity

# METADATA
# title: Names in a claim
# description: |
#   The set of names in a claim that is a string or a list of strings, as a
#   groups claim may be. Empty strings and values that are no strings are left out.
# scope: document
default names(_) := set()

names(claim) := {claim} if {
	is_string(claim)
	claim != ""
}

names(claim) := {name |
	some name in claim
	is_string(name)
	name != ""
} if {
	is_array(claim)
}

# METADATA
# title: Names in a claim, in their order
# description: |
#   The same names as a list, each as often as the claim has it: for a whole
#   `user := {"groups": …}`, whose groups keep their order.
# scope: document
default list(_) := []

list(claim) := [claim] if {
	is_string(claim)
	claim != ""
}

list(claim) := [name |
	some name in claim
	is_string(name)
	name != ""
] if {
	is_array(claim)
}

# METADATA
# title: Names with a prefix
# description: |
#   The names in a claim, each after the prefix. Prefixes keep the names of
#   different sources apart.
# scope: document
prefixed(prefix, claim) := {concat("", [prefix, name]) | some name in names(claim)}

# METADATA
# title: Verified email address
# description: |
#   The email claim, undefined unless email_verified is true: at many providers
#   a user can enter any address.
verified_email(claims) := claims.email if {
	claims.email_verified == true
	is_string(claims.email)
	claims.email != ""
}

# METADATA
# title: Service account
# description: |
#   {namespace, name} of the service account in a service account token of
#   Kubernetes, undefined for other claims.
service_account(claims) := {"namespace": namespace, "name": name} if {
	namespace := claims["kubernetes.io"].namespace
	name := claims["kubernetes.io"].serviceaccount.name
	claims.sub == sprintf("system:serviceaccount:%s:%s", [namespace, name])
}
