# METADATA
# title: Requests
# description: |
#   The requests of a pod that is to be placed, in the units of input.state, so that
#   both can be added and compared.
package lib.scheduling.requests

import data.lib.quantities

# METADATA
# title: Request of a resource
# description: |
#   The amount of the resource that the v1 Pod requests, as kube-scheduler counts
#   it: the sum of its containers and sidecars, or one of its other init containers
#   with the sidecars before it, whichever is more; or the request of the pod as a
#   whole; and its overhead. A limit without a request counts as the request, as in
#   the API server. Milli-CPUs for cpu, else bytes or pieces, rounded up. 0 without
#   request and limit; an invalid quantity counts as 0.
of(pod, resource) := _units(resource, _requested(pod, resource) + _overhead(pod, resource))

_units(resource, amount) := ceil(amount * 1000) if resource == "cpu"

_units(resource, amount) := ceil(amount) if resource != "cpu"

_requested(pod, resource) := quantities.parse(_for_the_pod(pod, resource))

_requested(pod, resource) := max(array.concat([_running(pod, resource)], _starting(pod, resource))) if {
	not _for_the_pod(pod, resource)
}

# Kubernetes knows requests of a pod as a whole only for these.
_for_the_pod(pod, resource) := pod.spec.resources.requests[resource] if {
	quantities.valid(pod.spec.resources.requests[resource])
	_of_pods(resource)
}

_for_the_pod(pod, resource) := pod.spec.resources.limits[resource] if {
	quantities.valid(pod.spec.resources.limits[resource])
	_of_pods(resource)
	not _written(pod.spec.resources, resource)
	not _in_containers(pod, resource)
}

_of_pods(resource) if regex.match(`^(cpu|memory|hugepages-.*)$`, resource)

# When containers request cpu or memory, a limit of the pod does not count as a request.
_in_containers(pod, resource) if {
	resource in {"cpu", "memory"}
	some container in pod.spec.containers
	_wanted(container.resources, resource)
}

_in_containers(pod, resource) if {
	resource in {"cpu", "memory"}
	some container in pod.spec.initContainers
	_wanted(container.resources, resource)
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

_request(container, resource) := quantities.parse(_wanted(container.resources, resource))

_wanted(resources, resource) := resources.requests[resource]

_wanted(resources, resource) := resources.limits[resource] if not _written(resources, resource)

_written(resources, resource) if resource in object.keys(resources.requests)

default _overhead(_, _) := 0

_overhead(pod, resource) := quantities.parse(pod.spec.overhead[resource])
