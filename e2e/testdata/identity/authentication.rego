# METADATA
# title: Users of three sources
# description: |
#   Who logs in at the company's provider is known by a verified email address,
#   a service account of another cluster by that cluster's name and its own,
#   and the users of the token file as the file has them.
package kubernetes.authentication

import data.lib.identity

user.username := input.identity.claims.username if input.identity.type == "tokenFile"

user.username := concat(":", ["oidc", input.identity.claims.email]) if {
	input.identity.source == "company"
	input.identity.claims.email_verified == true
}

user.groups contains concat(":", ["oidc", group]) if {
	input.identity.source == "company"
	some group in identity.names(input.identity.claims.groups)
}

user.username := concat(":", ["cluster-a", account.namespace, account.serviceaccount.name]) if {
	input.identity.source == "cluster-a"
	account := input.identity.claims["kubernetes.io"]
}
