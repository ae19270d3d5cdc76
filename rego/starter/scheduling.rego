# METADATA
# title: Starter scheduling
# description: |
#   Keeps tenants on their own nodes, keeps pods away from nodes that are cordoned
#   by label, and prefers the zones in a pod's annotation and nodes with its images.
#
#   Node labels are read by constant keys, so that nodes with equal values of these
#   labels share one decision.
package kubernetes.scheduling

import data.lib.images

# METADATA
# title: Tenants
# description: |
#   A pod with the annotation of a tenant runs on nodes with the label
#   verdict.dev/tenant of that tenant, and such nodes run no other pods. Pods of
#   shared namespaces (kube-system and data.scheduling.sharedNamespaces) without a
#   tenant run anywhere, since every node needs its network and storage agents. The
#   annotation is verdict.dev/tenant, or the one that data.scheduling.tenantAnnotation
#   names. No eviction makes such a node fit, so the rule is unresolvable.
# scope: document
unresolvable contains "node(s) not labelled for the pod's tenant" if {
	_pod_tenant != ""
	_node_tenant != _pod_tenant
}

unresolvable contains "node(s) kept for a tenant" if {
	_pod_tenant == ""
	_node_tenant != ""
	not _shared
}

# METADATA
# title: Cordoned nodes
# description: |
#   A node with the label verdict.dev/cordoned takes no new pods, unless the value is
#   "false".
reject contains "node(s) cordoned by label verdict.dev/cordoned" if {
	input.node.metadata.labels["verdict.dev/cordoned"] != "false"
}

# METADATA
# title: Preferences
# description: |
#   zone gives up to 6 points by the place of the node's zone in the pod's annotation
#   verdict.dev/zones, a list in order of preference such as "eu-1a, eu-1b".
#   images gives up to 4 points by how many of the pod's images the node already
#   has.
# scope: document
score["zone"] := (6 * (count(_zones) - min(places))) / count(_zones) if {
	places := {place |
		some place, zone in _zones
		zone == input.node.metadata.labels["topology.kubernetes.io/zone"]
	}
	count(places) > 0
}

score["images"] := (4 * count(_held_images)) / count(_pod_images) if count(_pod_images) > 0

default _tenant_annotation := "verdict.dev/tenant"

_tenant_annotation := data.scheduling.tenantAnnotation if is_string(data.scheduling.tenantAnnotation)

default _pod_tenant := ""

_pod_tenant := input.pod.metadata.annotations[_tenant_annotation]

default _node_tenant := ""

_node_tenant := input.node.metadata.labels["verdict.dev/tenant"]

_shared if input.pod.metadata.namespace == "kube-system"

_shared if input.pod.metadata.namespace in data.scheduling.sharedNamespaces

_zones := [zone |
	preference := input.pod.metadata.annotations["verdict.dev/zones"]
	is_string(preference)
	some part in split(preference, ",")
	zone := trim_space(part)
	zone != ""
]

_pod_images contains images.canonical(container.image) if some container in input.pod.spec.containers

_pod_images contains images.canonical(container.image) if some container in input.pod.spec.initContainers

# Nodes list dozens of names: it is faster to write the few names of the pod in the
# forms that nodes use than to convert all names of the node.
_image_by_name := {name: image |
	some image in _pod_images
	some name in images.names(image)
}

_held_images := {_image_by_name[name] |
	some entry in input.node.status.images
	some name in entry.names
}
