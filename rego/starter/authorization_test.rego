package kubernetes.authorization_test

import data.kubernetes.authorization

_access := {
	"roles": {
		"edit": [
			{"verbs": ["get", "update"], "groups": [""], "resources": ["pods", "pods/exec", "secrets"]},
			{"verbs": ["get"], "groups": ["apps"], "resources": ["*"]},
		],
		"admin": [{"verbs": ["*"], "groups": ["*"], "resources": ["*"]}],
		"named": [{"verbs": ["get", "list"], "groups": [""], "resources": ["configmaps"], "names": ["settings"]}],
		"nameless": [{"verbs": ["get"], "groups": [""], "resources": ["configmaps"], "names": []}],
		"probe": [{"verbs": ["get"], "nonResourceURLs": ["/healthz*", "/version"]}],
		"empty": [{}],
	},
	"users": {
		"dora": [{"role": "edit", "namespaces": ["dev"]}],
		"erik": [{"role": "named", "namespaces": ["dev"]}, {"role": "nameless", "namespaces": ["prod"]}],
		"faye": [{"role": "probe", "namespaces": []}],
		"gone": [{"role": "no-such-role", "namespaces": ["*"]}, {"role": "empty", "namespaces": ["*"]}],
	},
	"groups": {
		"admins": [{"role": "admin", "namespaces": ["*"]}],
		"developers": [{"role": "edit", "namespaces": ["dev"]}],
	},
	"guardRails": {"kubeSystem": {
		"users": ["rescue", "system:serviceaccount:ops:mender"],
		"groups": ["security", "system:serviceaccounts:cert-manager"],
	}},
}

_request(user, groups, attributes) := {"spec": {"user": user, "groups": groups, "resourceAttributes": attributes}}

_get_pod := {"namespace": "dev", "verb": "get", "resource": "pods", "name": "web"}

_allowed(request) := reasons if reasons := authorization.allow with input as request with data.access as _access

_denied(request) := reasons if reasons := authorization.deny with input as request with data.access as _access

test_allowed_by_the_users_role if {
	_allowed(_request("dora", [], _get_pod)) == {`role "edit" granted to user "dora"`}
}

test_allowed_by_the_groups_role if {
	_allowed(_request("hugo", ["staff", "developers"], _get_pod)) == {`role "edit" granted to group "developers"`}
}

test_every_grant_is_a_reason if {
	count(_allowed(_request("dora", ["developers", "admins"], _get_pod))) == 3
}

test_groups_may_be_absent if {
	request := {"spec": {"user": "dora", "resourceAttributes": _get_pod}}
	count(_allowed(request)) == 1
	count(_denied(request)) == 0
}

test_no_opinion_outside_the_role if {
	every difference in [
		{"verb": "delete"},
		{"verb": "*"},
		{"verb": "GET"},
		{"namespace": "prod"},
		{"namespace": ""},
		{"namespace": "*"},
		{"group": "metrics.k8s.io"},
		{"group": "*"},
		{"resource": "nodes"},
		{"resource": "*"},
		{"resource": ""},
		{"subresource": "log"},
		{"subresource": "*"},
		{"resource": "*", "subresource": "*"},
		{"resource": null},
		{"resource": 7},
		{"verb": ["get"]},
	] {
		request := _request("dora", ["developers"], object.union(_get_pod, difference))
		_allowed(request) == set()
		_denied(request) == set()
	}
}

test_strangers_get_no_opinion if {
	every user in ["nobody", "*", "", null, ["dora"]] {
		request := _request(user, ["*", ""], _get_pod)
		_allowed(request) == set()
		_denied(request) == set()
	}
}

test_subresources if {
	count(_allowed(_request("dora", [], object.union(_get_pod, {"subresource": "exec"})))) == 1
	count(_allowed(_request("dora", [], {"namespace": "dev", "verb": "get", "group": "apps", "resource": "deployments", "subresource": "scale"}))) == 1
}

