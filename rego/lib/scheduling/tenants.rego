# METADATA
# title: Tenants
# description: |
#   Who shares nodes with whom. A tenant is a name, the empty string is nobody.
package lib.scheduling.tenants

# METADATA
# title: Tenants apart
# description: |
#   True when a pod of the first tenant has nothing to look for on a node of the
#   second, else false: they are not the same, or one of them is nobody.
# scope: document
default apart(_, _) := false

apart(tenant, owner) if tenant != owner

# METADATA
# title: Tenants on a node
# description: |
#   The tenants of the pods of a list such as input.state.pods, by an object of
#   tenants by namespace. Namespaces without a tenant don't count.
running(pods, namespaces) := {tenant |
	some pod in pods
	tenant := namespaces[pod.namespace]
	tenant != ""
}
