# METADATA
# title: Users
# description: |
#   A verified token is the user that its entry names. The odd names are for
#   answers that verdict must not pass on.
package kubernetes.authentication

name := input.identity.claims.username

user := input.identity.claims if not name in {"ghost", "impostor"}

user := {"username": ""} if name == "ghost"

user := {"username": "impostor", "groups": ["system:masters"]} if name == "impostor"

deny contains "the account is suspended" if name == "mallory"

# "many" is no number: a policy error, not a user without a quota.
deny contains "the quota is used up" if to_number(input.identity.claims.extra["example.com/quota"][0]) == 0