test_names if {
	attributes := {"namespace": "dev", "verb": "get", "resource": "configmaps", "name": "settings"}
	count(_allowed(_request("erik", [], attributes))) == 1
	every difference in [{"name": "other"}, {"name": "*"}, {"name": ""}, {"namespace": "prod"}] {
		_allowed(_request("erik", [], object.union(attributes, difference))) == set()
	}
	_allowed(_request("erik", [], {"namespace": "dev", "verb": "list", "resource": "configmaps"})) == set()
}

test_wildcards_of_a_role_reach_everything if {
	every attributes in [
		_get_pod,
		{"verb": "list", "resource": "nodes"},
		{"verb": "*", "group": "*", "resource": "*"},
		{"namespace": "prod", "verb": "patch", "group": "apps", "resource": "deployments", "subresource": "scale"},
	] {
		count(_allowed(_request("ida", ["admins"], attributes))) == 1
	}
}

test_non_resource_paths if {
	every case in [
		{"path": "/healthz/etcd", "verb": "get", "want": 1},
		{"path": "/version", "verb": "get", "want": 1},
		{"path": "/version", "verb": "post", "want": 0},
		{"path": "/versions", "verb": "get", "want": 0},
		{"path": "*", "verb": "get", "want": 0},
		{"path": 7, "verb": "get", "want": 0},
	] {
		request := {"spec": {"user": "faye", "nonResourceAttributes": {"path": case.path, "verb": case.verb}}}
		count(_allowed(request)) == case.want
	}
}

test_selectors_are_not_read if {
	attributes := object.union(_get_pod, {"fieldSelector": {"rawSelector": "metadata.name=other"}, "labelSelector": {"rawSelector": "x in ("}})
	count(_allowed(_request("dora", [], attributes))) == 1
}

test_bindings_to_missing_or_empty_roles_grant_nothing if {
	_allowed(_request("gone", [], _get_pod)) == set()
}

test_without_data_no_opinion if {
	count(authorization.allow) == 0 with input as _request("dora", [], _get_pod) with data.access as {}
}

_secret := {"namespace": "kube-system", "verb": "get", "resource": "secrets", "name": "root-ca"}

test_secrets_of_kube_system_are_guarded if {
	every verb in ["get", "list", "watch", "patch", "delete", "deletecollection", "*"] {
		_denied(_request("ida", ["admins"], object.union(_secret, {"verb": verb}))) == {"only trusted groups may read Secrets of kube-system"}
	}
}

test_cluster_wide_secrets_are_guarded if {
	every namespace in ["", null] {
		_denied(_request("ida", ["admins"], {"namespace": namespace, "verb": "list", "resource": "secrets"})) == {"only trusted groups may read Secrets of all namespaces, since kube-system is one of them"}
	}
	count(_denied(_request("ida", [], {"verb": "watch", "resource": "secrets"}))) == 1
}

test_ways_into_pods_of_kube_system_are_guarded if {
	every subresource in ["exec", "attach", "portforward", "proxy", "ephemeralcontainers"] {
		every namespace in ["kube-system", ""] {
			attributes := {"namespace": namespace, "verb": "create", "resource": "pods", "subresource": subresource, "name": "etcd"}
			_denied(_request("ida", ["admins"], attributes)) == {"only trusted groups may enter pods of kube-system"}
		}
	}
}

_making_pods := {"only trusted groups may create and change pods of kube-system"}

test_what_makes_pods_of_kube_system_is_guarded if {
	every group, resources in {
		"": ["pods", "replicationcontrollers"],
		"apps": ["daemonsets", "deployments", "statefulsets", "replicasets", "controllerrevisions"],
		"batch": ["jobs", "cronjobs"],
	} {
		every resource in resources {
			every verb in ["create", "update", "patch", "*", "impersonate-on:user-info:patch"] {
				attributes := {"namespace": "kube-system", "verb": verb, "group": group, "resource": resource, "name": "kube-proxy"}
				_denied(_request("ida", ["admins"], attributes)) == _making_pods
				_denied(_request("rescue", [], attributes)) == set()
			}
		}
	}
}

_issuing := {"only trusted groups may create tokens of service accounts that are trusted with kube-system"}

