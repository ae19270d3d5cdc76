# METADATA
# title: Requests
# description: |
#   What a pod that is to be placed requests, in the units of input.state, so
#   that both can be added and compared.
package lib.scheduling.requests

import data.lib.quantities

# METADATA
# title: Request of a resource
# description: |
#   The amount of the resource that the v1 Pod requests, as kube-scheduler counts
#   it: what its containers and sidecars request together, or one of its other
#   init containers with the sidecars before it, whichever is more; or what the
#   pod as a whole requests; and its overhead. Milli-CPUs for cpu, else bytes or
#   pieces, rounded up. 0 without a request; a quantity that is none counts as 0.
of(pod, resource) := _units(resource, _requested(pod, resource) + _overhead(pod, resource))

_units(resource, amount) := ceil(amount * 1000) if resource == "cpu"

_units(resource, amount) := ceil(amount) if resource != "cpu"

_requested(pod, resource) := _request(pod.spec, resource) if _for_the_pod(pod, resource)

_requested(pod, resource) := max(array.concat([_running(pod, resource)], _starting(pod, resource))) if {
	not _for_the_pod(pod, resource)
}

# Kubernetes knows requests of a pod as a whole for these alone.
_for_the_pod(pod, resource) if {
	quantities.valid(pod.spec.resources.requests[resource])
	regex.match(`^(cpu|memory|hugepages-.*)$`, resource)
}

_running(pod, resource) := sum(array.concat(
	[_request(container, resource) | some container in pod.spec.containers],
	[_request(container, resource) |
		some container in pod.spec.initContainers
		container.restartPolicy == "Always"
	],
))

_starting(pod, resource) := [amount |
	some at, container in pod.spec.initContainers
	not _sidecar(container)
	before := [_request(sidecar, resource) |
		some i, sidecar in pod.spec.initContainers
		i < at
		sidecar.restartPolicy == "Always"
	]
	amount := _request(container, resource) + sum(before)
]

_sidecar(container) if container.restartPolicy == "Always"

default _request(_, _) := 0

_request(container, resource) := quantities.parse(container.resources.requests[resource])

default _overhead(_, _) := 0

_overhead(pod, resource) := quantities.parse(pod.spec.overhead[resource])
