package lib.scheduling.requests_test

import data.lib.scheduling.requests

_container(quantity) := {"resources": {"requests": {"memory": quantity}}}

_sidecar(quantity) := object.union(_container(quantity), {"restartPolicy": "Always"})

test_containers_are_added if {
	requests.of({"spec": {"containers": [_container("1Gi"), _container("512Mi"), {}]}}, "memory") == 1610612736
}

test_cpu_is_in_milli_cpus if {
	every quantity, want in {"2": 2000, "250m": 250, "0.0001": 1} {
		requests.of({"spec": {"containers": [{"resources": {"requests": {"cpu": quantity}}}]}}, "cpu") == want
	}
}

test_a_sum_is_rounded_once if {
	pod := {"spec": {"containers": [_container("500m"), _container("500m")]}}
	requests.of(pod, "memory") == 1
}

test_an_init_container_that_needs_more if {
	pod := {"spec": {"initContainers": [_container("3"), _container("2")], "containers": [_container("1"), _container("1")]}}
	requests.of(pod, "memory") == 3
}

test_sidecars_run_beside_containers_and_later_init_containers if {
	pod := {"spec": {
		"initContainers": [_container("5"), _sidecar("1"), _sidecar("1"), _container("6"), _sidecar("1")],
		"containers": [_container("4")],
	}}
	requests.of(pod, "memory") == 8
	requests.of(object.union(pod, {"spec": {"containers": [_container("9")]}}), "memory") == 12
}

test_overhead_is_added if {
	pod := {"spec": {"containers": [_container("4")], "overhead": {"memory": "3"}}}
	requests.of(pod, "memory") == 7
}

test_a_request_of_the_pod_as_a_whole if {
	resources := {"requests": {"memory": "10", "example.com/gpu": "1"}}
	pod := {"spec": {"resources": resources, "containers": [_container("4")], "overhead": {"memory": "3"}}}
	requests.of(pod, "memory") == 13
	requests.of(pod, "example.com/gpu") == 0
}

test_odd_pods_request_nothing if {
	every pod in [{}, {"spec": null}, {"spec": {"containers": null}}, {"spec": {"containers": [_container("many"), 7]}}] {
		requests.of(pod, "memory") == 0
	}
}

_limited(requested, limit) := {"resources": {"requests": requested, "limits": {"memory": limit}}}

test_requests_follow_limits if {
	requests.of({"spec": {"containers": [_limited({}, "2"), {"resources": {"limits": {"memory": "3"}}}]}}, "memory") == 5
	requests.of({"spec": {"initContainers": [_limited({"cpu": "1"}, "7")], "containers": [_container("1")]}}, "memory") == 7
}

test_what_is_requested_goes_before_limits if {
	requests.of({"spec": {"containers": [_limited({"memory": "1"}, "2")]}}, "memory") == 1
	requests.of({"spec": {"containers": [_limited({"memory": "0"}, "2")]}}, "memory") == 0
	requests.of({"spec": {"containers": [_limited({"memory": false}, "2")]}}, "memory") == 0
}

test_limits_of_the_pod_as_a_whole if {
	whole := {"limits": {"memory": "9", "hugepages-2Mi": "4", "example.com/gpu": "1"}}
	requests.of({"spec": {"resources": whole, "containers": [{}]}}, "memory") == 9
	requests.of({"spec": {"resources": whole, "containers": [{}]}}, "example.com/gpu") == 0
	requests.of({"spec": {"resources": whole, "containers": [_container("2")]}}, "memory") == 2
	requests.of({"spec": {"resources": whole, "containers": [], "initContainers": [_limited({}, "3")]}}, "memory") == 3
	huge := {"resources": {"requests": {"hugepages-2Mi": "2"}}}
	requests.of({"spec": {"resources": whole, "containers": [huge]}}, "hugepages-2Mi") == 4
	written := object.union(whole, {"requests": {"memory": "5"}})
	requests.of({"spec": {"resources": written, "containers": [{}]}}, "memory") == 5
}
