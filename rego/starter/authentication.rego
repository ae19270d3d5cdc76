# METADATA
# title: Starter authentication
# description: |
#   Maps the identity that a token of a token file or Secret proves to the user
#   that Kubernetes sees. It gives no user a name that Kubernetes reserves for
#   itself.
package kubernetes.authentication

# METADATA
# title: User
# description: |
#   The claims of an entry in a token file or of a Secret, unchanged: username, uid,
#   groups and extra. Other kinds of identity sources need rules of their own, since
#   users may be able to choose a claim called `username` there
#   themselves.
# scope: document
user.username := input.identity.claims.username if _listed

user.uid := input.identity.claims.uid if {
	_listed
	is_string(input.identity.claims.uid)
	input.identity.claims.uid != ""
}

user.groups contains group if {
	_listed
	some group in input.identity.claims.groups
}

user.extra[key] contains value if {
	_listed
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

_listed if input.identity.type in {"tokenFile", "secrets"}

_reserved(name) if {
	is_string(name)
	startswith(name, "system:")
}
