# METADATA
# title: Starter authorization
# description: |
#   Roles from data and guard rails around kube-system. Where neither applies there
#   is no opinion: the next authorizer, usually RBAC, decides.
#
#   data.access.roles[role] is the list of grants of the role, and
#   data.access.users[user] and data.access.groups[group] are lists of bindings
#   {role, namespaces}. They are looked up by the names in the request, so the
#   number of users and groups in data does not matter.
package kubernetes.authorization

import data.lib.paths
import data.lib.resources
import data.lib.verbs

# METADATA
# title: Granted by a role
# description: Allows requests that a role of the user or of one of the user's groups covers.
# scope: document
allow contains reason if {
	verb := input.spec.resourceAttributes.verb
	some [kind, name, binding] in _bindings
	resources.in_namespaces(binding.namespaces, _namespace)
	some grant in data.access.roles[binding.role]
	verbs.matches(grant.verbs, verb)
	resources.in_groups(grant.groups, _api_group)
	resources.matches(grant.resources, _resource, _subresource)
	_name_granted(grant)
	reason := sprintf("role %q granted to %s %q", [binding.role, kind, name])
}

allow contains reason if {
	path := input.spec.nonResourceAttributes.path
	some [kind, name, binding] in _bindings
	some grant in data.access.roles[binding.role]
	verbs.matches(grant.verbs, input.spec.nonResourceAttributes.verb)
	paths.matches(grant.nonResourceURLs, path)
	reason := sprintf("role %q granted to %s %q", [binding.role, kind, name])
}

# METADATA
# title: Guard rails
# description: |
#   The Secrets of kube-system hold the credentials of the control plane, and its
#   pods and the tokens of its service accounts give access to them. Only the control
#   plane and data.access.guardRails.kubeSystem {users, groups} are not denied;
#   other rules and authorizers then decide. No other user can become one of them by
#   impersonation.
# scope: document
deny contains "only trusted groups may read Secrets of kube-system" if {
	_secrets_revealed
	_namespace == "kube-system"
	not _trusted
}

deny contains "only trusted groups may read Secrets of all namespaces, since kube-system is one of them" if {
	_secrets_revealed
	_namespace == ""
	not _trusted
}

deny contains "only trusted groups may enter pods of kube-system" if {
	_api_group == ""
	resources.qualified(_resource, _subresource) in _ways_into_pods
	_namespace in {"kube-system", ""}
	not _trusted
}

deny contains "only trusted groups may create and change pods of kube-system" if {
	_resource in _pod_makers[_api_group]
	_subresource == ""
	_namespace in {"kube-system", ""}
	_verb in _making
	not _trusted
}

deny contains "only trusted groups may create tokens of service accounts that are trusted with kube-system" if {
	_resource == "serviceaccounts"
	_subresource == "token"
	_api_group == ""
	_verb in {"create", "*"}
	_named_is_trusted
	not _trusted
}

deny contains "only trusted groups may impersonate users trusted with kube-system" if {
	_resource in _impersonated[_api_group]
	_subresource == ""
	_impersonation
	_named_is_trusted
	not _trusted
}

# Each binding comes with its user or group, which the reason names.
_bindings contains ["user", input.spec.user, binding] if some binding in data.access.users[input.spec.user]

_bindings contains ["group", group, binding] if {
	some group in input.spec.groups
	some binding in data.access.groups[group]
}

# A grant without names covers every name; a grant with an empty list covers none.
_name_granted(grant) if not _limited_to_names(grant)

_name_granted(grant) if resources.named(grant.names, input.spec.resourceAttributes.name)

_limited_to_names(grant) if "names" in object.keys(grant)

_secrets_revealed if {
	_resource == "secrets"
	_api_group == ""
	_verb in _revealing
}

# Beside the reading verbs: patch and deletecollection answer with the objects that
# they changed, and so does delete while an object has a finalizer. A check for `*`
# asks for all of these at once.
_revealing := {"get", "list", "watch", "patch", "delete", "deletecollection", "*"}

