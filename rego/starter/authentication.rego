# METADATA
# title: Starter authentication
# description: |
#   Turns the identity that a token of a token file proves into the user that
#   Kubernetes sees, and gives out no name that Kubernetes keeps for itself.
package kubernetes.authentication

# METADATA
# title: User
# description: |
#   The claims of a token file's entry, as they stand: username, uid, groups
#   and extra. Other kinds of identity source are left to rules of their own,
#   since there a claim called `username` may be the caller's choice.
# scope: document
user.username := input.identity.claims.username if _from_token_file

user.uid := input.identity.claims.uid if {
	_from_token_file
	is_string(input.identity.claims.uid)
	input.identity.claims.uid != ""
}

user.groups contains group if {
	_from_token_file
	some group in input.identity.claims.groups
}

user.extra[key] contains value if {
	_from_token_file
	some key, values in input.identity.claims.extra
	some value in values
}

# METADATA
# title: Refused users
# description: |
#   Names that begin with `system:` belong to Kubernetes and its components.
# scope: document
deny contains reason if {
	_reserved(user.username)
	reason := sprintf("the username %q is reserved for Kubernetes", [user.username])
}

deny contains reason if {
	some group in user.groups
	_reserved(group)
	reason := sprintf("the group %q is reserved for Kubernetes", [group])
}

_from_token_file if input.identity.type == "tokenFile"

_reserved(name) if {
	is_string(name)
	startswith(name, "system:")
}
