# METADATA
# title: Devices
# description: |
#   Counts of devices that device plugins report as extended resources, such as
#   nvidia.com/gpu. The amounts are arguments, so that policies read only the
#   amounts that they need, by constant keys.
package lib.scheduling.devices

import data.lib.quantities

# METADATA
# title: Number of devices
# description: |
#   The number of a quantity such as one of a node's status.allocatable, 0 for any
#   other value.
# scope: document
default number(_) := 0

number(quantity) := floor(quantities.parse(quantity))

# METADATA
# title: Points for packing
# description: |
#   10 for a node on which the pod uses the last free device, less for each device
#   that stays free, 0 where all are free and the pod requests none. Undefined where
#   the pod requests more than are free, and on nodes without devices.
packed(wanted, free, total) := (10 * ((total - free) + wanted)) / total if {
	total > 0
	wanted <= free
	free <= total
}

# METADATA
# title: Points for spreading
# description: |
#   10 for a node on which all devices are free and the pod requests none, less for
#   each device in use, 0 where the pod uses the last. Undefined where packed is.
spread(wanted, free, total) := 10 - packed(wanted, free, total)

# METADATA
# title: Pods with devices
# description: |
#   The pods of a list such as input.state.pods that request the resource, as a set
#   of "namespace/name".
holders(pods, resource) := {name |
	some pod in pods
	pod.requests[resource] > 0
	name := concat("/", [pod.namespace, pod.name])
}
