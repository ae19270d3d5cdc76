package kubernetes.scheduling_test

import data.kubernetes.scheduling

_pod(annotations) := {
	"metadata": {"name": "web", "namespace": "payments", "annotations": annotations},
	"spec": {"containers": []},
}

_node(labels) := {"metadata": {"name": "worker-1", "labels": labels}, "status": {"images": []}}

_pair(annotations, labels) := {"pod": _pod(annotations), "node": _node(labels)}

_payments := {"verdict.dev/tenant": "payments"}

_search := {"verdict.dev/tenant": "search"}

test_tenant_pods_stay_on_their_nodes if {
	every case in [
		{"pod": _payments, "node": _payments, "want": set()},
		{"pod": _payments, "node": _search, "want": {"node(s) not labelled for the pod's tenant"}},
		{"pod": _payments, "node": {}, "want": {"node(s) not labelled for the pod's tenant"}},
		{"pod": {}, "node": _payments, "want": {"node(s) kept for a tenant"}},
		{"pod": {}, "node": {}, "want": set()},
		{"pod": {"verdict.dev/tenant": ""}, "node": {"verdict.dev/tenant": ""}, "want": set()},
		{"pod": {"verdict.dev/tenant": ""}, "node": _search, "want": {"node(s) kept for a tenant"}},
	] {
		reasons := scheduling.unresolvable with input as _pair(case.pod, case.node)
		reasons == case.want
	}
}

test_tenant_annotation_from_data if {
	pair := _pair({"example.com/owner": "search"}, _search)
	count(scheduling.unresolvable) == 1 with input as pair with data.scheduling as {}
	count(scheduling.unresolvable) == 0 with input as pair with data.scheduling as {"tenantAnnotation": "example.com/owner"}
	count(scheduling.unresolvable) == 0 with input as _pair(_search, _search) with data.scheduling as {"tenantAnnotation": null}
}

test_shared_namespaces_run_on_tenant_nodes if {
	every namespace in ["kube-system", "monitoring"] {
		pod := {"metadata": {"namespace": namespace}, "spec": {}}
		count(scheduling.unresolvable) == 0 with input as {"pod": pod, "node": _node(_payments)} with data.scheduling as {"sharedNamespaces": ["monitoring"]}
	}
}

test_a_tenant_binds_in_shared_namespaces_too if {
	pod := {"metadata": {"namespace": "kube-system", "annotations": _search}, "spec": {}}
	count(scheduling.unresolvable) == 1 with input as {"pod": pod, "node": _node(_payments)}
}

test_cordoned_by_label if {
	every value in ["true", "", "maintenance", "False"] {
		reasons := scheduling.reject with input as _pair({}, {"verdict.dev/cordoned": value})
		reasons == {"node(s) cordoned by label verdict.dev/cordoned"}
	}
	every labels in [{}, {"verdict.dev/cordoned": "false"}] {
		count(scheduling.reject) == 0 with input as _pair({}, labels)
	}
}

test_zone_preference if {
	every case in [
		{"zones": "a", "zone": "a", "want": 6},
		{"zones": "a,b,c", "zone": "a", "want": 6},
		{"zones": "a, b ,c", "zone": "b", "want": 4},
		{"zones": "a,b,c", "zone": "c", "want": 2},
		{"zones": "a,b,a,b", "zone": "b", "want": 4.5},
		{"zones": ",a,,b,", "zone": "b", "want": 3},
	] {
		pair := _pair({"verdict.dev/zones": case.zones}, {"topology.kubernetes.io/zone": case.zone})
		points := scheduling.score.zone with input as pair
		points == case.want
	}
}

test_no_zone_preference if {
	every case in [
		{"annotations": {"verdict.dev/zones": "a,b"}, "labels": {"topology.kubernetes.io/zone": "c"}},
		{"annotations": {"verdict.dev/zones": "a,b"}, "labels": {}},
		{"annotations": {"verdict.dev/zones": ""}, "labels": {"topology.kubernetes.io/zone": ""}},
		{"annotations": {"verdict.dev/zones": 7}, "labels": {"topology.kubernetes.io/zone": "a"}},
		{"annotations": {}, "labels": {"topology.kubernetes.io/zone": "a"}},
	] {
		pair := _pair(case.annotations, case.labels)
		score := scheduling.score with input as pair
		score == {}
	}
}

_app := {"metadata": {"namespace": "payments"}, "spec": {
	"initContainers": [{"image": "busybox:1.36"}],
	"containers": [{"image": "nginx"}, {"image": "quay.io/team/app:v2@sha256:aa"}, {"image": "nginx:latest"}],
}}

test_image_locality if {
	every case in [
		{"images": [], "want": 0},
		{"images": [{"names": ["docker.io/library/nginx@sha256:bb", "docker.io/library/nginx:latest"], "sizeBytes": 1}], "want": 4 / 3},
		{"images": [{"names": ["nginx:latest"]}, {"names": ["quay.io/team/app@sha256:aa"]}], "want": 8 / 3},
		{"images": [{"names": ["busybox:1.36", "nginx:latest", "quay.io/team/app@sha256:aa"]}], "want": 4},
		{"images": [{"names": ["nginx:1.25", "quay.io/team/app:v2", "busybox"]}], "want": 0},
		{"images": [{"names": null}, null, 7, {"names": [7, null]}], "want": 0},
		{"images": null, "want": 0},
	] {
		node := {"metadata": {"labels": {}}, "status": {"images": case.images}}
		points := scheduling.score.images with input as {"pod": _app, "node": node}
		points == case.want
	}
}

test_preferences_stay_within_ten if {
	pod := object.union(_app, {"metadata": {"annotations": {"verdict.dev/zones": "a"}}})
	node := {
		"metadata": {"labels": {"topology.kubernetes.io/zone": "a"}},
		"status": {"images": [{"names": ["busybox:1.36", "nginx:latest", "quay.io/team/app@sha256:aa"]}]},
	}
	score := scheduling.score with input as {"pod": pod, "node": node}
	sum([points | some points in score]) == 10
}

test_odd_objects_are_no_errors if {
	every odd in [null, 7, "x", [], {}, {"metadata": null, "spec": null, "status": null}, {"metadata": {"labels": null, "annotations": []}, "spec": {"containers": [null, 7, {"image": 7}, {"image": ""}]}, "status": {"images": {}}}] {
		count(scheduling.unresolvable) == 0 with input as {"pod": odd, "node": odd}
		count(scheduling.reject) == 0 with input as {"pod": odd, "node": odd}
		score := scheduling.score with input as {"pod": odd, "node": odd}
		score == {}
	}
}
