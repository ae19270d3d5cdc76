# METADATA
# title: Placement
# description: Tenants have nodes of their own, and draining nodes take no pods.
package kubernetes.scheduling

tenant := input.pod.metadata.annotations["example.com/tenant"]

unresolvable contains "the node is not of the pod's tenant" if {
	object.get(input.node.metadata, ["labels", "example.com/tenant"], "") != tenant
}

reject contains "the node is draining" if {
	input.node.metadata.labels["example.com/draining"] == "true"
}

# A weight that is no number is a policy error.
reject contains "the node is full" if to_number(input.node.metadata.labels["example.com/free"]) == 0

score["rank"] := to_number(input.node.metadata.labels["example.com/rank"])

score["slow"] := -20 if input.node.metadata.labels["example.com/slow"] == "true"
