# METADATA
# title: OpenID Connect
# description: |
#   The claims as kube-apiserver's authenticator of OpenID Connect tokens reads them,
#   for rules that `verdict import authentication-configuration` writes. A function is
#   undefined where kube-apiserver refuses the token.
package lib.oidc

# METADATA
# title: Text
# description: |
#   The string at a claim; empty for null, and undefined when the claim is absent or
#   of another type.
# scope: document
text(claims, name) := claims[name] if is_string(claims[name])

text(claims, name) := "" if is_null(claims[name])

# METADATA
# title: Verified email
# description: |
#   True unless the claim email_verified is present and not true: kube-apiserver checks
#   no more when the email claim is the username.
# scope: document
email_verified(claims) if claims.email_verified == true

email_verified(claims) if not "email_verified" in object.keys(claims)

# METADATA
# title: Groups
# description: |
#   The groups at a claim that is a string or a list of strings, each after a prefix;
#   none when the claim is absent or null.
# scope: document
groups(claims, name, _) := [] if not name in object.keys(claims)

groups(claims, name, _) := [] if is_null(claims[name])

groups(claims, name, prefix) := [concat("", [prefix, claims[name]])] if is_string(claims[name])

groups(claims, name, prefix) := [concat("", [prefix, _element(group)]) | some group in claims[name]] if {
	is_array(claims[name])
	every group in claims[name] {
		type_name(group) in {"string", "null"}
	}
}

_element(group) := group if is_string(group)

_element(null) := ""

# METADATA
# title: Distributed groups
# description: |
#   Whether kube-apiserver would ask another service for a claim (OpenID Connect Core
#   §5.6.2), or refuse the token because of how it names that service. The claim is
#   not in the token then.
# scope: document
distributed(claims, name) if {
	not name in object.keys(claims)
	"_claim_names" in object.keys(claims)
	not _elsewhere(claims, name)
}

# The names and sources are valid, and none of them is for this claim.
_elsewhere(claims, name) if {
	_names(claims._claim_names)
	_sources(claims._claim_sources)
	not name in object.keys(_object(claims._claim_names))
}

# An aggregated claim (§5.6.2), which has no address.
_elsewhere(claims, name) if {
	_names(claims._claim_names)
	_sources(claims._claim_sources)
	source := _object(claims._claim_sources)[claims._claim_names[name]]
	every key, value in source {
		lower(key) != "endpoint"
		is_string(value)
	}
}

_names(null)

_names(names) if {
	is_object(names)
	every source in names {
		is_string(source)
	}
}

_sources(null)

_sources(sources) if {
	is_object(sources)
	every source in sources {
		is_object(source)
	}
}

_object(value) := value if is_object(value)

_object(null) := {}

# METADATA
# title: Credential
# description: |
#   The values of authentication.kubernetes.io/credential-id: the token's identifier
#   (jti), if it has one.
# scope: document
credential_id(claims) := [concat("", ["JTI=", claims.jti])] if _identified(claims)

credential_id(claims) := [] if not _identified(claims)

_identified(claims) if {
	is_string(claims.jti)
	claims.jti != ""
}

# METADATA
# title: Present
# description: The members of an object of lists that are not empty.
present(lists) := {key: values |
	some key, values in lists
	count(values) > 0
}
