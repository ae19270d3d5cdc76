package lib.scheduling.imagelocality_test

import data.lib.scheduling.imagelocality

_pod := {"spec": {
	"containers": [{"image": "nginx"}, {"image": "quay.io/team/app:v2"}, {"image": "docker.io/library/nginx:latest"}],
	"initContainers": [{"image": "busybox:1"}],
	"volumes": [{"image": {"reference": "quay.io/team/model:7"}}, {"name": "token", "projected": {}}],
}}

_node := {"status": {"images": [
	{"names": ["docker.io/library/nginx@sha256:aa", "docker.io/library/nginx:latest"], "sizeBytes": 70},
	{"names": ["quay.io/team/model:7"], "sizeBytes": 5000},
	{"names": ["quay.io/team/app:v1"], "sizeBytes": 300},
	{"names": null},
]}}

test_wanted if {
	imagelocality.wanted(_pod) == {
		"docker.io/library/nginx:latest",
		"quay.io/team/app:v2",
		"docker.io/library/busybox:1",
		"quay.io/team/model:7",
	}
}

test_held if imagelocality.held(_pod, _node) == {"docker.io/library/nginx:latest", "quay.io/team/model:7"}

test_missing if imagelocality.missing(_pod, _node) == {"quay.io/team/app:v2", "docker.io/library/busybox:1"}

test_bytes if imagelocality.bytes(_pod, _node) == 5070

test_images_of_one_size_are_both_counted if {
	node := {"status": {"images": [{"names": ["nginx:latest"], "sizeBytes": 7}, {"names": ["quay.io/team/app:v2"], "sizeBytes": 7}]}}
	imagelocality.bytes(_pod, node) == 14
}

test_an_image_listed_twice_is_counted_once if {
	node := {"status": {"images": [{"names": ["nginx:latest"], "sizeBytes": 7}, {"names": ["docker.io/library/nginx:latest"], "sizeBytes": 9}]}}
	imagelocality.bytes(_pod, node) == 9
}

test_odd_objects_hold_nothing if {
	every node in [{}, {"status": {"images": null}}, {"status": {"images": [7, {"names": [7]}]}}] {
		imagelocality.held(_pod, node) == set()
		imagelocality.bytes(_pod, node) == 0
	}
	imagelocality.wanted({}) == set()
	imagelocality.wanted({"spec": {"containers": [{"image": 7}, {"image": ""}]}}) == set()
}

test_an_image_without_a_size if {
	imagelocality.bytes(_pod, {"status": {"images": [{"names": ["nginx:latest"], "sizeBytes": "7"}]}}) == 0
	imagelocality.bytes(_pod, {"status": {"images": [{"names": ["nginx:latest"]}]}}) == 0
	imagelocality.held(_pod, {"status": {"images": [{"names": ["nginx:latest"]}]}}) == {"docker.io/library/nginx:latest"}
}
