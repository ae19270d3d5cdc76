# METADATA
# title: Tenants
# description: |
#   Which tenants share nodes. A tenant is a name; the empty string means no tenant.
package lib.scheduling.tenants

# METADATA
# title: Tenants apart
# description: |
#   True when a pod of the first tenant does not belong on a node of the second, else
#   false: they are different, also when one of them is empty.
# scope: document
default apart(_, _) := false

apart(tenant, owner) if tenant != owner

# METADATA
# title: Tenants on a node
# description: |
#   The tenants of the pods of a list such as input.state.pods. The object maps
#   namespaces to tenants. Namespaces without a tenant do not count.
running(pods, namespaces) := {tenant |
	some pod in pods
	tenant := namespaces[pod.namespace]
	tenant != ""
}