_ways_into_pods := {
	"pods/exec",
	"pods/attach",
	"pods/portforward",
	"pods/proxy",
	"pods/ephemeralcontainers",
}

# Objects that run containers, or that a controller runs containers for, by API
# group: a user who writes the template chooses the image, the Secrets and the service
# account. Controllers read old templates from controller revisions.
_pod_makers := {
	"": {"pods", "replicationcontrollers"},
	"apps": {"controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"},
	"batch": {"cronjobs", "jobs"},
}

_making := {"create", "update", "patch", "*"}

# Requests while impersonating are treated like direct requests.
_verb := verbs.underlying(input.spec.resourceAttributes.verb)

# kube-apiserver asks about legacy impersonation in the core group, and about the
# modes of KEP-5284 in authentication.k8s.io. Their other resources, uids and
# userextras, do not make a user trusted.
_impersonated := {
	"": {"users", "groups", "serviceaccounts"},
	"authentication.k8s.io": {"users", "groups", "serviceaccounts", "nodes"},
}

# A check for `*` includes this.
_impersonation if verbs.impersonation(_verb)

_impersonation if _verb == "*"

# The impersonated user, group, service account or node of a request. The group of
# all nodes is trusted, so the name of the node does not matter.
_named_is_trusted if _resource == "nodes"

_named_is_trusted if {
	_resource == "users"
	startswith(_name, "system:node:")
}

_named_is_trusted if {
	_resource == "users"
	_name in _control_plane_users
}

_named_is_trusted if {
	_resource == "users"
	_name in data.access.guardRails.kubeSystem.users
}

_named_is_trusted if {
	_resource == "groups"
	_name in _control_plane_groups
}

_named_is_trusted if {
	_resource == "groups"
	_name in data.access.guardRails.kubeSystem.groups
}

# `*` means all users or groups, and so does a check without a name.
_named_is_trusted if {
	_resource in {"users", "groups"}
	_name in {"", "*"}
}

_named_is_trusted if {
	_resource == "serviceaccounts"
	_namespace in {"kube-system", ""}
}

_named_is_trusted if {
	_resource == "serviceaccounts"
	some group in ["system:serviceaccounts", concat(":", ["system:serviceaccounts", _namespace])]
	group in data.access.guardRails.kubeSystem.groups
}

_named_is_trusted if {
	_resource == "serviceaccounts"
	concat(":", ["system:serviceaccount", _namespace, _name]) in data.access.guardRails.kubeSystem.users
}

_trusted if input.spec.user in _control_plane_users

_trusted if input.spec.user in data.access.guardRails.kubeSystem.users

_trusted if {
	some group in input.spec.groups
	group in _control_plane_groups
}

_trusted if {
	some group in input.spec.groups
	group in data.access.guardRails.kubeSystem.groups
}

# The control plane is listed here and not in data, so that data without it cannot
# stop a cluster. A trusted user is not granted anything: the Node authorizer still
# limits a kubelet to the Secrets of its own pods, and RBAC limits the others.
_control_plane_users := {
	"system:apiserver",
	"system:cloud-controller-manager",
	"system:kube-controller-manager",
}

# Joining control-plane nodes read kubeadm-certs with a bootstrap token, and
# kubeadm itself is in kubeadm:cluster-admins.
_control_plane_groups := {
	"kubeadm:cluster-admins",
	"system:bootstrappers",
	"system:masters",
	"system:nodes",
	"system:serviceaccounts:kube-system",
}

# Attributes that a SubjectAccessReview leaves out, or that are null, are empty. They
# are read one by one, so that cache keys hold only the attributes in use.
default _namespace := ""

_namespace := input.spec.resourceAttributes.namespace if input.spec.resourceAttributes.namespace != null

default _api_group := ""

_api_group := input.spec.resourceAttributes.group if input.spec.resourceAttributes.group != null

_resource := input.spec.resourceAttributes.resource

default _name := ""

_name := input.spec.resourceAttributes.name if is_string(input.spec.resourceAttributes.name)

default _subresource := ""

_subresource := input.spec.resourceAttributes.subresource if input.spec.resourceAttributes.subresource != null
