# METADATA
# title: Image locality
# description: |
#   The images of a pod that a node already has, and their size. A kubelet reports
#   at most 50 images, so a node can have images that are not listed.
package lib.scheduling.imagelocality

import data.lib.images

# METADATA
# title: Images of a pod
# description: |
#   The canonical names of the images of the v1 Pod: those of its containers,
#   init containers and image volumes.
# scope: document
wanted(pod) := {name |
	some reference in _references(pod)
	name := images.canonical(reference)
}

# METADATA
# title: Images of a pod on a node
# description: The images of the v1 Pod that status.images of the v1 Node lists, by canonical name.
held(pod, node) := {name | some name, _ in _sizes(pod, node)}

# METADATA
# title: Images of a pod that a node lacks
# description: The images of the v1 Pod that status.images of the v1 Node does not list, by canonical name.
missing(pod, node) := wanted(pod) - held(pod, node)

# METADATA
# title: Size of a pod's images on a node
# description: The bytes of the images of the v1 Pod that the v1 Node has, each counted once.
bytes(pod, node) := sum([size | some _, size in _sizes(pod, node)])

_references(pod) := array.concat(
	array.concat(
		[container.image | some container in pod.spec.containers],
		[container.image | some container in pod.spec.initContainers],
	),
	[volume.image.reference | some volume in pod.spec.volumes],
)

# Nodes list dozens of names: it is faster to write the few names of the pod in the
# forms that nodes use than to convert all names of the node. An image may be listed
# under several entries of different sizes.
_sizes(pod, node) := {name: max(sizes) |
	some name in wanted(pod)
	forms := images.names(name)
	sizes := [_size(entry) |
		some entry in node.status.images
		some form in entry.names
		form in forms
	]
	count(sizes) > 0
}

default _size(_) := 0

_size(entry) := entry.sizeBytes if {
	is_number(entry.sizeBytes)
	entry.sizeBytes > 0
}