_token_of(namespace, name) := {"namespace": namespace, "verb": "create", "resource": "serviceaccounts", "subresource": "token", "name": name}

test_tokens_of_trusted_service_accounts_are_guarded if {
	every attributes in [
		_token_of("kube-system", "generic-garbage-collector"),
		_token_of("", ""),
		_token_of("cert-manager", "cert-manager"),
		_token_of("ops", "mender"),
		object.union(_token_of("kube-system", "x"), {"verb": "*"}),
		object.union(_token_of("kube-system", "x"), {"verb": "impersonate-on:serviceaccount:create"}),
	] {
		_denied(_request("ida", ["admins"], attributes)) == _issuing
		_denied(_request("ida", ["security"], attributes)) == set()
	}
	every attributes in [_token_of("dev", "builder"), _token_of("ops", "other"), object.union(_token_of("kube-system", "x"), {"verb": "get"})] {
		_denied(_request("ida", ["admins"], attributes)) == set()
	}
}

_impersonating := {"only trusted groups may impersonate users trusted with kube-system"}

_legacy(resource, name) := {"verb": "impersonate", "resource": resource, "name": name}

_constrained(mode, resource, name) := {
	"verb": concat(":", ["impersonate", mode]),
	"group": "authentication.k8s.io",
	"version": "v1",
	"resource": resource,
	"name": name,
}

_of_namespace(namespace, attributes) := object.union(attributes, {"namespace": namespace})

test_impersonation_of_the_trusted_is_guarded if {
	every attributes in [
		_legacy("users", "system:kube-controller-manager"),
		_legacy("users", "system:apiserver"),
		_legacy("users", "system:node:worker-1"),
		_legacy("users", "rescue"),
		_legacy("users", ""),
		_legacy("groups", "system:masters"),
		_legacy("groups", "system:nodes"),
		_legacy("groups", "system:serviceaccounts:kube-system"),
		_legacy("groups", "security"),
		{"verb": "impersonate", "resource": "groups"},
		{"verb": "*", "resource": "groups", "name": "security"},
		_of_namespace("kube-system", _legacy("serviceaccounts", "generic-garbage-collector")),
		_of_namespace("cert-manager", _legacy("serviceaccounts", "cert-manager")),
		_of_namespace("ops", _legacy("serviceaccounts", "mender")),
		_constrained("user-info", "users", "system:kube-controller-manager"),
		_constrained("user-info", "users", "rescue"),
		_constrained("user-info", "groups", "security"),
		_constrained("user-info", "groups", "system:nodes"),
		_constrained("user-info", "groups", "*"),
		_constrained("a-later-mode", "groups", "security"),
		_constrained("arbitrary-node", "nodes", "worker-1"),
		_constrained("associated-node", "nodes", "*"),
		_of_namespace("kube-system", _constrained("serviceaccount", "serviceaccounts", "generic-garbage-collector")),
		_of_namespace("cert-manager", _constrained("serviceaccount", "serviceaccounts", "cert-manager")),
	] {
		_denied(_request("ida", ["admins"], attributes)) == _impersonating
		_denied(_request("ida", ["admins", "security"], attributes)) == set()
		count(authorization.allow) == 1 with input as _request("ida", ["admins"], attributes) with data.access as _access
	}
}

test_impersonation_of_others_is_left_to_others if {
	every attributes in [
		_legacy("users", "dora"),
		_legacy("groups", "developers"),
		_legacy("uids", "1001"),
		_of_namespace("dev", _legacy("serviceaccounts", "builder")),
		_of_namespace("ops", _legacy("serviceaccounts", "other")),
		_constrained("user-info", "users", "dora"),
		_constrained("user-info", "groups", "developers"),
		_constrained("user-info", "uids", "1001"),
		object.union(_constrained("user-info", "userextras", "view"), {"subresource": "scopes"}),
		_of_namespace("dev", _constrained("serviceaccount", "serviceaccounts", "builder")),
		{"verb": "impersonate-on:user-info:get", "namespace": "dev", "resource": "secrets", "name": "x"},
		{"verb": "*", "resource": "nodes", "name": "worker-1"},
		{"verb": "*", "namespace": "dev", "resource": "serviceaccounts"},
		{"verb": "get", "namespace": "kube-system", "resource": "serviceaccounts", "name": "x"},
		{"verb": "create", "group": "example.com", "resource": "users", "name": "rescue"},
	] {
		_denied(_request("ida", ["admins"], attributes)) == set()
	}
}

test_what_is_asked_while_impersonating_is_guarded_alike if {
	every verb in ["get", "list", "watch"] {
		attributes := object.union(_secret, {"verb": sprintf("impersonate-on:user-info:%s", [verb])})
		count(_denied(_request("ida", ["admins"], attributes))) == 1
	}
	exec := {"namespace": "kube-system", "verb": "impersonate-on:serviceaccount:create", "resource": "pods", "subresource": "exec"}
	count(_denied(_request("ida", ["admins"], exec))) == 1
}

test_guard_rails_hold_without_groups_or_data if {
	request := {"spec": {"user": "nobody", "resourceAttributes": _secret}}
	count(authorization.deny) == 1 with input as request with data.access as {}
}

test_guard_rails_leave_the_rest_alone if {
	every attributes in [
		{"namespace": "dev", "verb": "get", "resource": "secrets"},
		{"namespace": "kube-system", "verb": "create", "resource": "secrets"},
		{"namespace": "kube-system", "verb": "get", "group": "example.com", "resource": "secrets"},
		{"namespace": "kube-system", "verb": "get", "resource": "configmaps"},
		{"namespace": "kube-system", "verb": "get", "resource": "pods", "subresource": "log"},
		{"namespace": "kube-system", "verb": "list", "resource": "pods"},
		{"namespace": "kube-system", "verb": "delete", "resource": "pods", "name": "etcd"},
		{"namespace": "kube-system", "verb": "patch", "resource": "pods", "subresource": "status"},
		{"namespace": "kube-system", "verb": "create", "resource": "pods", "subresource": "binding"},
		{"namespace": "kube-system", "verb": "update", "group": "apps", "resource": "deployments", "subresource": "scale"},
		{"namespace": "kube-system", "verb": "patch", "group": "example.com", "resource": "deployments"},
		{"namespace": "kube-system", "verb": "patch", "resource": "services"},
		{"namespace": "dev", "verb": "patch", "group": "apps", "resource": "deployments"},
		{"namespace": "dev", "verb": "create", "resource": "pods", "subresource": "exec"},
		{"namespace": "kube-system", "verb": "create", "group": "example.com", "resource": "pods", "subresource": "exec"},
	] {
		_denied(_request("ida", [], attributes)) == set()
	}
}

test_control_plane_is_trusted_even_without_data if {
	every request in [
		_request("system:node:worker-1", ["system:nodes", "system:authenticated"], _secret),
		_request("system:kube-controller-manager", ["system:authenticated"], {"verb": "list", "resource": "secrets"}),
		_request("system:cloud-controller-manager", ["system:authenticated"], _secret),
		_request("system:serviceaccount:kube-system:token-cleaner", ["system:serviceaccounts", "system:serviceaccounts:kube-system"], _secret),
		_request("system:bootstrap:abcdef", ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"], _secret),
		_request("kubernetes-admin", ["kubeadm:cluster-admins"], _secret),
		_request("admin", ["system:masters"], _secret),
		_request("system:apiserver", [], _secret),
	] {
		count(authorization.deny) == 0 with input as request with data.access as {}
		count(authorization.allow) == 0 with input as request with data.access as {}
	}
}

test_trusted_by_data if {
	_denied(_request("ida", ["security"], _secret)) == set()
	_denied(_request("rescue", [], _secret)) == set()
}

test_near_names_are_not_trusted if {
	every groups in [["system:serviceaccounts"], ["system:serviceaccounts:kube-systems"], ["system:authenticated"], ["system:node"], ["*"]] {
		count(_denied(_request("system:serviceaccount:dev:default", groups, _secret))) == 1
	}
}
